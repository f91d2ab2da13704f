"""Projections of views, layer by layer: from tables of rows to coordinates. No servers here; run it in a thread."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from services.metrics.errors import Degenerate
from services.metrics.estimates.estimates import Check, Progress
from services.metrics.estimates.signature import signature
from services.metrics.projection.base import Fitted, ProjectPlan, Stack
from services.metrics.projection.registry import METHODS
from services.metrics.rows.plans import edits_of
from services.metrics.rows.tables import RowTable
from services.runtime.errors import InvalidArgument

CHUNK_BYTES: Final = 1 << 20
"""Bytes of coordinates at a time, but at least one row."""


@dataclass(frozen=True, eq=False)
class Placed:
    """Coordinates of some rows of one view at one layer.

    Args:
        view: Its number.
        layer: Layer of the rows.
        start: Number of the first row.
        coordinates: [m, components] float32; float64 where rows of any view are.
        shares: Share of the variance of all views for each component; empty where there are no such shares.
        signature: All settings behind the number, in one line.
        warnings: Warnings.
    """

    view: int
    layer: int
    start: int
    coordinates: NDArray[Any]
    shares: tuple[float, ...]
    signature: str
    warnings: tuple[str, ...]


def project(
    plan: ProjectPlan, tables: Sequence[RowTable], *, budget: int, check: Check = lambda: None
) -> Iterator[Progress | Placed]:
    """Places the rows of all views on common axes, layer by layer.

    Args:
        plan: The request.
        tables: One for each view of the plan.
        budget: Bytes of memory at a time.
        check: Called between blocks; raises to stop the work.

    Yields:
        Progress, and the coordinates of each layer: a view after the other, their rows in order.

    Raises:
        InvalidArgument: Views that do not fit one another, or rows that do not determine the coordinates.
        LimitExceeded: A fit needs more memory than the budget.
        FailedPrecondition: This server does not have what the method needs.
    """
    layers = _layers(tables)
    n, d = sum(len(table.ids) for table in tables), tables[0].d
    if n < 2:
        raise InvalidArgument("spec.views", f"Expected at least 2 rows in all views together, but got n = {n}, d = {d}")
    if plan.components > min(n - 1, d):
        raise InvalidArgument(
            "spec.components",
            f"Expected at most min(n - 1, d) = {min(n - 1, d)} components for n = {n}, d = {d}, "
            f"but got {plan.components}",
        )
    dtype = np.float64 if any(table.rows.dtype == np.float64 for table in tables) else np.float32
    for done, layer in enumerate(layers):
        yield Progress("project", done, len(layers), f"layer {layer}")
        stack = Stack(tables, layer)
        try:
            fitted = METHODS[plan.method](stack, plan, budget=budget, check=check)
            yield from _placed(plan, stack, fitted, dtype)
        except Degenerate as error:
            names = ", ".join(repr(table.report.name) for table in tables)
            raise InvalidArgument(
                "spec.views", f"{error.cause}; {plan.method} of views {names} at layer {layer}, n = {n}, d = {d}"
            ) from error
    yield Progress("project", len(layers), len(layers), "")


def _layers(tables: Sequence[RowTable]) -> tuple[int, ...]:
    """The layers of all views, which are the same."""
    first = tables[0]
    for index, table in enumerate(tables):
        if set(table.layers) != set(first.layers):
            raise InvalidArgument(
                f"spec.views[{index}].layers",
                f"Expected the layers of view {first.report.name!r}, {_listed(first.layers)}, in view "
                f"{table.report.name!r} as well, but got {_listed(table.layers)}",
            )
        if table.d != first.d:
            raise InvalidArgument(
                f"spec.views[{index}]",
                f"Expected rows of d = {first.d} as in view {first.report.name!r} in view {table.report.name!r} as "
                f"well, but got d = {table.d}",
            )
    return first.layers


def _placed(plan: ProjectPlan, stack: Stack, fitted: Fitted, dtype: type[np.floating[Any]]) -> Iterator[Placed]:
    """The coordinates of one layer in pieces of bounded size."""
    line = signature(
        {
            "proj": plan.method,
            "components": plan.components,
            "n": stack.n,
            "dim": stack.d,
            "views": len(plan.views),
            "pool": "/".join(dict.fromkeys(view.pooling for view in plan.views)),
            "dtype": "/".join(dict.fromkeys(view.dtype for view in plan.views)),
            "edits": edits_of(plan.views),
            **fitted.settings,
        }
    )
    step = max(1, CHUNK_BYTES // (plan.components * np.dtype(dtype).itemsize))
    for view, table in enumerate(stack.tables):
        held: list[NDArray[Any]] = []
        start = rows = 0
        for block in fitted.place(view):
            for first in range(0, len(block), step):
                piece = _narrowed(block[first : first + step], dtype)
                if rows + len(piece) > step:
                    yield Placed(view, stack.layer, start, np.concatenate(held), fitted.shares, line, fitted.warnings)
                    start, rows, held = start + rows, 0, []
                held.append(piece)
                rows += len(piece)
        assert start + rows == len(table.ids)
        yield Placed(view, stack.layer, start, np.concatenate(held), fitted.shares, line, fitted.warnings)


def _narrowed(coordinates: NDArray[np.float64], dtype: type[np.floating[Any]]) -> NDArray[Any]:
    """Coordinates in the precision of the answer."""
    with np.errstate(over="ignore"):
        found = coordinates.astype(dtype)
    if not np.isfinite(found).all():
        raise Degenerate(
            f"Expected coordinates that float32 holds, but got {np.abs(coordinates).max():g}; send rows as float64"
        )
    return found


def _listed(layers: Sequence[int]) -> str:
    return ", ".join(map(str, layers))
