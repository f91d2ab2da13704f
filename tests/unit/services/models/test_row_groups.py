"""Which tokens belong to words, spans and positions, as literal tables."""

import numpy as np
import pytest

from services.models.row_groups import chosen, row_count, row_groups, spanned
from services.models.spec import Pooling, RowGroups, TokenizedText

# "un|happ|y  c|at." with a special token at either end, and one token without characters.
OFFSETS = ((0, 0), (0, 2), (2, 6), (6, 7), (9, 9), (9, 10), (10, 12), (12, 13), (0, 0))
SPECIAL = (True, *[False] * 7, True)


def _text(groups: RowGroups | None = None) -> TokenizedText:
    starts, ends = np.array(OFFSETS, np.int32).T
    size = len(OFFSETS)
    return TokenizedText(np.arange(size), np.array(SPECIAL), starts, ends, False, size, groups=groups)


@pytest.mark.parametrize(
    ("span", "tokens"),
    [
        ((0, 7), [1, 2, 3]),
        ((0, 1), [1]),
        ((1, 3), [1, 2]),
        ((6, 10), [3, 5]),
        ((9, 13), [5, 6, 7]),
        ((7, 9), []),
        ((12, 13), [7]),
    ],
)
def test_a_span_has_the_tokens_that_overlap_it(span: tuple[int, int], tokens: list[int]) -> None:
    assert spanned(_text(), [span]).tokens.tolist() == tokens
    assert spanned(_text(), [span], first=True).tokens.tolist() == tokens[:1]


def test_spans_may_overlap_and_come_in_any_order() -> None:
    groups = spanned(_text(), [(9, 13), (7, 9), (10, 12), (0, 13)])
    assert groups.counts.tolist() == [3, 0, 1, 6]
    assert groups.tokens.tolist() == [5, 6, 7, 6, 1, 2, 3, 5, 6, 7]
    assert groups.empty == (1,)
    first = spanned(_text(), [(9, 13), (7, 9), (10, 12), (0, 13)], first=True)
    assert first.counts.tolist() == [1, 0, 1, 1]
    assert first.tokens.tolist() == [5, 6, 1]


def test_bytes_of_one_character_all_belong_to_it() -> None:
    places = np.array([0, 1, 1, 1, 2], np.int32)
    text = TokenizedText(np.arange(5), np.zeros(5, bool), places, places + 1, False, 5)
    assert spanned(text, [(1, 2)]).tokens.tolist() == [1, 2, 3]


def test_rows_of_each_pooling() -> None:
    text, grouped = _text(), _text(chosen([8, 0, 8]))
    assert row_groups(text, Pooling.MEAN).tokens.tolist() == [1, 2, 3, 4, 5, 6, 7]
    assert row_groups(text, Pooling.CLS).tokens.tolist() == [0]
    assert row_groups(text, Pooling.TOKEN).tokens.tolist() == list(range(9))
    assert row_groups(grouped, Pooling.TOKEN).tokens.tolist() == [8, 0, 8]
    for pooling in (Pooling.MEAN, Pooling.CLS, Pooling.TOKEN):
        for each in (text, grouped):
            assert row_count(each, pooling) == len(row_groups(each, pooling))
    assert row_count(grouped, Pooling.SPAN) == 3
