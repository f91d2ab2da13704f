"""One pass over aligned rows: from blocks of rows of several views or layers to the statistics of their pairs.

A *node* is one view at one layer, an *edge* a pair of nodes to be compared. Rows are buffered up to a bound; a stream
that ends within it is measured from its rows, a longer one from moments whose memory does not depend on n. What belongs
to a node is computed once, whatever the number of its edges. Accumulators of shards merge, in any order.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from services.metrics.arrays import Floats
from services.metrics.rows.sample import SAMPLE_ROWS, RowSample, hashes
from services.metrics.rows.treatments import NO_PREPROCESSING, Preprocessing, Spread, Treatment
from services.metrics.sums.cosines import CosineSums, check_equal_width, unit_rows
from services.metrics.sums.crew import side_by_side
from services.metrics.sums.grams import Meeting, Meetings
from services.metrics.sums.moments import BLOCK_ROWS, FLOAT64_ROWS, CrossMoments, Frame, RowBlock, ViewMoments, width
from services.metrics.sums.pair_statistics import PairStatistics
from services.metrics.sums.pairs import HeldPair, MomentPair
from services.metrics.sums.views import HeldView, MomentView

_LEAST_HELD: Final = 256

_View = TypeVar("_View")

Edge = tuple[int, int]
"""Indices of two nodes, left and right."""


@dataclass(frozen=True)
class Needs:
    """What the measures of a request need to have kept.

    Args:
        moments: Second moments (CKA, SVCCA).
        cosines: Cosines of paired rows.
        exact: Products in float64 throughout, for decompositions that keep all directions.
        squares: Moments of the squares of single entries, by which rows may be preprocessed after they were summed; in
            float64 throughout.
        samples: Size and seed of each sub-sample of rows.
    """

    moments: bool = True
    cosines: bool = False
    exact: bool = False
    squares: bool = False
    samples: tuple[tuple[int, int], ...] = ()


def nothing() -> None:
    """Checks nothing."""


def state_bytes(widths: Sequence[int], edges: Sequence[Edge], *, squares: bool = False) -> int:
    """Bytes of the moments of some nodes and edges, with those of the squares of entries or without."""
    sizes = [width(d, squares=squares) for d in widths]
    return 8 * (sum(k * k for k in sizes) + sum(sizes[i] * sizes[j] for i, j in edges))


class Accumulator:
    """The statistics of pairs of nodes over a stream of items.

    Args:
        widths: Dimensions of the nodes' rows.
        edges: Pairs of nodes.
        needs: Statistics to keep.
        hold: Rows up to which rows themselves are kept; by the width of the nodes where None.
        frames: Origins and units of the nodes, shared by shards; from the first rows where None.
        sample_rows: Rows of the sample on which intervals rest.
        check: Called between products; raises to stop the work.
    """

    def __init__(
        self,
        widths: Sequence[int],
        edges: Sequence[Edge],
        needs: Needs,
        *,
        hold: int | None = None,
        frames: Sequence[Frame] | None = None,
        sample_rows: int = SAMPLE_ROWS,
        check: Callable[[], None] = nothing,
    ) -> None:
        self.widths = tuple(widths)
        self.edges = tuple(edges)
        self.needs = needs
        if needs.cosines:
            for left, right in self.edges:
                check_equal_width(self.widths[left], self.widths[right])
        self._hold = min(max(*self.widths, _LEAST_HELD), BLOCK_ROWS) if hold is None else hold
        self._frames = None if frames is None else list(frames)
        self._check = check
        self._ids: list[str] = []
        self._buffer: list[list[Floats]] = [[] for _ in self.widths]
        self._views: list[ViewMoments] | None = None
        self._crosses: dict[Edge, CrossMoments] = {}
        self._cosines: dict[Edge, CosineSums] = {}
        self._sample = RowSample(len(self.widths), sample_rows)
        self._samples = {(size, seed): RowSample(len(self.widths), size) for size, seed in needs.samples}
        self._taken = 0

    @property
    def n(self) -> int:
        """Items taken."""
        return self._taken + len(self._ids)

    def add(self, ids: Sequence[str], rows: Sequence[Floats]) -> None:
        """Takes the next items.

        Args:
            ids: Their ids.
            rows: One [m, d] a node, finite, float32 or float64; kept until the buffer is full.
        """
        if not len(ids):
            return
        self._ids.extend(ids)
        for held, new in zip(self._buffer, rows, strict=True):
            held.append(new)
        if len(self._ids) > self._hold:
            self._flush()

    def merge(self, other: "Accumulator") -> None:
        """Takes the items of another accumulator of the same nodes and edges, which must not be used afterwards."""
        if (self.widths, self.edges, self.needs) != (other.widths, other.edges, other.needs):
            raise ValueError("Expected accumulators of the same nodes, edges and needs")
        if self._views is None and other._views is None and self.n + other.n <= self._hold:
            self.add(other._ids, other._joined())
            return
        # In float64: what shards hold back must not depend on the order in which they are merged.
        for one in (self, other):
            if one._ids:
                one._flush(exact=True)
        if other._views is None:
            return
        if self._views is None:
            self._views, self._crosses, self._cosines = other._views, other._crosses, other._cosines
        else:
            self._views = [mine.merge(theirs) for mine, theirs in zip(self._views, other._views, strict=True)]
            self._crosses = {edge: mine.merge(other._crosses[edge]) for edge, mine in self._crosses.items()}
            self._cosines = {edge: mine.merge(other._cosines[edge]) for edge, mine in self._cosines.items()}
        self._sample.merge(other._sample)
        for key, sample in self._samples.items():
            sample.merge(other._samples[key])
        self._taken += other._taken

    def finish(self, preprocessing: Preprocessing = NO_PREPROCESSING) -> Iterator[tuple[Edge, PairStatistics]]:
        """The statistics of each edge, in order. Rows may be added or merged afterwards only if none were held.

        Args:
            preprocessing: What to do to the rows of each node by the spread of all of them; only with squares, and not
                for cosines.

        Raises:
            Degenerate: A row whose cosine is wanted is zero, or preprocessing leaves nothing of a node.
        """
        if preprocessing and (not self.needs.squares or self.needs.cosines):
            raise ValueError("Expected moments of squares and no cosines where rows are preprocessed")
        if self._views is None:
            yield from self._finish_held(preprocessing)
            return
        if self._ids:
            self._flush()
        own = self._views
        treatments: list[Treatment | None] = [None] * len(own)
        if self.needs.squares:
            treatments = [Treatment.by(preprocessing, view.spread()) for view in own]

        def made(node: int) -> MomentView:
            treatment, sample = treatments[node], self._sample.rows(node)
            if treatment is None:
                return MomentView(own[node], sample)
            return MomentView(own[node].treated(treatment), treatment.apply(sample))

        for (left, right), (x, y) in self._nodes(made):
            cross, sides = self._crosses[left, right], (treatments[left], treatments[right])
            if sides[0] is not None and sides[1] is not None:
                cross = cross.treated(own[left], own[right], (sides[0], sides[1]))
            yield (
                (left, right),
                MomentPair(
                    x,
                    y,
                    cross,
                    cosine=self._cosines.get((left, right)),
                    samples=partial(self._sampled, (left, right), sides),
                    n=self._taken,
                ),
            )

    def _finish_held(self, preprocessing: Preprocessing) -> Iterator[tuple[Edge, PairStatistics]]:
        if not self._ids:
            return
        rows = self._joined()
        for (_, seed), sample in self._samples.items():
            sample.add(hashes(self._ids, seed), rows)
        treatments: list[Treatment | None] = [None] * len(rows)
        if preprocessing:
            treatments = [Treatment.by(preprocessing, Spread.of(node)) for node in rows]

        def made(node: int) -> HeldView:
            treatment = treatments[node]
            return HeldView(rows[node] if treatment is None else treatment.apply(rows[node]))

        view: Callable[[int], HeldView] = made
        meet: Callable[[Edge], Meeting] | None = None
        used = sorted({node for edge in self.edges for node in edge})
        if len(self.edges) > len(used):
            views = dict(zip(used, side_by_side(made, used, self._check), strict=True))
            view, meet = views.__getitem__, Meetings(views, self.edges, self._check).of
        for (left, right), (x, y) in self._nodes(view):
            samples = partial(self._sampled, (left, right), (treatments[left], treatments[right]))
            yield (left, right), HeldPair(x, y, samples, partial(meet, (left, right)) if meet else None)

    def _nodes(self, made: Callable[[int], _View]) -> Iterator[tuple[Edge, tuple[_View, _View]]]:
        """The edges with what is made of their nodes, once each and no longer than needed."""
        views: dict[int, _View] = {}
        last = {node: index for index, edge in enumerate(self.edges) for node in edge}
        for index, (left, right) in enumerate(self.edges):
            self._check()
            for node in (left, right):
                if node not in views:
                    views[node] = made(node)
            yield (left, right), (views[left], views[right])
            for node in {left, right}:
                if last[node] == index:
                    del views[node]

    def _sampled(
        self, edge: Edge, treatments: tuple[Treatment | None, Treatment | None], size: int, seed: int
    ) -> tuple[Floats, Floats]:
        """The rows of a sub-sample, treated."""
        sample = self._samples[size, seed]
        left, right = (
            rows if treatment is None else treatment.apply(rows)
            for rows, treatment in zip(map(sample.rows, edge), treatments, strict=True)
        )
        return left, right

    def _joined(self) -> list[Floats]:
        return [held[0] if len(held) == 1 else np.concatenate(held) for held in self._buffer]

    def _flush(self, *, exact: bool = False) -> None:
        """Folds the buffered rows into the moments."""
        rows = self._joined()
        keys = hashes(self._ids)
        seeded = {seed: hashes(self._ids, seed) for _, seed in self._samples}
        for (_, seed), sample in self._samples.items():
            sample.add(seeded[seed], rows)
        for held in self._buffer:
            held.clear()
        self._ids = []
        if self._views is None:
            frames = self._frames or [Frame.around(node[:BLOCK_ROWS]) for node in rows]
            squares = self.needs.squares
            self._views = [ViewMoments(frame, squares=squares) for frame in frames]
            self._crosses = {(i, j): CrossMoments(frames[i], frames[j], squares=squares) for i, j in self.edges}
        for start in range(0, len(keys), BLOCK_ROWS):
            part = slice(start, start + BLOCK_ROWS)
            self._fold(self._views, keys[part], [node[part] for node in rows], exact=exact)

    def _fold(self, views: list[ViewMoments], keys: NDArray[np.uint64], rows: Sequence[Floats], *, exact: bool) -> None:
        """Folds one block of at most `BLOCK_ROWS` rows into the moments."""
        squares = self.needs.squares
        exact = exact or squares or self.needs.exact or self._taken < FLOAT64_ROWS
        if self.needs.moments:
            blocks = []
            for view, node in zip(views, rows, strict=True):
                self._check()
                blocks.append(RowBlock.of(node, view.frame, exact=exact, squares=squares))
                view.add(blocks[-1])
            for (left, right), cross in self._crosses.items():
                self._check()
                cross.add(blocks[left], blocks[right])
        if self.needs.cosines:
            units = [unit_rows(node) for node in rows]
            for edge in self.edges:
                sums = CosineSums.of(units[edge[0]], units[edge[1]])
                old = self._cosines.get(edge)
                self._cosines[edge] = sums if old is None else old.merge(sums)
        self._sample.add(keys, rows)
        self._taken += len(keys)
