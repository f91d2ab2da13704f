"""Pooling against sums written out."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from services.models.layers.pooling import PIECE_ROWS, Groups, gather, pool
from services.models.spec import Pooling, RowGroups, TokenizedText

MASKS = ([1, 0, 0, 1], [1, 1, 0, 0, 0, 1], [1, 1], [0, 1, 0])
STARTS = np.array([0, 4, 10, 12])


def _text(mask: list[int], groups: RowGroups | None = None) -> TokenizedText:
    nowhere = np.zeros(len(mask), dtype=np.int32)
    special = np.array(mask, dtype=bool)
    return TokenizedText(np.arange(len(mask)), special, nowhere, nowhere, False, len(mask), groups=groups)


def _groups(pooling: Pooling) -> Groups:
    return gather([_text(mask) for mask in MASKS], STARTS, pooling, "cpu")


def test_mean_leaves_special_tokens_out_and_is_zero_without_others() -> None:
    hidden = torch.arange(15.0)[:, None] * torch.tensor([1.0, -2.0])
    pooled = pool(hidden, _groups(Pooling.MEAN))
    np.testing.assert_array_equal(pooled, np.array([1.5, 7.0, 0.0, 13.0])[:, None] * [1.0, -2.0])


def test_texts_of_nothing_but_special_tokens_are_zero() -> None:
    groups = gather([_text([1, 1]), _text([1])], np.array([0, 2]), Pooling.MEAN, "cpu")
    assert pool(torch.ones(16, 2), groups).tolist() == [[0.0, 0.0], [0.0, 0.0]]


def test_cls_is_the_first_token() -> None:
    hidden = torch.arange(15.0)[:, None]
    assert pool(hidden, _groups(Pooling.CLS))[:, 0].tolist() == [0.0, 4.0, 10.0, 12.0]


def test_token_is_everything_that_belongs_to_a_text() -> None:
    hidden = torch.arange(16.0)[:, None]
    assert torch.equal(pool(hidden, _groups(Pooling.TOKEN)), hidden[:15])


def test_texts_may_lie_apart_as_in_a_padded_batch() -> None:
    hidden = torch.arange(20.0)[:, None]
    texts = [_text([1, 0, 1]), _text([1, 0, 0, 0, 1])]
    starts = np.array([0, 10])
    assert pool(hidden, gather(texts, starts, Pooling.TOKEN, "cpu"))[:, 0].tolist() == [0, 1, 2, 10, 11, 12, 13, 14]
    assert pool(hidden, gather(texts, starts, Pooling.MEAN, "cpu"))[:, 0].tolist() == [1.0, 12.0]


def test_groups_of_a_text_take_the_place_of_its_tokens() -> None:
    hidden = torch.arange(15.0)[:, None]
    own = RowGroups(np.array([2, 1, 2, 3]), np.array([1, 0, 3]))
    other = RowGroups(np.array([0]), np.array([1]))
    texts = [_text(MASKS[1], own), _text(MASKS[2], other)]
    assert own.empty == (1,)
    for pooling in (Pooling.SPAN, Pooling.WORD_MEAN, Pooling.WORD_FIRST, Pooling.TOKEN):
        groups = gather(texts, np.array([4, 10]), pooling, "cpu")
        assert pool(hidden, groups)[:, 0].tolist() == [6.0, 0.0, 6.0, 10.0]


def test_pooling_by_span_needs_groups() -> None:
    with pytest.raises(ValueError, match="groups of its rows for pooling span"):
        gather([_text([1, 0, 1])], np.array([0]), Pooling.SPAN, "cpu")


@given(st.lists(st.lists(st.integers(0, 9), max_size=12), min_size=1, max_size=20))
def test_any_groups_are_means(groups: list[list[int]]) -> None:
    hidden = torch.randn(16, 3, generator=torch.Generator().manual_seed(0))
    flat = np.array([token for group in groups for token in group], np.int64)
    own = RowGroups(flat, np.array([len(group) for group in groups]))
    pooled = pool(hidden, gather([_text([0] * 10, own)], np.array([3]), Pooling.SPAN, "cpu"))
    exact = hidden.double().numpy()
    expected = [exact[np.array(group) + 3].mean(0) if group else np.zeros(3) for group in groups]
    np.testing.assert_allclose(pooled, np.array(expected), atol=1e-6)


@pytest.mark.parametrize("size", [PIECE_ROWS, PIECE_ROWS + 1, 5000])
def test_long_means_agree_with_float64(size: int) -> None:
    groups = gather([_text([0] * size), _text([0])], np.array([0, size]), Pooling.MEAN, "cpu")
    hidden = torch.randn(size + 1, 6, generator=torch.Generator().manual_seed(size)) + 3.0
    np.testing.assert_allclose(pool(hidden, groups)[0], hidden[:size].double().mean(0), atol=1e-6)
