"""Tiles of scores in float32: every row of one side with every row of the other, plus an offset of each.

On x86 processors with AVX-512 oneDNN multiplies with a matrix in its own blocked layout, at twice the rate of the BLAS
behind NumPy; elsewhere, and on CUDA, torch's own product is used.
"""

from collections.abc import Iterator
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from services.metrics.retrieval.crew import ALONE, Crew
from services.metrics.retrieval.offsets import NoOffset, Offset
from services.metrics.retrieval.sides import Side, order_of

TILE_ROWS: Final = 512
"""Rows of a tile."""

LEAST_ROWS: Final = 128
"""Rows of a tile, at least, where there are so many."""

TILE_COLUMNS: Final = 2048
"""Columns of a tile: 4 MB of scores, which stay in the cache while they are looked at."""

GROUP: Final = 8
"""Sides of tiles are multiples of this: maxima of groups can be taken of all of them."""

PAIRS: Final = 256
"""Pairs of rows multiplied at a time in float64: so many stay in the cache."""

NOTHING: Final = -1e30
"""Score of what only fills a tile up."""

_KEPT_BYTES: Final = 16 << 20
"""Size up to which rows of tiles, or tiles themselves, are kept; larger ones are made again as they are needed."""

_UNIT: Final = 2.0**-24
"""Largest relative rounding error of a float32 operation."""

_SPREAD: Final = 4.0
"""Bound of a sum of n independent rounding errors, in units of their largest times root n: 7 standard deviations."""


def has_blocked_kernels(device: torch.device) -> bool:
    """Whether oneDNN's blocked float32 product exists here and pays."""
    return (
        device.type == "cpu"
        and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
        and torch.cpu._is_avx512_supported()
    )


def _filled(size: int, at_most: int) -> int:
    """A size rounded up to whole groups."""
    return min(-(-size // GROUP) * GROUP, at_most)


class Products:
    """All scores of two sides, tile by tile: cosines, less an offset of each row.

    Scores are relative to `origin`: what all of them share is left out, so that what is rounded is small.

    Args:
        left: Rows of the tiles.
        right: Columns of the tiles.
        crew: Threads that do the work.
        blocked: Whether to use oneDNN's layout; None decides by the machine.

    Attributes:
        columns: Column ranges of the tiles, in order.
        rows: Row ranges of the tiles, in order.
    """

    def __init__(self, left: Side, right: Side, crew: Crew = ALONE, *, blocked: bool | None = None) -> None:
        self.left, self.right, self.crew = left, right, crew
        self._blocked = has_blocked_kernels(left.device) if blocked is None else blocked
        self._order = order_of(left.d, left.device)
        # Each of the crew has a tile, if it is not too small to pay.
        share = _filled(-(-left.n // crew.size), TILE_ROWS)
        self.tile_rows, self.tile_columns = max(share, min(LEAST_ROWS, TILE_ROWS)), TILE_COLUMNS
        self.columns = _slices(right.n, self.tile_columns)
        self.rows = _slices(left.n, self.tile_rows)
        # x.y = (x - c).(y - e) + x.e + c.(y - e): a product of small rows, a term of the row, a term of the column.
        self._row_terms, self._left_norms, self._left_fourths = torch.empty(
            3, left.n, dtype=torch.float64, device=left.device
        )
        self._column_terms, self._right_norms, self._right_fourths = torch.empty(
            3, right.n, dtype=torch.float64, device=left.device
        )
        self._tiles: dict[tuple[int, int], Tensor] = {}
        self._keep_tiles = left.n * right.n * 4 <= _KEPT_BYTES
        self._keep_units = left.n * left.d * 4 <= _KEPT_BYTES
        self._weights = crew.map(self._arranged, self.columns)
        self._kept = crew.map(self._measured, self.rows)
        self.set_offsets(NoOffset(left.n, left.device), NoOffset(right.n, left.device))

    def set_offsets(self, left: Offset, right: Offset) -> None:
        """Takes an offset off every score.

        Args:
            left: Offset of the rows.
            right: Offset of the columns.
        """
        self.left_offset, self.right_offset = left, right
        rows, columns = self._row_terms - left.values, self._column_terms - right.values
        self.origin = rows.mean() + columns.mean()
        self._row_shift, self._column_shift = rows - rows.mean(), columns - columns.mean()

    def tiles(self, place: int) -> Iterator[tuple[slice, Tensor]]:
        """The tiles of some rows: their columns, and scores less `origin`.

        Scores are [R, C] float32 with sides that are multiples of `GROUP`: what fills a tile up scores `NOTHING`.

        Args:
            place: Number of the row range within `rows`.
        """
        rows = self.rows[place]
        lines = _filled_with(NOTHING, self._row_shift[rows], self.tile_rows)[:, None]
        units = None
        for number, columns in enumerate(self.columns):
            base = self._tiles.get((place, number))
            if base is None:
                units = self._units(place) if units is None else units
                base = self._times(units, self._weights[number])
                if self._keep_tiles:
                    self._tiles[place, number] = base
            scores = base + lines if self._keep_tiles else base.add_(lines)
            yield columns, scores.add_(_filled_with(NOTHING, self._column_shift[columns], self.tile_columns))

    def _units(self, place: int) -> Tensor:
        """[R, d] small rows of tiles, filled up with zeros."""
        if self._keep_units:
            return self._kept[place]
        return self._small(self.left.exact(self.rows[place]).sub_(self.left.centroid), self.tile_rows)

    def _measured(self, rows: slice) -> Tensor:
        """[R, d] small rows of tiles, whose terms and sizes it notes; nothing where they are not kept."""
        exact = self.left.exact(rows)
        torch.mv(exact, self.right.centroid, out=self._row_terms[rows])
        units = self._small(exact.sub_(self.left.centroid), self.tile_rows)
        self._left_norms[rows], self._left_fourths[rows] = _sizes(units[: len(exact)])
        return units if self._keep_units else units.new_empty(0)

    def _times(self, units: Tensor, weight: Tensor) -> Tensor:
        """[R, C]: small rows with small columns."""
        if not self._blocked:
            return functional.linear(units, weight)
        scores: Tensor = torch.ops.mkldnn._linear_pointwise(units, weight, None, "none", [], "")
        return scores

    def exact_tile(self, rows: slice, columns: slice) -> Tensor:
        """[rows, columns] float64 scores, not relative to anything."""
        scores = self.left.exact(rows) @ self.right.exact(columns).T
        left, right = (torch.arange(part.start, part.stop, device=scores.device) for part in (rows, columns))
        return scores - self.left_offset.exact(left)[:, None] - self.right_offset.exact(right)

    def exact(self, rows: Tensor, columns: Tensor) -> Tensor:
        """[m] float64 scores of some pairs, by exact offsets."""
        return self.cosines(rows, columns) - self.left_offset.exact(rows) - self.right_offset.exact(columns)

    def cosines(self, rows: Tensor, columns: Tensor) -> Tensor:
        """[m] float64 cosines of some pairs."""
        found = torch.empty(len(rows), dtype=torch.float64, device=rows.device)
        for start in range(0, len(rows), PAIRS):
            part = slice(start, start + PAIRS)
            found[part] = (self.left.exact(rows[part]) * self.right.exact(columns[part])).sum(dim=1)
        return found

    def slack(self, scores: Tensor, *, of_rows: bool) -> Tensor:
        """By how much float32 scores may be off where they are about a given score.

        Rounding errors of a product are independent and each at most a unit of the partial sum (Higham and Mary 2019).
        In random order the partial sums go from 0 to the product t, beside that line by a bridge of variance V / 6 on
        average, V the sum of the squared terms, which is at most the root of the product of both rows' fourth powers.

        Args:
            scores: [n] one a row (or column), relative to `origin`; infinite ones have no slack.
            of_rows: Whether they are the rows'.
        """
        own = (self._row_shift, self._left_norms, self._left_fourths)
        other = (self._column_shift, self._right_norms, self._right_fourths)
        if not of_rows:
            own, other = other, own
        terms, norms, fourths = own
        reach = float(other[0].abs().max())
        size = scores.abs().nan_to_num(posinf=0.0)
        product = torch.minimum((size + terms.abs() + reach), norms * other[1].max())
        squares = (fourths * other[2].max()).sqrt()
        walk = float(self.left.d) ** 0.5 * (product / 3**0.5 + 3 * (squares / 6).sqrt())
        given = 2 * squares.sqrt()
        slack: Tensor = _UNIT * (_SPREAD * (walk + given) + 4 * (size + terms.abs() + reach))
        return slack

    def _small(self, rows: Tensor, at_most: int) -> Tensor:
        """[m, d] float32 of float64 rows, dimensions in the order of products, filled up with zeros."""
        made = rows.new_empty(_filled(len(rows), at_most), self.left.d, dtype=torch.float32)
        torch.index_select(rows.float(), 1, self._order, out=made[: len(rows)])
        made[len(rows) :] = 0
        return made

    def _arranged(self, columns: slice) -> Tensor:
        """[columns, d]: some small columns in the layout of the product."""
        exact = self.right.exact(columns).sub_(self.right.centroid)
        torch.mv(exact, self.left.centroid, out=self._column_terms[columns])
        units = self._small(exact, self.tile_columns)
        self._right_norms[columns], self._right_fourths[columns] = _sizes(units[: len(exact)])
        if not self._blocked:
            return units
        weight: Tensor = torch.ops.mkldnn._reorder_linear_weight(units, self.tile_rows)
        return weight


def _slices(n: int, size: int) -> list[slice]:
    return [slice(start, min(start + size, n)) for start in range(0, n, size)]


def _filled_with(value: float, terms: Tensor, at_most: int) -> Tensor:
    """[m] float32 terms and what fills them up."""
    made = terms.new_full((_filled(len(terms), at_most),), value, dtype=torch.float32)
    made[: len(terms)] = terms
    return made


def _sizes(units: Tensor) -> tuple[Tensor, Tensor]:
    """[m] norms of rows, and [m] sums of their fourth powers."""
    squares = units.square()
    return squares.sum(dim=1).sqrt().double(), squares.square_().sum(dim=1).double()
