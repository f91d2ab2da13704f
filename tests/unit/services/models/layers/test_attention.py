"""Attention over packed texts equals the formula, text by text, in float64."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from services.models.layers.attention import WINDOW_BLOCK, attend
from services.models.layers.dropout import drop
from services.models.layers.packing import LengthGroup


def _formula(qkv: np.ndarray, heads: int, window: int | None) -> np.ndarray:
    """softmax(Q K' / sqrt(size)) V for one text, [T, 3 d] to [T, d]."""
    length, width = qkv.shape[0], qkv.shape[1] // 3
    q, k, v = qkv.reshape(length, 3, heads, -1).transpose(1, 2, 0, 3).astype(np.float64)
    scores = q @ k.transpose(0, 2, 1) / np.sqrt(width // heads)
    if window is not None:
        places = np.arange(length)
        scores[:, np.abs(places[:, None] - places) > window] = -np.inf
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    weights /= weights.sum(-1, keepdims=True)
    return (weights @ v).transpose(1, 0, 2).reshape(length, width)


def _groups(shapes: list[tuple[int, int]]) -> list[LengthGroup]:
    groups, start = [], 0
    for count, length in shapes:
        groups.append(LengthGroup(start, count, length))
        start += count * length
    return groups


def _check(shapes: list[tuple[int, int]], heads: int, size: int, window: int | None, seed: int) -> None:
    groups = _groups(shapes)
    qkv = torch.randn(groups[-1].stop, 3 * heads * size, generator=torch.Generator().manual_seed(seed))
    context = attend(qkv, groups, heads, window).numpy()
    for group in groups:
        for text in range(group.count):
            first = group.start + text * group.length
            rows = slice(first, first + group.length)
            np.testing.assert_allclose(context[rows], _formula(qkv[rows].numpy(), heads, window), atol=5e-6)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 4), st.integers(1, 40)), min_size=1, max_size=5),
    st.integers(1, 5),
    st.sampled_from([2, 8, 16]),
    st.none() | st.integers(0, 12),
    st.integers(0, 1000),
)
def test_equals_the_formula(
    shapes: list[tuple[int, int]], heads: int, size: int, window: int | None, seed: int
) -> None:
    _check(shapes, heads, size, window, seed)


@pytest.mark.parametrize("length", [WINDOW_BLOCK - 1, WINDOW_BLOCK, WINDOW_BLOCK + 1, 2 * WINDOW_BLOCK + 3])
@pytest.mark.parametrize("window", [1, 64, 300])
def test_windows_across_blocks(length: int, window: int) -> None:
    _check([(2, length)], 2, 4, window, 0)


@pytest.mark.parametrize("shape", [(1, 7), (3, 5)])
def test_weights_are_dropped_after_the_softmax(shape: tuple[int, int]) -> None:
    """The formula, with the same draws."""
    qkv = torch.randn(shape[0] * shape[1], 3 * 2 * 8, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(3)
    found = attend(qkv.requires_grad_(), _groups([shape]), 2, dropout=0.4)
    torch.manual_seed(3)
    q, k, v = qkv.view(*shape, 3, 2, 8).permute(2, 0, 3, 1, 4)
    weights = torch.softmax(q @ k.transpose(2, 3) / 8**0.5, dim=-1)
    expected = drop(weights.reshape(-1, shape[1], shape[1]), 0.4).view(weights.shape) @ v
    torch.testing.assert_close(found, expected.transpose(1, 2).reshape(len(qkv), -1), atol=1e-6, rtol=0)
    outer = torch.randn(found.shape, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(
        *(
            torch.autograd.grad(each, qkv, outer.view_as(each))[0]
            for each in (found, expected.transpose(1, 2).reshape(len(qkv), -1))
        ),
        atol=1e-6,
        rtol=0,
    )


def test_no_text_sees_another() -> None:
    groups = _groups([(2, 5), (1, 3)])
    qkv = torch.randn(13, 24)
    before = attend(qkv, groups, 2)
    qkv[5:10] = 1e3
    after = attend(qkv, groups, 2)
    assert torch.equal(before[:5], after[:5])
    assert torch.equal(before[10:], after[10:])
