"""How many candidates score at least as high as a query's right answer, counted tile by tile."""

import threading
from typing import Final

import torch
from torch import Tensor

from services.metrics.retrieval.products import PAIRS, Products

_TIE: Final = 1e-12
"""Scores that differ by less are equal: the order of additions differs between equal rows."""

_MANY: Final = 0.02
"""Share of near ties in a tile above which the whole tile is scored in float64."""

_WAITING: Final = 1 << 16
"""Near ties that wait to be scored together."""


class Tally:
    """Counts of the candidates that are no right answers.

    Args:
        products: Products that the scores are made from, with their offsets set.
        rows: [p] of the right answers.
        columns: [p] of the right answers.
        cosines: [p] of the right answers, float64.
        of_rows: Whether the queries are the rows of tiles.
    """

    def __init__(self, products: Products, rows: Tensor, columns: Tensor, cosines: Tensor, *, of_rows: bool) -> None:
        self._products = products
        self._axis = 1 if of_rows else 0
        side = products.left if of_rows else products.right
        queries = rows if of_rows else columns
        order = torch.argsort(queries, stable=True)
        self._answers = rows[order], columns[order]
        self._counted = torch.bincount(queries, minlength=side.n)
        self._first = self._counted.cumsum(0) - self._counted
        offsets = products.left_offset, products.right_offset
        about = cosines - offsets[0].values[rows] - offsets[1].values[columns]
        relative = self._best(about - products.origin, queries, torch.inf)
        # The query's own offset is in all its scores; the candidate's and the right answer's may both be off.
        slack = products.slack(relative, of_rows=of_rows) + 2 * offsets[1 if of_rows else 0].error
        self._low, self._high = (relative - slack).float(), (relative + slack).float()
        self._exact = torch.full_like(relative, torch.nan)
        self._waiting: list[tuple[Tensor, Tensor]] = []
        self._lock = threading.Lock()
        self._counts = torch.zeros(side.n, dtype=torch.int64, device=side.device)

    def see(self, tile: Tensor, mask: Tensor, gold: tuple[Tensor, Tensor], rows: slice, columns: slice) -> None:
        """Takes a tile into account.

        Args:
            tile: [R, C] scores of which the first rows and columns are those named; right answers score nothing.
            mask: [2, R, C] float32 to work in.
            gold: Rows and columns of the right answers, within the tile.
            rows: Rows of the tile.
            columns: Columns of the tile.
        """
        axis = self._axis
        queries = rows if axis else columns
        m = queries.stop - queries.start
        low, high = (self._padded(bound[queries], tile).unsqueeze(axis) for bound in (self._low, self._high))
        maybe, above = mask
        torch.ge(tile, low, out=maybe)
        torch.gt(tile, high, out=above)
        # Sums of at most a tile's side: exact in float32.
        sure = above.sum(dim=axis)[:m].long()
        near = maybe.sum(dim=axis)[:m].long() - sure
        total = int(near.sum())
        ties = None
        if total > _MANY * tile.numel():
            exact = self._products.exact_tile(rows, columns)
            exact[gold] = -torch.inf
            best = self._best_exact(torch.arange(queries.start, queries.stop, device=tile.device))
            sure = (exact >= best.unsqueeze(axis)).sum(dim=axis)
        elif total:
            lines = torch.nonzero(near)[:, 0]
            some = tile.index_select(1 - axis, lines)
            within = (some >= low.index_select(1 - axis, lines)) & (some <= high.index_select(1 - axis, lines))
            row, column = torch.nonzero(within, as_tuple=True)
            row, column = (lines[row], column) if axis else (row, lines[column])
            ties = (rows.start + row, columns.start + column)
        with self._lock:
            self._counts[queries] += sure
            if ties is not None:
                self._waiting.append(ties)
            full = sum(len(row) for row, _ in self._waiting) > _WAITING
            pairs = self._taken() if full else []
        for pair in pairs:
            self._settle(pair)

    def counts(self) -> Tensor:
        """[n] candidates that score at least as high as each query's best right answer."""
        self._products.crew.map(self._settle, self._taken())
        return self._counts

    def _taken(self) -> list[tuple[Tensor, Tensor]]:
        """Near ties that waited, in parts for the crew."""
        if not self._waiting:
            return []
        row, column = (torch.cat(parts) for parts in zip(*self._waiting, strict=True))
        self._waiting = []
        size = max(PAIRS, -(-len(row) // self._products.crew.size))
        return [(row[at : at + size], column[at : at + size]) for at in range(0, len(row), size)]

    def _settle(self, pairs: tuple[Tensor, Tensor]) -> None:
        """Scores near ties in float64."""
        row, column = pairs
        query = row if self._axis else column
        hit = self._products.exact(row, column) >= self._best_exact(query)
        found = torch.bincount(query[hit], minlength=len(self._counts))
        with self._lock:
            self._counts += found

    def _best_exact(self, queries: Tensor) -> Tensor:
        """[m] float64 score that a candidate must reach, infinite for what is no query."""
        lacking = torch.unique(queries[self._exact[queries].isnan()])
        counted = self._counted[lacking]
        line = torch.repeat_interleave(torch.arange(len(lacking), device=queries.device), counted)
        at = torch.arange(len(line), device=queries.device) - (counted.cumsum(0) - counted)[line]
        at += self._first[lacking][line]
        scores = self._products.exact(self._answers[0][at], self._answers[1][at])
        self._exact[lacking] = self._best(scores, line, torch.inf, len(lacking)) - _TIE
        return self._exact[queries]

    def _best(self, scores: Tensor, queries: Tensor, otherwise: float, n: int | None = None) -> Tensor:
        """[n] largest score of each query."""
        best = scores.new_full((len(self._counted) if n is None else n,), -torch.inf)
        best.scatter_reduce_(0, queries, scores, "amax")
        return best.where(best > -torch.inf, otherwise)

    def _padded(self, bound: Tensor, tile: Tensor) -> Tensor:
        """A bound for each line of the tile; what fills it up reaches none."""
        size = tile.shape[1 - self._axis]
        return bound if len(bound) == size else torch.nn.functional.pad(bound, (0, size - len(bound)), value=torch.inf)
