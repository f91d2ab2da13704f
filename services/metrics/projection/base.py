"""What every projection shares: the plan, the rows of all views one after the other, and what comes out."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from services.metrics.arrays import F64, Floats
from services.metrics.estimates.estimates import Check
from services.metrics.rows.plans import StudyPlan
from services.metrics.rows.tables import CHUNK_ROWS, RowTable


@dataclass(frozen=True)
class ProjectPlan(StudyPlan):
    """A projection.

    Args:
        method: `pca`, `umap`.
        components: Coordinates of a row.
        seed: For what is drawn.
    """

    method: str
    components: int
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Stack:
    """The rows of all views at one layer, one view after the other.

    Args:
        tables: One for each view, all of the same width.
        layer: Layer of the rows.
    """

    tables: Sequence[RowTable]
    layer: int

    @property
    def n(self) -> int:
        """Rows of all views."""
        return sum(len(table.ids) for table in self.tables)

    @property
    def d(self) -> int:
        """Dimensions of a row."""
        return self.tables[0].d

    def view(self, index: int, rows: int = CHUNK_ROWS) -> Iterator[Floats]:
        """The rows of one view in blocks, [m, d] with m at most `rows`."""
        table = self.tables[index]
        for start in range(0, len(table.ids), rows):
            yield table.read(self.layer, slice(start, start + rows))

    def blocks(self, rows: int = CHUNK_ROWS) -> Iterator[Floats]:
        """The rows of all views in blocks, [m, d] with m at most `rows`."""
        for index in range(len(self.tables)):
            yield from self.view(index, rows)

    def read(self, start: int, stop: int) -> Floats:
        """Rows start..stop of the stack, [m, d]."""
        parts, offset = [], 0
        for table in self.tables:
            size = len(table.ids)
            first, last = max(start - offset, 0), min(stop - offset, size)
            if first < last:
                parts.append(table.read(self.layer, slice(first, last)))
            offset += size
        return parts[0] if len(parts) == 1 else np.concatenate(parts)


@dataclass(frozen=True, eq=False)
class Fitted:
    """Axes of one layer.

    Args:
        place: Function from the number of a view to the coordinates of its rows, [m, k] float64 in blocks, in order.
        shares: Share of the variance of all views for each axis; empty where axes have no variance of their own.
        settings: Settings of the fit, for the signature.
        warnings: Warnings.
    """

    place: Callable[[int], Iterator[F64]]
    shares: tuple[float, ...] = ()
    settings: Mapping[str, str | int | float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


class Method(Protocol):
    """A projection by its name."""

    def __call__(self, stack: Stack, plan: ProjectPlan, *, budget: int, check: Check) -> Fitted:
        """Fits axes to all rows of a layer.

        Args:
            stack: The rows.
            plan: The request.
            budget: Bytes of memory at a time.
            check: Called between blocks; raises to stop the work.

        Raises:
            Degenerate: The rows do not determine the axes.
            LimitExceeded: The fit needs more memory than the budget.
            FailedPrecondition: This server does not have what the method needs.
        """
