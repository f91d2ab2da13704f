"""Accuracy of labels of pairs of texts, with the confusion matrix."""

from typing import ClassVar, Final

import numpy as np
from babelscope.data.examples import Example, TextPair

from services.metrics.arrays import F64
from services.metrics.scores.base import Figure, Score, Table, content, ratio
from services.metrics.scores.placeholders import refuse_constant
from services.runtime.errors import InvalidArgument
from services.runtime.options import NoOptions

MAX_LABELS: Final = 64
MISSING: Final = "(none)"
"""Stands for a prediction without label in the confusion matrix."""


class Nli:
    """Accuracy and confusion matrix.

    Args:
        language: BCP 47 language tag; changes nothing.
        options: None.
    """

    name: ClassVar[str] = "nli"
    summary: ClassVar[str] = (
        "Accuracy of labels with their confusion matrix; gold is a pair of texts, prediction one or the label as text."
    )
    Options = NoOptions

    def __init__(self, language: str, options: NoOptions) -> None:
        self._labels: list[tuple[str, str]] = []

    def add(self, prediction: Example, gold: Example, where: str) -> None:
        """Keeps the gold and the predicted label."""
        right = content(gold, TextPair, f"{where}.gold").label.strip()
        if not right:
            raise InvalidArgument(f"{where}.gold.pair.label", f"Expected a gold label in {gold.id!r}, but got none")
        said = prediction.content
        found = said if isinstance(said, str) else content(prediction, TextPair, f"{where}.prediction").label
        self._labels.append((right, found.strip() or MISSING))

    def merge(self, other: Score) -> None:
        """Joins the labels of a shard."""
        assert isinstance(other, Nli)
        self._labels += other._labels

    def table(self) -> Table:
        """One indicator a cell of the confusion matrix, then whether the label is right, and 1."""
        refuse_constant([right for right, _ in self._labels], "labels")
        names = sorted({label for pair in self._labels for label in pair})
        if len(names) > MAX_LABELS:
            raise InvalidArgument("items", f"Expected at most {MAX_LABELS} labels, but got {len(names)}")
        numbers = {name: index for index, name in enumerate(names)}
        size = len(names)
        rows = np.zeros((len(self._labels), size * size + 2))
        for row, (right, found) in zip(rows, self._labels, strict=True):
            row[numbers[right] * size + numbers[found]] = 1
            row[-2:] = right == found, 1
        golds = {right for right, _ in self._labels}
        cells = tuple(
            Figure("confusion", "count", _Column(numbers[gold] * size + numbers[found]), gold, found, by_item=False)
            for gold in names
            if gold in golds
            for found in names
        )
        missing = sum(found == MISSING for _, found in self._labels)
        warnings = (f"{missing} of {len(rows)} items have no predicted label and count as errors",) if missing else ()
        return Table(rows, (Figure("accuracy", "micro", ratio(-2, -1)), *cells), {"labels": size}, warnings)


class _Column:
    """The figure that is one of the sums."""

    def __init__(self, index: int) -> None:
        self._index = index

    def __call__(self, sums: F64) -> F64:
        column: F64 = sums[..., self._index]
        return column
