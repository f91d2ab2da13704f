"""Two views in step: rows that come in any order find their partners by id and go straight into the sums.

Only rows that still wait for their partner are held, in memory up to a bound and in scratch beyond it. Where both views
come in about the same order the memory does not depend on their length.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from services.metrics.errors import Degenerate
from services.metrics.estimates.estimates import Aligned, Check, Event, Found, Progress
from services.metrics.rows.alignment import check_strict, quoted, report
from services.metrics.rows.plans import layer_pairs
from services.metrics.similarity.compare import measure, needs_of
from services.metrics.similarity.plan import ComparePlan
from services.metrics.sums.accumulate import Accumulator, nothing, state_bytes
from services.runtime.errors import InvalidArgument, LimitExceeded

HELD_BYTES: Final = 64 << 20
"""Rows without partner that are held in memory, a side."""

Spill = Callable[[NDArray[Any]], NDArray[Any]]
"""Takes rows to disk and returns them mapped."""


class _Waiting:
    """The rows of one side that have no partner yet."""

    def __init__(self, spill: Spill, bound: int) -> None:
        self.places: dict[str, tuple[int, int]] = {}
        self._blocks: dict[int, NDArray[Any]] = {}
        self._left: dict[int, int] = {}
        self._spill = spill
        self._bound = bound
        self._held = 0
        self._next = 0

    def put(self, ids: Sequence[str], rows: NDArray[Any]) -> None:
        """Holds rows."""
        if not len(ids):
            return
        if self._held + rows.nbytes > self._bound:
            rows = self._spill(rows)
        else:
            self._held += rows.nbytes
        self._blocks[self._next], self._left[self._next] = rows, len(ids)
        self.places.update((one, (self._next, row)) for row, one in enumerate(ids))
        self._next += 1

    def take(self, ids: Sequence[str]) -> NDArray[Any]:
        """[m, K, d]: rows that now have a partner."""
        taken = []
        for one in ids:
            block, row = self.places.pop(one)
            taken.append(self._blocks[block][row])
            self._left[block] -= 1
            if not self._left[block]:
                gone = self._blocks.pop(block)
                del self._left[block]
                if not isinstance(gone, np.memmap):
                    self._held -= gone.nbytes
        return np.stack(taken)


class StreamedPair:
    """The only pair of a comparison, measured while its rows come.

    Args:
        plan: Two views with their layers, one pair, no preprocessing.
        budget: Bytes that moments may take.
        spill: Takes rows without partner to disk, by side.
        held: Bytes of them that stay in memory, a side.
        check: Called between products; raises to stop the work.
    """

    def __init__(
        self, plan: ComparePlan, *, budget: int, spill: Sequence[Spill], held: int = HELD_BYTES, check: Check = nothing
    ) -> None:
        ((self._left, self._right),) = plan.pairs
        self._plan = plan
        self._layers = layer_pairs(plan.views[self._left], plan.views[self._right], plan.pairing)
        self._budget = budget
        self._check = check
        self._waiting = {side: _Waiting(spill[side], held) for side in (self._left, self._right)}
        self._paired: set[str] = set()
        self._skipped: dict[int, list[str]] = {self._left: [], self._right: []}
        self._accumulator: Accumulator | None = None

    @property
    def n(self) -> int:
        """Items paired."""
        return len(self._paired)

    def add(self, side: int, ids: Sequence[str], rows: NDArray[Any]) -> None:
        """Takes rows of one side.

        Args:
            side: Index of the view.
            ids: One a row.
            rows: [m, K, d], finite.

        Raises:
            InvalidArgument: An id came before, or the rows do not fit a measure.
            LimitExceeded: The moments would be too large, or there is no room for rows without partner.
        """
        own = self._waiting[side]
        other = self._waiting[self._right if side == self._left else self._left]
        self._check_new(side, ids, own)
        found = [row for row, one in enumerate(ids) if one in other.places]
        lonely = [row for row, one in enumerate(ids) if one not in other.places]
        own.put([ids[row] for row in lonely], rows if len(lonely) == len(ids) else rows[lonely])
        if not found:
            return
        names = [ids[row] for row in found]
        mine, partners = rows[found], other.take(names)
        left, right = (mine, partners) if side == self._left else (partners, mine)
        self._fold(names, left, right)

    def skip(self, side: int, ids: Sequence[str]) -> None:
        """Notes ids of one side that have no partner and whose rows were not asked for."""
        self._skipped[side].extend(ids)

    def finish(self) -> Iterator[Event]:
        """Measures the pair.

        Yields:
            Progress and estimates, last what the pair used.

        Raises:
            InvalidArgument: Ids that do not fit, or data of which a measure is not defined.
        """
        left, right = (self._plan.views[side] for side in (self._left, self._right))
        left_only, right_only = (
            [*self._waiting[side].places, *self._skipped[side]] for side in (self._left, self._right)
        )
        used = report(left.name, right.name, self.n, left_only, right_only)
        if self._plan.alignment == "strict":
            check_strict(used, left_only, right_only)
        if self._accumulator is None:
            raise InvalidArgument(
                "spec.alignment",
                f"Expected views {left.name!r} and {right.name!r} to have ids in common, but got none: "
                f"{left.name!r} has {quoted(left_only)}, {right.name!r} has {quoted(right_only)}",
            )
        total = len(self._layers)
        yield Progress("measure", 0, total, "")
        for done, (layers, (_, pair)) in enumerate(zip(self._layers, self._accumulator.finish(), strict=True), 1):
            yield Found(measure(self._plan, left, right, layers, pair))
            yield Progress("measure", done, total, f"{left.name} ~ {right.name}")
        yield Aligned((used,))

    def _check_new(self, side: int, ids: Sequence[str], own: _Waiting) -> None:
        seen: set[str] = set()
        for one in ids:
            # A paired id has come from both sides already.
            if one in own.places or one in seen or one in self._paired:
                name = self._plan.views[side].name
                raise InvalidArgument(
                    "activations.ids", f"Expected ids that are unique within view {name!r}, but got {one[:80]!r} twice"
                )
            seen.add(one)

    def _fold(self, ids: Sequence[str], left: NDArray[Any], right: NDArray[Any]) -> None:
        views = self._plan.views
        left_layers, right_layers = views[self._left].layers, views[self._right].layers
        if self._accumulator is None:
            widths = [left.shape[2]] * len(left_layers) + [right.shape[2]] * len(right_layers)
            edges = [(left_layers.index(i), len(left_layers) + right_layers.index(j)) for i, j in self._layers]
            size = state_bytes(widths, edges)
            if size > self._budget:
                raise LimitExceeded(
                    "work_bytes",
                    f"Expected moments of at most {self._budget} bytes, but {len(edges)} pairs of layers with "
                    f"d={left.shape[2]} and {right.shape[2]} need {size}; ask for fewer layers",
                )
            try:
                self._accumulator = Accumulator(widths, edges, needs_of(self._plan.measures), check=self._check)
            except Degenerate as error:
                raise InvalidArgument("spec.measures", error.cause) from error
        nodes = [left[:, k] for k in range(len(left_layers))] + [right[:, k] for k in range(len(right_layers))]
        try:
            self._accumulator.add(ids, nodes)
        except Degenerate as error:
            raise InvalidArgument(
                "spec.measures",
                f"{error.cause}; among views {views[self._left].name!r} and {views[self._right].name!r} at ids "
                f"{quoted(ids)}",
            ) from error
        self._paired.update(ids)
