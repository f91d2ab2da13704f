"""Every other family that transformers has an encoder of: served and trained with right numbers, or refused and why."""

from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from transformers import AutoConfig, AutoModel

from services.models.catalogue import ModelFiles
from services.models.general_model import load_general
from services.models.spec import EncodePlan, ModelSpec, Pooling
from services.runtime.errors import FailedPrecondition
from services.trainer.alignment.edits import LanguageInterventions
from services.trainer.data.pieces import Piece
from services.trainer.evaluation.padded import PaddedForward
from services.trainer.training.module import TrainableModule
from services.trainer.training.trainable import load_trainable
from tests.support.encoder_pairs import Pair, reduced
from tests.support.tiny_models import build_tokenizer, mixed_texts, name_class, roughen

pytestmark = pytest.mark.soak

_SIZES = {"vocab_size": 400, "pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2}
_BERT = {
    "hidden_size": 48,
    "intermediate_size": 80,
    "num_attention_heads": 4,
    "num_hidden_layers": 3,
    "max_position_embeddings": 258,
    "type_vocab_size": 2,
}
_SEQ2SEQ = {
    "d_model": 48,
    "encoder_layers": 3,
    "decoder_layers": 1,
    "encoder_attention_heads": 3,
    "decoder_attention_heads": 3,
    "encoder_ffn_dim": 80,
    "decoder_ffn_dim": 80,
    "max_position_embeddings": 258,
}
_T5 = {"d_model": 48, "d_kv": 12, "d_ff": 80, "num_layers": 3, "num_decoder_layers": 1, "num_heads": 4}
_SETTINGS: dict[str, dict[str, Any]] = {
    **dict.fromkeys(
        (
            "bert-generation", "big_bird", "convbert", "data2vec-text", "deberta", "ernie", "esm", "fnet", "gte",
            "ibert", "jina_embeddings_v3", "layoutlm", "luke", "megatron-bert", "nystromformer", "roberta-prelayernorm",
            "roc_bert", "roformer", "splinter", "tapas", "ultrabert", "yoso",
        ),
        _BERT,
    ),
    **dict.fromkeys(
        (
            "bart", "bigbird_pegasus", "blenderbot", "blenderbot-small", "led", "marian", "mvp", "nllb-moe", "pegasus",
            "plbart",
        ),
        _SEQ2SEQ,
    ),
    **dict.fromkeys(("longt5", "switch_transformers", "t5", "umt5"), _T5),
    "flaubert": {"emb_dim": 48, "n_layers": 3, "n_heads": 3, "max_position_embeddings": 258, "pad_index": 1},
    "longformer": {**_BERT, "attention_window": [8] * 3},
    "mobilebert": {
        **_BERT, "embedding_size": 24, "hidden_size": 64, "intra_bottleneck_size": 32, "true_hidden_size": 32,
    },
}  # fmt: skip
EQUAL_LENGTHS = ("convbert", "fnet", "mobilebert", "nystromformer", "yoso")
"""Families that see padding, so that only texts of equal length share a batch."""
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "fsmt": (_SEQ2SEQ, "its encoder does not run"),
    "mra": (_BERT, "its first token does not see the last one"),
    "squeezebert": (
        {**_BERT, "embedding_size": 48, "q_groups": 4, "k_groups": 4, "v_groups": 4},
        "it has no encoder blocks",
    ),
}


def _folder(family: str, settings: dict[str, Any], folder: Path) -> Path:
    config = AutoConfig.for_model(family, **_SIZES, **settings)
    model = AutoModel.from_config(config)
    roughen(model, 0)
    model.save_pretrained(folder)
    build_tokenizer("roberta").save_pretrained(folder)
    name_class(folder, "PreTrainedTokenizerFast")
    return folder


@pytest.mark.parametrize("family", _SETTINGS)
def test_hidden_states_equal_those_of_each_text_alone(family: str, tmp_path: Path) -> None:
    twin = Pair.of(_folder(family, _SETTINGS[family], tmp_path))
    with closing(twin.engine), torch.no_grad():
        assert twin.engine._backend._encoder.base.padded == (family not in EQUAL_LENGTHS)  # type: ignore[attr-defined]
        batch = twin.engine.tokenize(mixed_texts(24, longest=60))
        every = tuple(range(twin.engine.info.layers + 1))
        for text, rows in zip(batch, twin.engine.encode(batch, EncodePlan(every, Pooling.TOKEN)), strict=True):
            mask = torch.ones(1, len(text), dtype=torch.int64)
            states = twin.plain(**twin.inputs(text), attention_mask=mask, output_hidden_states=True).hidden_states
            expected = reduced(torch.cat(states).numpy(), text, Pooling.TOKEN)
            np.testing.assert_allclose(rows, expected, atol=2e-5, rtol=0, equal_nan=False)


@pytest.mark.parametrize("family", REFUSED)
def test_families_that_cannot_be_hooked_are_refused(family: str, tmp_path: Path) -> None:
    settings, reason = REFUSED[family]
    with pytest.raises(FailedPrecondition, match=reason):
        Pair.of(_folder(family, settings, tmp_path))


UNTRAINED = {"switch_transformers": "by more than dropout"}
"""Families that are served but not trained, with the reason."""


def _pieces(model: TrainableModule, longest: int) -> list[Piece]:
    none = np.zeros(0, dtype=np.int64)
    texts = model.tokenizer.tokenize(mixed_texts(8, longest=longest), 60)
    return [Piece(place, text, None, none, none, {}, 0) for place, text in enumerate(texts)]


def _run(forward: PaddedForward, pieces: list[Piece], tokens: int) -> torch.Tensor:
    """The sum of what some texts give, through which gradients flow."""
    total = torch.zeros(())
    for some in forward.batching.portions(pieces, tokens):
        batch = forward.batching.collate(some, "cpu")
        hidden_TD = forward(batch, LanguageInterventions((), "cpu").of(batch))
        total = total + hidden_TD[: sum(len(piece.text) for piece in some)].tanh().sum()
    return total


@pytest.mark.parametrize("family", _SETTINGS)
def test_a_padded_batch_has_the_gradients_of_its_texts_and_is_saved(family: str, tmp_path: Path) -> None:
    files = ModelFiles(aliases={"m": _folder(family, _SETTINGS[family], tmp_path / "m")})
    if family in UNTRAINED:
        with pytest.raises(FailedPrecondition, match=UNTRAINED[family]):
            load_trainable(files, ModelSpec("m"), rate=0.0)
        return
    model = load_trainable(files, ModelSpec("m"), rate=0.0)
    assert isinstance(model, TrainableModule)
    pieces, found = _pieces(model, 30), []
    for tokens in (10_000, 1):
        _run(model.training("float32"), pieces, tokens).backward()  # type: ignore[no-untyped-call]
        found.append({name: each.grad for name, each in model.trained.items() if each.grad is not None})
        for each in model.trained.values():
            each.grad = None
    together, alone = found
    assert together.keys() == alone.keys()
    for name, gradient in together.items():
        torch.testing.assert_close(
            gradient, alone[name], rtol=0, atol=1e-5 * max(1.0, float(alone[name].abs().max())), msg=name
        )
    with torch.no_grad():
        for each in model.trained.values():
            each.add_(0.01 * torch.randn(each.shape, generator=torch.Generator().manual_seed(1)))
        expected = _run(model.serving("float32"), pieces, 1)
    save_file(model.stored(), tmp_path / "m" / "model.safetensors", metadata={"format": "pt"})
    again = load_general(files, files.find("m"), ModelSpec("m"), "cpu", headed=False).encoder
    with torch.no_grad():
        served = _run(PaddedForward(again.base, again.taps, "float32"), pieces, 1)
    assert float(served) == pytest.approx(float(expected), rel=1e-5)
