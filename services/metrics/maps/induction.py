"""Dictionaries induced by CSLS (Lample et al. 2018, equation 3): who is whose nearest neighbour, in both directions.

Scores are computed in float32 tiles and never kept, so that no n x m matrix is ever held.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.metrics.arrays import Floats
from services.metrics.errors import Degenerate
from services.metrics.estimates.estimates import Check
from services.metrics.maps.base import Pairs
from services.metrics.maps.neighbours import NearestRows
from services.metrics.sums.accumulate import nothing
from services.metrics.sums.cosines import check_equal_width, unit_rows
from services.metrics.sums.products import times_transposed

TILE_ROWS: Final = 256
TILE_COLUMNS: Final = 4096
"""A tile of scores is 4 MB."""

Tile = NDArray[np.float32]
Perturb = Callable[[Tile], Tile]
"""Changes a tile of scores before the best are looked for: VecMap drops some at random."""


@dataclass(frozen=True, eq=False)
class Direction:
    """The best candidate of each query, and by how much it is.

    Args:
        best: [n] row of the other side.
        score: [n] its CSLS (its cosine where k is 0).
        margin: [n] by how much it beats the second best; infinite where there is one candidate only.
        cosine: [n] its greatest cosine to any row of the other side.
    """

    best: NDArray[np.intp]
    score: NDArray[np.float32]
    margin: NDArray[np.float32]
    cosine: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Induced:
    """Nearest neighbours of both directions.

    Args:
        forward: Nearest neighbours of source rows among target rows.
        backward: Nearest neighbours of target rows among source rows.
    """

    forward: Direction
    backward: Direction

    def mutual(self, most: int | None = None) -> Pairs:
        """Pairs that are each other's best, by falling score.

        Args:
            most: Rows of either side that count, the most frequent ones; all where None.
        """
        source = np.arange(len(self.forward.best))
        target = self.forward.best
        kept = self.backward.best[target] == source
        if most is not None:
            kept &= (source < most) & (target < most)
        return _ordered(source[kept], target[kept], self.forward.score[kept])

    def union(self) -> Pairs:
        """The best pairs of both directions, those of the forward one first; a pair that both name is there twice."""
        forward = np.stack([np.arange(len(self.forward.best)), self.forward.best], axis=1)
        backward = np.stack([self.backward.best, np.arange(len(self.backward.best))], axis=1)
        return np.concatenate([forward, backward]).astype(np.int64)

    def dictionary(self, most: int) -> Pairs:
        """Mutual pairs by falling score, then the other source rows with their best, by falling score.

        Args:
            most: Pairs in all.
        """
        source = np.arange(len(self.forward.best))
        alone = self.backward.best[self.forward.best] != source
        others = _ordered(source[alone], self.forward.best[alone], self.forward.score[alone])
        return np.concatenate([self.mutual(), others])[:most]


def _ordered(source: NDArray[np.intp], target: NDArray[np.intp], score: NDArray[np.float32]) -> Pairs:
    """Pairs by falling score; equal ones by frequency of the source."""
    order = np.argsort(-score, kind="stable")
    return np.stack([source[order], target[order]], axis=1).astype(np.int64)


def induce(
    source: Floats, target: Floats, *, k: int = 10, perturb: Perturb | None = None, check: Check = nothing
) -> Induced:
    """Nearest neighbours of all rows, both directions, in a common space.

    Args:
        source: [n, d].
        target: [m, d].
        k: Neighbours over which CSLS averages; 0 for plain cosines.
        perturb: Applied to every tile of scores, once a direction. Scores are `cos - r / 2` of the candidate here.
        check: Called between tiles; raises to stop the work.

    Raises:
        Degenerate: Unequal dimensions, a row of zeros, no rows, or fewer than k on a side.
    """
    check_equal_width(source.shape[1], target.shape[1])
    n, m, d = len(source), len(target), int(source.shape[1])
    if min(n, m) < max(k, 1):
        raise Degenerate(f"Expected at least k={max(k, 1)} rows on either side for CSLS, but got n={n}, m={m} (d={d})")
    left, right = unit_rows(source).astype(np.float32), unit_rows(target).astype(np.float32)
    near = nearest_cosines(left, right, max(k, 1), check=check)
    source_mean, target_mean = (values.mean(axis=1) if k else np.zeros(len(values), np.float32) for values in near)
    forward, backward = _Best(n), _Best(m)
    for rows, columns, tile in _tiles(left, right, check):
        across, down = tile.copy(), np.ascontiguousarray(tile.T)
        across -= target_mean[columns] / 2
        down -= source_mean[rows] / 2
        forward.see(across if perturb is None else perturb(across), rows, columns)
        backward.see(down if perturb is None else perturb(down), columns, rows)
    scale = 2 if k else 1
    source_cosine, target_cosine = (values.max(axis=1) for values in near)
    return Induced(
        forward.direction(scale, source_mean, source_cosine), backward.direction(scale, target_mean, target_cosine)
    )


def nearest_cosines(
    left: NDArray[np.float32], right: NDArray[np.float32], k: int, *, check: Check = nothing
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Each row's cosines to its k nearest of the other side.

    Args:
        left: [n, d] unit rows, C-contiguous.
        right: [m, d] unit rows, C-contiguous.
        k: Neighbours, at most n and m.
        check: Called between tiles.

    Returns:
        Of the left rows, [n, k], and of the right rows, [m, k], in no order. Their means are r_T and r_S.
    """
    forward, backward = NearestRows(len(left), k), NearestRows(len(right), k)
    for rows, columns, tile in _tiles(left, right, check):
        forward.see(tile, rows.start, columns.start)
        backward.see(tile.T, columns.start, rows.start)
    return forward.values, backward.values


def _tiles(left: Tile, right: Tile, check: Check) -> Iterator[tuple[slice, slice, Tile]]:
    """All cosines, tile by tile."""
    for top in range(0, len(left), TILE_ROWS):
        rows = slice(top, min(top + TILE_ROWS, len(left)))
        for start in range(0, len(right), TILE_COLUMNS):
            check()
            columns = slice(start, min(start + TILE_COLUMNS, len(right)))
            yield rows, columns, times_transposed(left[rows], right[columns])


class _Best:
    """The best and second best score of each query seen so far.

    Args:
        n: Queries.
    """

    def __init__(self, n: int) -> None:
        self._best = np.full(n, -1, np.intp)
        self._value = np.full(n, -np.inf, np.float32)
        self._second = np.full(n, -np.inf, np.float32)

    def see(self, tile: Tile, rows: slice, columns: slice) -> None:
        """Takes a tile, [rows, columns], into account; overwrites it. Equal scores go to the first column."""
        every = np.arange(len(tile))
        column = tile.argmax(axis=1)
        value = tile[every, column].copy()
        tile[every, column] = -np.inf
        second = tile.max(axis=1)
        before = self._value[rows].copy()
        better = value > before
        self._second[rows] = np.maximum(np.minimum(value, before), np.maximum(second, self._second[rows]))
        self._best[rows] = np.where(better, column + columns.start, self._best[rows])
        self._value[rows] = np.maximum(value, before)

    def direction(self, scale: int, own: NDArray[np.float32], cosine: NDArray[np.float32]) -> Direction:
        """The result, with the query's own mean taken off."""
        with np.errstate(invalid="ignore"):
            margin = np.where(np.isneginf(self._second), np.inf, scale * (self._value - self._second))
        return Direction(self._best, scale * self._value - own, margin.astype(np.float32), cosine)
