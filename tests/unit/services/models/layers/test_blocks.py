"""Pieces of the blocks that the parity tests see only through whole models."""

import numpy as np
import torch
from transformers import ModernBertConfig
from transformers.models.modernbert.modeling_modernbert import ModernBertRotaryEmbedding, apply_rotary_pos_emb

from services.models.families.base import count_positions
from services.models.layers.blocks import Layout, Norm, Rotary
from services.models.layers.packing import pack
from services.models.spec import TokenizedText


def _layout(sizes: list[int]) -> Layout:
    nowhere = [np.zeros(size, dtype=np.int32) for size in sizes]
    batch = [
        TokenizedText(np.arange(size), np.zeros(size, dtype=bool), none, none, False, size)
        for size, none in zip(sizes, nowhere, strict=True)
    ]
    return Layout.of(pack(batch, np.arange(len(sizes)), count_positions), "cpu")


def test_rotary_positions_are_those_of_transformers() -> None:
    config = ModernBertConfig(hidden_size=24, num_attention_heads=3, num_hidden_layers=3)
    theirs = ModernBertRotaryEmbedding(config)
    layout = _layout([9, 7])
    qkv = torch.randn(16, 72)
    q, k, v = qkv.clone().view(1, 16, 3, 3, 8).unbind(2)
    for kind, base in (("full_attention", 160_000.0), ("sliding_attention", 10_000.0)):
        cos, sin = theirs(qkv, layout.positions[None], kind)
        expected_q, expected_k = apply_rotary_pos_emb(q.transpose(1, 2), k.transpose(1, 2), cos, sin)
        turned = Rotary(base, 8).turn(qkv.clone(), layout, 6).view(1, 16, 3, 3, 8)
        np.testing.assert_allclose(turned[:, :, 0], expected_q.transpose(1, 2), atol=1e-6)
        np.testing.assert_allclose(turned[:, :, 1], expected_k.transpose(1, 2), atol=1e-6)
        assert torch.equal(turned[:, :, 2], v)


def test_equal_rotaries_share_their_tables() -> None:
    layout = _layout([4])
    first = layout.table(Rotary(10.0, 4), Rotary(10.0, 4).tables)
    assert layout.table(Rotary(10.0, 4), Rotary(10.0, 4).tables) is first
    assert layout.table(Rotary(20.0, 4), Rotary(20.0, 4).tables) is not first


def test_norm_equals_the_formula() -> None:
    x, weight, bias = torch.randn(5, 8), torch.randn(8), torch.randn(8)
    wide = x.double()
    expected = (wide - wide.mean(1, keepdim=True)) / (wide.var(1, unbiased=False, keepdim=True) + 1e-5).sqrt()
    np.testing.assert_allclose(Norm(weight, bias, 1e-5)(x), expected * weight + bias, atol=1e-5)
    np.testing.assert_allclose(Norm(weight, None, 1e-5)(x), expected * weight, atol=1e-5)
