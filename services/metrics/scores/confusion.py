"""Confusion matrices, and F1 by label: sums an item, figures of their sums."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from services.metrics.arrays import F64
from services.metrics.scores.base import Figure
from services.runtime.errors import InvalidArgument

MAX_LABELS: Final = 64
MISSING: Final = "(none)"
"""Stands for a prediction without label in the confusion matrix."""


class Column:
    """The figure that is one of the sums.

    Args:
        index: Column of the sums.
    """

    def __init__(self, index: int) -> None:
        self._index = index

    def __call__(self, sums: F64) -> F64:
        """The column."""
        column: F64 = sums[..., self._index]
        return column


def confusion(items: Sequence[Counter[tuple[str, str]]], first: int) -> tuple[F64, tuple[Figure, ...]]:
    """Cells of the confusion matrix, and F1 of every gold label.

    Args:
        items: Gold and predicted labels of every item, counted.
        first: Column of the first of the sums in the item table.

    Returns:
        [n, L * L] sums, and their figures.

    Raises:
        InvalidArgument: There are more than `MAX_LABELS` labels.
    """
    golds = {gold for item in items for gold, _ in item}
    names = sorted(golds | {said for item in items for _, said in item})
    if len(names) > MAX_LABELS:
        raise InvalidArgument("items", f"Expected at most {MAX_LABELS} labels, but got {len(names)}")
    numbers = {name: index for index, name in enumerate(names)}
    size = len(names)
    rows = np.zeros((len(items), size * size))
    for row, item in zip(rows, items, strict=True):
        for (gold, said), count in item.items():
            row[numbers[gold] * size + numbers[said]] = count
    listed = [name for name in names if name in golds]
    cells = (
        Figure("confusion", "count", Column(first + numbers[gold] * size + numbers[said]), gold, said, by_item=False)
        for gold in listed
        for said in names
    )
    f1 = (
        Figure("label_f1", "label", _label_f1(first, size, numbers[name]), left=name, by_item=False) for name in listed
    )
    return rows, (*f1, *cells)


def by_type(
    items: Sequence[tuple[Counter[str], Counter[str], Counter[str]]], first: int
) -> tuple[F64, tuple[Figure, ...]]:
    """F1 of spans by their type.

    Args:
        items: Right, predicted and gold spans of every item, counted by type.
        first: Column of the first of the sums in the item table.

    Returns:
        [n, 3 * types] sums, and their figures, of the types that gold has.

    Raises:
        InvalidArgument: There are more than `MAX_LABELS` types.
    """
    names = sorted({name for item in items for counts in item for name in counts})
    golds = {name for _, _, gold in items for name in gold}
    if len(names) > MAX_LABELS:
        raise InvalidArgument("items", f"Expected at most {MAX_LABELS} types, but got {len(names)}")
    rows = np.array([[counts[name] for name in names for counts in item] for item in items], dtype=np.float64)
    figures = (
        Figure("type_f1", "type", _f1_of(first + 3 * index), left=name, by_item=False)
        for index, name in enumerate(names)
        if name in golds
    )
    return rows.reshape(len(items), 3 * len(names)), tuple(figures)


def _label_f1(first: int, size: int, label: int) -> Callable[[F64], F64]:
    """F1 of a label, in per cent, from the sums of a confusion matrix."""
    gold = slice(first + label * size, first + (label + 1) * size)
    said = slice(first + label, first + size * size, size)

    def of(sums: F64) -> F64:
        total = sums[..., gold].sum(axis=-1) + sums[..., said].sum(axis=-1)
        return _share(2 * sums[..., first + label * size + label], total)

    return of


def _f1_of(column: int) -> Callable[[F64], F64]:
    """F1, in per cent, from the columns of right, predicted and gold spans."""

    def of(sums: F64) -> F64:
        return _share(2 * sums[..., column], sums[..., column + 1] + sums[..., column + 2])

    return of


def _share(part: F64, whole: F64) -> F64:
    """Per cent; NaN where the whole is 0: a bootstrap sample without the label determines nothing."""
    found: F64 = np.where(whole > 0, 100 * part / np.where(whole > 0, whole, 1.0), np.nan)
    return found
