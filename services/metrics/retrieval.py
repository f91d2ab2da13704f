"""Nearest-neighbour retrieval between two aligned views: exact ranks in both directions from one pass over tiles.

Cosine and CSLS (Lample et al. 2018, equation 3, k = 10). Scores are computed in float32 tiles and never kept; a
candidate whose score lies within the rounding of the gold score is scored again in float64, so that ranks are those of
float64. Ties count against the query: the rank is the number of candidates that score at least as high as the gold one.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.metrics.accumulate import nothing
from services.metrics.arrays import F64, Floats
from services.metrics.cosines import check_equal_width, unit_rows
from services.metrics.errors import Degenerate
from services.metrics.neighbours import Nearest
from services.metrics.products import times_transposed

TILE_ROWS: Final = 240
"""Rows of a tile; at most 255, so that a column's count fits a byte."""

TILE_COLUMNS: Final = 8192
"""Columns of a tile: 8 MB of scores at a time."""

_TIE: Final = 1e-12
"""Scores that differ by less are equal: the order of additions differs between equal rows."""

_MANY: Final = 0.02
"""Share of near ties in a tile above which the whole tile is scored in float64."""

_KEPT_BYTES: Final = 64 << 20
"""Size up to which a side's float64 unit rows are kept; larger ones are made again as they are needed."""

_BLOCK: Final = 2048

Ranks = NDArray[np.int64]
"""[n] rank of the gold candidate of each query, from 1."""


@dataclass(frozen=True, eq=False)
class Retrieved:
    """Ranks of one similarity.

    Args:
        forward: Left queries among right candidates.
        backward: Right queries among left candidates.
    """

    forward: Ranks
    backward: Ranks


def retrieve(
    left: Floats,
    right: Floats,
    similarities: Sequence[str] = ("cosine", "csls"),
    *,
    csls_k: int = 10,
    centre: bool = False,
    check: Callable[[], None] = nothing,
) -> dict[str, Retrieved]:
    """Ranks of each row's partner among all rows of the other view.

    Args:
        left: [n, d], finite.
        right: [n, d], row by row the translation of `left`.
        similarities: Of `cosine` and `csls`.
        csls_k: Neighbours over which CSLS averages.
        centre: Subtract each view's mean first.
        check: Called between tiles; raises to stop the work.

    Returns:
        By similarity.

    Raises:
        Degenerate: No rows, unequal dimensions, a row of zeros, or fewer rows than `csls_k` for CSLS.
    """
    check_equal_width(left.shape[1], right.shape[1])
    n = len(left)
    if n < 1:
        raise Degenerate(f"Expected at least 1 row to retrieve, but got n=0 (d={left.shape[1]})")
    if "csls" in similarities and n < csls_k:
        raise Degenerate(f"Expected at least csls_k={csls_k} rows for CSLS, but got n={n} (d={left.shape[1]})")
    scores = _Scores(_Side(left, centre), _Side(right, centre), check)
    found = {}
    neighbours = None
    if "csls" in similarities:
        neighbours = (Nearest(n, csls_k), Nearest(n, csls_k))
    zero = np.zeros(n)
    if "cosine" in similarities or neighbours:
        cosine = scores.ranks(zero, zero, neighbours)
        if "cosine" in similarities:
            found["cosine"] = cosine
    if neighbours:
        forward, backward = neighbours
        left_mean = scores.mean_cosine(forward.indices, of_left=True)
        right_mean = scores.mean_cosine(backward.indices, of_left=False)
        # 2 cos - r_T - r_S, halved; within one query its own r does not change the order.
        found["csls"] = scores.ranks(left_mean / 2, right_mean / 2)
    return {name: found[name] for name in similarities}


class _Side:
    """Unit rows of one view: all of them in float32, any of them in float64 on demand."""

    def __init__(self, rows: Floats, centre: bool) -> None:
        self.width = int(rows.shape[1])
        self._rows = rows
        self._mean = rows.mean(axis=0, dtype=np.float64) if centre else None
        self._exact: F64 | None = None
        if rows.size * 8 <= _KEPT_BYTES:
            self._exact = self._made(slice(None), 0)
            self.units = self._exact.astype(np.float32)
        else:
            self.units = np.empty(rows.shape, np.float32)
            for start in range(0, len(rows), _BLOCK):
                part = slice(start, start + _BLOCK)
                self.units[part] = self._made(part, start)

    def exact(self, indices: NDArray[np.intp] | slice) -> F64:
        """[m, d] float64 unit rows."""
        return self._made(indices, 0) if self._exact is None else self._exact[indices]

    def _made(self, indices: NDArray[np.intp] | slice, start: int) -> F64:
        rows = self._rows[indices]
        if self._mean is not None:
            rows = rows - self._mean
        try:
            return unit_rows(rows)
        except Degenerate as error:
            zero = start + int(np.flatnonzero(~np.any(rows, axis=1))[0])
            raise Degenerate(f"Expected rows with a direction, but row {zero} of {len(self._rows)} is zero") from error


class _Scores:
    """The scores of all pairs, by tiles."""

    def __init__(self, left: _Side, right: _Side, check: Callable[[], None]) -> None:
        self.left = left
        self.right = right
        self.n = len(left.units)
        self.check = check
        self.gold = np.empty(self.n)
        for start in range(0, self.n, _BLOCK):
            part = slice(start, min(start + _BLOCK, self.n))
            self.gold[part] = np.einsum("ij,ij->i", left.exact(part), right.exact(part))
        self._root = float(np.sqrt(left.width))

    def tolerance(self, offsets: F64) -> F64:
        """[n] by how much float32 scores near the gold score may be off.

        Rounding errors of a product add up as a random walk in steps of its partial sums: their deviation is a sixth of
        eps |cosine| root(d). This is six of them.
        """
        near = np.abs(self.gold) + float(np.max(np.abs(offsets))) + 3 / self._root
        return float(np.finfo(np.float32).eps) * (1 + self._root * np.minimum(near, 1.0))

    def cosines(self, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> F64:
        """[m] cosines of some pairs in float64."""
        found = np.empty(len(rows))
        for start in range(0, len(rows), _BLOCK):
            part = slice(start, start + _BLOCK)
            found[part] = np.einsum("ij,ij->i", self.left.exact(rows[part]), self.right.exact(columns[part]))
        return found

    def mean_cosine(self, nearest: NDArray[np.intp], *, of_left: bool) -> F64:
        """[n] mean float64 cosine of each row to its nearest of the other side, [n, k]."""
        k = nearest.shape[1]
        own, other = (self.left, self.right) if of_left else (self.right, self.left)
        means = np.empty(self.n)
        step = max(1, _BLOCK // k)
        for start in range(0, self.n, step):
            self.check()
            part = slice(start, min(start + step, self.n))
            rows = own.exact(part)
            others = other.exact(nearest[part].ravel()).reshape(len(rows), k, -1)
            means[part] = np.einsum("id,ikd->i", rows, others) / k
        return means

    def ranks(
        self, left_offset: F64, right_offset: F64, neighbours: tuple[Nearest, Nearest] | None = None
    ) -> Retrieved:
        """Ranks by `cosine - right_offset` of left queries, by `cosine - left_offset` of right queries.

        Args:
            left_offset: [n].
            right_offset: [n].
            neighbours: Where to note each row's nearest: of left rows, of right rows.
        """
        forward = np.zeros(self.n, np.int64)
        backward = np.zeros(self.n, np.int64)
        forward_gold = self.gold - right_offset
        backward_gold = self.gold - left_offset
        forward_slack, backward_slack = self.tolerance(right_offset), self.tolerance(left_offset)
        plain = not (left_offset.any() or right_offset.any())
        for top in range(0, self.n, TILE_ROWS):
            rows = slice(top, min(top + TILE_ROWS, self.n))
            for start in range(0, self.n, TILE_COLUMNS):
                self.check()
                columns = slice(start, min(start + TILE_COLUMNS, self.n))
                tile = times_transposed(self.left.units[rows], self.right.units[columns])
                if neighbours:
                    neighbours[0].see(tile, top, start)
                    neighbours[1].see(tile.T, start, top)
                by_row = tile if plain else tile - right_offset[columns].astype(np.float32)
                by_column = tile if plain else tile - left_offset[rows, None].astype(np.float32)
                across = (forward_gold[rows], forward_slack[rows], right_offset)
                down = (backward_gold[columns], backward_slack[columns], left_offset)
                forward[rows] += self._count(by_row, *across, rows=rows, columns=columns, axis=1)
                backward[columns] += self._count(by_column, *down, rows=rows, columns=columns, axis=0)
        return Retrieved(forward, backward)

    def _count(
        self,
        tile: NDArray[np.float32],
        gold: F64,
        slack: F64,
        offset: F64,
        *,
        rows: slice,
        columns: slice,
        axis: int,
    ) -> NDArray[np.int64]:
        """Candidates of each query in a tile that score at least the gold score.

        Args:
            tile: [rows, columns] scores.
            gold: Gold score of each query.
            slack: Error of the scores near it.
            offset: [n] offsets of the candidates.
            rows: Of the tile.
            columns: Of the tile.
            axis: Of the candidates: 1 where the queries are the rows.
        """
        low, high = (gold - slack).astype(np.float32), (gold + slack).astype(np.float32)
        above = tile > np.expand_dims(high, axis)
        perhaps = tile >= np.expand_dims(low, axis)
        counts = _sum(above, axis)
        # A gold candidate ties with itself and need not be scored again.
        gold_items = np.arange(max(rows.start, columns.start), min(rows.stop, columns.stop))
        counts[gold_items - (rows.start if axis == 1 else columns.start)] += 1
        perhaps[gold_items - rows.start, gold_items - columns.start] = False
        perhaps &= ~above
        near = int(_sum(perhaps, axis).sum())
        if not near:
            return counts
        if near > _MANY * tile.size:
            exact = times_transposed(self.left.exact(rows), self.right.exact(columns))
            exact -= offset[columns] if axis == 1 else offset[rows, None]
            return _sum(exact >= np.expand_dims(gold, axis) - _TIE, axis)
        row, column = np.nonzero(perhaps)
        query, candidate = (row, column + columns.start) if axis == 1 else (column, row + rows.start)
        cosines = self.cosines(row + rows.start, column + columns.start)
        hit = cosines - offset[candidate] >= gold[query] - _TIE
        return counts + np.bincount(query[hit], minlength=len(counts))


def _sum(mask: NDArray[np.bool_], axis: int) -> NDArray[np.int64]:
    """Trues along an axis, fast: bytes along columns of at most 255 rows, packed bits along rows."""
    if axis == 0:
        return np.asarray(np.add.reduce(mask.view(np.uint8), axis=0, dtype=np.uint8), dtype=np.int64)
    return np.asarray(np.bitwise_count(np.packbits(mask, axis=1)).sum(axis=1, dtype=np.int64))


def reciprocal(ranks: Ranks) -> F64:
    """[n] reciprocal ranks, whose mean is MRR."""
    return 1.0 / ranks


def hits(ranks: Ranks, k: int) -> int:
    """Queries whose gold candidate is among the first k."""
    return int(np.count_nonzero(ranks <= k))
