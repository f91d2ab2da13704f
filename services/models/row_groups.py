"""Which tokens of a text each row of its answer is the mean of: every pooling as one thing.

A word or span has the tokens that overlap its characters, by the offsets of the tokenizer. Special tokens and tokens
without characters belong to none.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from services.models.spec import Pooling, RowGroups, TokenizedText


def row_groups(text: TokenizedText, pooling: Pooling) -> RowGroups:
    """The rows of a text's answer.

    Args:
        text: The text, with its groups where the pooling is by word or span.
        pooling: Pooling of the plan.

    Raises:
        ValueError: Pooling by word or span of a text without groups.
    """
    if pooling is Pooling.MEAN:
        content = np.flatnonzero(~text.special)
        return RowGroups(content, np.array([content.size]))
    if pooling is Pooling.CLS:
        return _single(np.zeros(1, np.int64))
    if text.groups is not None:
        return text.groups
    if pooling is Pooling.TOKEN:
        return _single(np.arange(len(text)))
    raise ValueError(f"Expected a text with the groups of its rows for pooling {pooling.value}, but it has none")


def row_count(text: TokenizedText, pooling: Pooling) -> int:
    """Number of rows of a text's answer."""
    if pooling in {Pooling.MEAN, Pooling.CLS}:
        return 1
    return len(text) if text.groups is None else len(text.groups)


def spanned(text: TokenizedText, spans: Sequence[tuple[int, int]], *, first: bool = False) -> RowGroups:
    """A row for each span: the tokens that overlap it.

    Args:
        text: The tokens.
        spans: First code point of each, and one past the last.
        first: Whether only the first of the tokens counts.
    """
    borders = np.asarray(spans, dtype=np.int64).reshape(-1, 2)
    overlaps = (text.starts < borders[:, 1:]) & (text.ends > borders[:, :1])
    overlaps &= ~text.special & (text.ends > text.starts)
    rows, tokens = np.nonzero(overlaps)
    if first:
        leading = np.diff(rows, prepend=-1) > 0
        rows, tokens = rows[leading], tokens[leading]
    return RowGroups(tokens, np.bincount(rows, minlength=len(borders)))


def chosen(positions: Sequence[int]) -> RowGroups:
    """A row for each position."""
    return _single(np.asarray(positions, dtype=np.int64))


def _single(tokens: NDArray[np.int64]) -> RowGroups:
    return RowGroups(tokens, np.ones(tokens.size, np.int64))
