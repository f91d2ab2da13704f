"""Right answers of a retrieval: which rows of the one side belong to which of the other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]
"""Row numbers."""


@dataclass(frozen=True, eq=False)
class Gold:
    """Pairs of rows that are right answers of one another; a row may have several.

    Args:
        left: [p] rows of the left side.
        right: [p] rows of the right side.
    """

    left: Indices
    right: Indices

    @classmethod
    def aligned(cls, n: int) -> "Gold":
        """Row i of one side with row i of the other."""
        rows = np.arange(n, dtype=np.int64)
        return cls(rows, rows)

    def answers(self, *, forward: bool) -> Indices:
        """[queries]: how many right answers each query has, queries in ascending order of their rows."""
        return np.unique(self.left if forward else self.right, return_counts=True)[1]


@dataclass(frozen=True)
class Coverage:
    """How much of the gold the two vocabularies hold.

    Args:
        sources: Unique sources of the gold pairs.
        covered: Source words that are rows of the left view and have at least one target among the rows of the right.
        missing: Some sources that are not covered.
    """

    sources: int
    covered: int
    missing: tuple[str, ...] = ()


def locate(
    pairs: Sequence[tuple[str, str]], left: Mapping[str, int], right: Mapping[str, int], examples: int = 5
) -> tuple[Gold, Coverage]:
    """Gold pairs by id as pairs of rows; those that a vocabulary lacks are left out and counted.

    Args:
        pairs: (source, target) ids, some perhaps more than once.
        left: Row of each id of the source view.
        right: Row of each id of the target view.
        examples: Sources to name that are not covered.
    """
    found = {(left[source], right[target]) for source, target in pairs if source in left and target in right}
    rows = np.array(sorted(found), dtype=np.int64).reshape(-1, 2)
    sources = dict.fromkeys(source for source, _ in pairs)
    covered = set(rows[:, 0].tolist())
    missing = [source for source in sources if left.get(source) not in covered]
    gold = Gold(np.ascontiguousarray(rows[:, 0]), np.ascontiguousarray(rows[:, 1]))
    return gold, Coverage(len(sources), len(sources) - len(missing), tuple(missing[:examples]))
