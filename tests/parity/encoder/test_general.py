"""What the general path does beyond the packed one, against transformers' own modules, one text at a time."""

from collections.abc import Callable
from contextlib import closing

import numpy as np
import pytest
import torch
from transformers import AutoModelForMaskedLM

from services.models.spec import Edit, EncodePlan, Pooling, Reinit
from tests.support.encoder_pairs import Pair, reduced
from tests.support.general_models import GENERAL, SERVED, build_general
from tests.support.tiny_models import mixed_texts

TOLERANCE = 2e-5
HEADED = ("albert", "deberta-v2", "mpnet", "nomic_bert", "xlm", "xmod")
"""Families of which transformers has a masked-language-model head."""


@pytest.mark.parametrize("family", SERVED)
def test_drawn_layers_and_edits_equal_a_plain_model_of_the_drawn_weights(
    pair: Callable[[str], Pair], family: str
) -> None:
    base = pair(f"general {family}")
    layers = tuple(range(1, base.engine.info.layers + 1)) if GENERAL[family].places.shared else (2,)
    ours = Pair.of(base.folder, places=base.places, reinit=[Reinit(layers, embeddings=True, seed=3)])
    with closing(ours.engine), torch.no_grad():
        encoder = ours.engine._backend._encoder  # type: ignore[attr-defined]
        drawn = {name for layer in (0, *layers) for name in encoder.base.structure.parts[layer]}
        for name, parameter in encoder.taps.module.named_parameters():
            if name in drawn:
                ours.plain.get_parameter(name).copy_(parameter)
        shift = 0.3 * np.random.default_rng(0).normal(size=ours.engine.info.hidden_size).astype(np.float32)
        edits = (Edit(0, shift, 0.5), Edit(2, shift, -1.0, vector_positions="all"))
        every = tuple(range(ours.engine.info.layers + 1))
        batch = ours.tokenize(mixed_texts(8, seed=9, longest=30))
        for text, rows in zip(batch, ours.engine.encode(batch, EncodePlan(every, Pooling.MEAN, edits)), strict=True):
            expected = reduced(ours.edited_states(text, edits), text, Pooling.MEAN)
            np.testing.assert_allclose(rows, expected, atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("family", HEADED)
def test_checkpoints_with_a_head_load_the_same_encoder(family: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = build_general(family, tmp_path_factory.mktemp("head"), head=True, seed=2)
    ours = Pair.of(folder, places=GENERAL[family].places)
    whole = AutoModelForMaskedLM.from_pretrained(folder, dtype=torch.float32).eval()
    with closing(ours.engine), torch.no_grad():
        every = tuple(range(ours.engine.info.layers + 1))
        batch = ours.tokenize(mixed_texts(4, seed=7))
        for text, rows in zip(batch, ours.engine.encode(batch, EncodePlan(every, Pooling.TOKEN)), strict=True):
            out = whole(**ours.inputs(text), output_hidden_states=True)
            expected = torch.cat(out.hidden_states).numpy().transpose(1, 0, 2)
            np.testing.assert_allclose(rows, expected, atol=TOLERANCE, rtol=0)
