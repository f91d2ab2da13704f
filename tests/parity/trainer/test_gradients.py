"""Gradients of a packed batch equal those of the padded batch through transformers' own model."""

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModel

from services.models.catalogue import ModelFiles
from services.models.layers.blocks import Layout
from services.models.layers.dropout import NO_DROPOUT
from services.models.layers.interventions import Interventions
from services.models.layers.packing import pack
from services.models.spec import ModelSpec
from services.trainer.evaluation.forward import last_hidden_state
from services.trainer.training.encoder import TrainableEncoder
from services.trainer.training.plan import Frozen
from tests.support.gradients import gradients_of
from tests.support.tiny_models import CONFIGURATIONS, build_model, mixed_texts

FAMILIES = [name for name in CONFIGURATIONS if name != "camembert"]


def _load(family: str, folder: Path) -> TrainableEncoder:
    if not folder.exists():  # training a tokenizer twice does not give the same one
        build_model(family, folder)
    return TrainableEncoder.load(ModelFiles(aliases={"tiny": folder}), ModelSpec("tiny"))


def _packed_gradients(model: TrainableEncoder, texts: list[str], weights: torch.Tensor) -> dict[str, torch.Tensor]:
    batch = model.tokenizer.tokenize(texts, 10_000)
    order = np.argsort([-len(text) for text in batch], kind="stable")
    packed = pack(batch, order, model.positions)
    hidden_TD = last_hidden_state(
        model.build("float32", NO_DROPOUT), Layout.of(packed, "cpu"), "float32", Interventions((), "cpu")
    )
    loss = torch.zeros(())
    for place, start, length in zip(order, packed.starts, packed.lengths, strict=True):
        rows = hidden_TD[start : start + length]
        loss = loss + (rows * weights[place, :length]).tanh().sum()
    loss.backward()
    return gradients_of(model.parameters)


@pytest.mark.parametrize("family", FAMILIES)
def test_packed_gradients_equal_those_of_the_padded_batch(family: str, tmp_path: Path) -> None:
    model = _load(family, tmp_path / family)
    texts = [*mixed_texts(10, longest=20), "a", "river and bridge"]
    batch = model.tokenizer.tokenize(texts, 10_000)
    longest = max(len(text) for text in batch)
    weights = torch.randn((len(texts), longest, model.sizes.hidden_size), generator=torch.Generator().manual_seed(1))
    ours = _packed_gradients(model, texts, weights)

    theirs = AutoModel.from_pretrained(tmp_path / family, dtype=torch.float32).train(False)
    padding = model.config.pad_token_id
    ids = torch.full((len(texts), longest), padding)
    mask = torch.zeros((len(texts), longest), dtype=torch.long)
    for place, text in enumerate(batch):
        ids[place, : len(text)] = torch.from_numpy(text.ids)
        mask[place, : len(text)] = 1
    hidden_BLD = theirs(input_ids=ids, attention_mask=mask).last_hidden_state
    ((hidden_BLD * weights).tanh() * mask[..., None]).sum().backward()
    expected = {name: each.grad for name, each in theirs.named_parameters() if each.grad is not None}

    assert set(ours) == {name for name in expected if "pooler" not in name}
    for name, gradient in ours.items():
        scale = max(1.0, float(expected[name].abs().max()))
        assert float((gradient - expected[name]).abs().max()) <= 1e-5 * scale, name


@pytest.mark.parametrize("family", ["bert", "modernbert"])
def test_frozen_parts_have_no_gradient_and_change_no_other(family: str, tmp_path: Path) -> None:
    texts = mixed_texts(8, longest=20)
    model = _load(family, tmp_path / family)
    weights = torch.randn((len(texts), 300, model.sizes.hidden_size), generator=torch.Generator().manual_seed(1))
    full = _packed_gradients(model, texts, weights)
    for frozen in (
        Frozen(embeddings=True, layers=2),
        Frozen(layers=2),
        Frozen(embeddings=True),
        Frozen(patterns=("*attn*", "*attention*")),
    ):
        part = _load(family, tmp_path / family)
        part.freeze(Frozen(frozen.embeddings, frozen.layers, tuple(p for p in frozen.patterns if _known(part, p))))
        found = _packed_gradients(part, texts, weights)
        assert set(found) == set(part.trained)
        assert set(found) < set(full)
        for name, gradient in found.items():
            # The frozen prefix runs on blocked products, whose rounding differs.
            torch.testing.assert_close(gradient, full[name], rtol=1e-4, atol=1e-5 * float(full[name].abs().max()))


def _known(model: TrainableEncoder, pattern: str) -> bool:
    return any(pattern.strip("*") in name for name in model.parameters)
