"""The scores of each item, as the metrics server answers them beside the figures of all."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from babelscope.v1 import metrics_pb2

KEYS: Final = ("id", "language")
"""The columns of `ItemScores.table` that tell an item."""


@dataclass(frozen=True, slots=True, eq=False)
class ItemScores:
    """Scores of items, each by itself; what `compare_systems` takes.

    Args:
        ids: One for each item, in the order of the request.
        languages: One for each item; empty where the gold had none.
        figures: Figures by (metric, estimator), [n] float64; NaN where the item does not determine one.
    """

    ids: tuple[str, ...]
    languages: tuple[str, ...]
    figures: Mapping[tuple[str, str], NDArray[np.float64]]

    @property
    def columns(self) -> dict[str, tuple[str, str]]:
        """The figures by short name: the metric, with `:` and the estimator where that has several."""
        metrics = [metric for metric, _ in self.figures]
        return {key[0] if metrics.count(key[0]) == 1 else ":".join(key): key for key in self.figures}

    def values(self, column: str) -> NDArray[np.float64]:
        """One figure of all items: `f1`, `las:no_punct`.

        Raises:
            LookupError: There is none of that name.
        """
        if column not in self.columns:
            raise LookupError(f"Expected a figure of {', '.join(self.columns)}, but got {column!r}")
        return self.figures[self.columns[column]]

    def table(self) -> Iterator[dict[str, Any]]:
        """One tidy row an item: `id`, `language`, then the figures by short name; None where not determined."""
        names = self.columns
        columns = [self.figures[key] for key in names.values()]
        for name, language, *row in zip(self.ids, self.languages, *columns, strict=True):
            cells = (None if np.isnan(value) else float(value) for value in row)
            yield {"id": name, "language": language, **dict(zip(names, cells, strict=True))}


def join(parts: list[metrics_pb2.ItemScores]) -> ItemScores:
    """The scores of all items from the messages of an answer.

    Raises:
        ValueError: The messages do not hold the same figures, or not one value an item.
    """
    keys = [(figure.metric, figure.estimator) for figure in parts[0].figures]
    for part in parts:
        if [(figure.metric, figure.estimator) for figure in part.figures] != keys:
            raise ValueError("Expected the same figures in all parts of the answer, but they differ")
        lengths = {len(part.languages), *(len(figure.values) for figure in part.figures)}
        if lengths != {len(part.ids)}:
            raise ValueError(f"Expected {len(part.ids)} values a figure, but got {sorted(lengths)}")
    return ItemScores(
        ids=tuple([name for part in parts for name in part.ids]),
        languages=tuple([language for part in parts for language in part.languages]),
        figures={
            key: np.concatenate([np.array(part.figures[index].values, dtype=np.float64) for part in parts])
            for index, key in enumerate(keys)
        },
    )
