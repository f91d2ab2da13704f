"""What the general path does beyond the packed one, against transformers' own modules, one text at a time."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForMaskedLM

from services.encoder.backends.transformers import TransformersBackend
from services.encoder.loading import load_engine
from services.models.catalogue import ModelFiles
from services.models.general_model import load_general
from services.models.spec import Edit, EncodePlan, ModelSpec, Pooling, PredictPlan, Reinit, Scheme
from tests.support.encoder_pairs import Pair, reduced
from tests.support.general_models import GENERAL, SERVED, build_general
from tests.support.tiny_models import CONFIGURATIONS, build_model, mixed_texts

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


@pytest.fixture(scope="module", params=HEADED)
def headed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Pair, Any]]:
    """Ours with a head, and transformers' whole model."""
    folder = build_general(request.param, tmp_path_factory.mktemp("head"), head=True, seed=2)
    ours = Pair.of(folder, places=GENERAL[request.param].places)
    with closing(ours.engine):
        yield ours, AutoModelForMaskedLM.from_pretrained(folder, dtype=torch.float32).eval()


def test_checkpoints_with_a_head_load_the_same_encoder(headed: tuple[Pair, Any]) -> None:
    ours, whole = headed
    every = tuple(range(ours.engine.info.layers + 1))
    batch = ours.tokenize(mixed_texts(4, seed=7))
    for text, rows in zip(batch, ours.engine.encode(batch, EncodePlan(every, Pooling.TOKEN)), strict=True):
        with torch.no_grad():
            out = whole(**ours.inputs(text), output_hidden_states=True)
        expected = torch.cat(out.hidden_states).numpy().transpose(1, 0, 2)
        np.testing.assert_allclose(rows, expected, atol=TOLERANCE, rtol=0)


def test_the_likeliest_tokens_are_those_of_the_whole_model(headed: tuple[Pair, Any]) -> None:
    ours, whole = headed
    assert ours.engine.info.predicts_tokens
    batch = ours.tokenize(mixed_texts(9, seed=8))
    plan = PredictPlan(((),), (ours.engine.info.layers,), 3)
    for text, found in zip(batch, ours.engine.predict(batch, plan), strict=True):
        with torch.no_grad():
            scores = torch.log_softmax(whole(**ours.inputs(text)).logits[0].double(), dim=-1).topk(3)
        assert np.array_equal(found.token_ids[:, 0, 0], scores.indices)
        np.testing.assert_allclose(found.log_probabilities[:, 0, 0], scores.values, atol=1e-4, rtol=0)


def test_the_logit_lens_under_edits_is_the_head_over_each_layer(headed: tuple[Pair, Any]) -> None:
    ours, whole = headed
    heads = {"albert": "predictions", "deberta-v2": "cls", "nomic_bert": "cls", "xlm": "pred_layer.proj"}
    head = whole.get_submodule(heads.get(whole.config.model_type, "lm_head"))
    shift = np.random.default_rng(0).normal(size=ours.engine.info.hidden_size).astype(np.float32)
    settings: tuple[tuple[Edit, ...], ...] = ((), (Edit(2, shift, 0.7),), (Edit(0, shift, -0.4),), ())
    layers = (ours.engine.info.layers, 0, 2)
    batch = ours.tokenize(mixed_texts(5, seed=9, longest=20))
    found = ours.engine.predict(batch, PredictPlan(settings, layers, 2))
    for text, each in zip(batch, found, strict=True):
        assert np.array_equal(each.log_probabilities[:, 0], each.log_probabilities[:, 3])
        for place, edits in enumerate(settings):
            states = torch.from_numpy(ours.edited_states(text, edits))
            with torch.no_grad():
                scores = torch.log_softmax(head(states[list(layers)]).double(), dim=-1).topk(2)
            np.testing.assert_allclose(
                each.log_probabilities[:, place].transpose(1, 0, 2), scores.values, atol=1e-4, rtol=0
            )


@pytest.mark.parametrize("family", ["deberta-v2", "mpnet"])
def test_a_head_that_shares_the_word_table_is_drawn_with_it(family: str, tmp_path: Path) -> None:
    folder = build_general(family, tmp_path, head=True, seed=2)
    files = ModelFiles(aliases={"m": folder})
    base = load_engine(files, ModelSpec("m"), threads=1)
    drawn = load_engine(files, ModelSpec("m", reinit=(Reinit(embeddings=True),)), threads=1)
    with closing(base), closing(drawn):
        batch = base.tokenize(mixed_texts(3, seed=9, longest=20))
        plan = PredictPlan(((),), (0,), 1)
        states = drawn.encode(batch, EncodePlan((0,), Pooling.TOKEN))
        table = drawn._backend._encoder.taps.module.get_input_embeddings().weight  # type: ignore[attr-defined]
        whole = AutoModelForMaskedLM.from_pretrained(folder, dtype=torch.float32).eval()
        with torch.no_grad():
            whole.get_input_embeddings().weight.copy_(table)
            head = whole.get_submodule("cls" if family == "deberta-v2" else "lm_head")
            for rows, found in zip(states, drawn.predict(batch, plan), strict=True):
                scores = torch.log_softmax(head(torch.from_numpy(np.array(rows[:, 0]))).double(), dim=-1).max(-1)
                np.testing.assert_allclose(found.log_probabilities[:, 0, 0, 0], scores.values, atol=1e-4, rtol=0)


def test_encoders_without_a_head_say_why(pair: Callable[[str], Pair]) -> None:
    expected = {
        "mpnet": "its checkpoint has no masked-language-model head",
        "mt5": "transformers has no masked-language-model head for family 'mt5'",
    }
    for family, reason in expected.items():
        info = pair(f"general {family}").engine.info
        assert (info.predicts_tokens, info.headless) == (False, reason)


@pytest.mark.parametrize("scheme", ["model", "torch_default"])
@pytest.mark.parametrize("family", CONFIGURATIONS)
def test_drawn_layers_of_a_packed_family_are_the_same_in_transformers_modules(
    pair: Callable[[str], Pair], family: str, scheme: Scheme, tmp_path: Path
) -> None:
    """Graphs are exported from these modules, under the digest of the packed model."""
    base, folder = pair(family), pair(family).folder
    if family == "albert":  # several layers a group have no places in transformers' modules
        folder = build_model(family, tmp_path, inner_group_num=1, num_hidden_layers=6)
    every = tuple(range(base.engine.info.layers + 1))
    spec = ModelSpec("m", reinit=(Reinit(every[1:], embeddings=True, seed=5, scheme=scheme),))
    files = ModelFiles(aliases={"m": folder})
    general = load_general(files, files.find("m"), spec, "cpu")
    backend = TransformersBackend(general.encoder, threads=1)
    with closing(load_engine(files, spec, threads=1)) as packed, closing(backend):
        assert packed.info.digest == general.info.digest
        batch, plan = base.tokenize(mixed_texts(4, seed=3, longest=20)), EncodePlan(every, Pooling.TOKEN)
        for one, other in zip(packed.encode(batch, plan), backend.run(batch, plan), strict=True):
            np.testing.assert_allclose(one, other, atol=2e-5 * max(1.0, float(np.abs(one).max())), rtol=0)
