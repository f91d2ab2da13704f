"""Uniform manifold approximation and projection (McInnes, Healy and Melville 2018), by its authors' package.

An extra of the service, `babelscope[umap]`. Neighbours are found among the rows of all views together; distances are
Euclidean. The package holds all rows in float32: they are centred in float64 first, and brought to a spread near 1, so
that neither shift nor scale costs digits. Seeded, and then on one thread.
"""

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from services.metrics.arrays import F64
from services.metrics.errors import Degenerate
from services.metrics.estimates.estimates import Check
from services.metrics.projection.base import Fitted, ProjectPlan, Stack
from services.metrics.projection.scatter import Scatter
from services.metrics.rows.tables import CHUNK_ROWS
from services.metrics.sums.moments import Frame
from services.runtime.errors import FailedPrecondition, LimitExceeded

NEIGHBOURS: Final = 15
MIN_DISTANCE: Final = 0.1
_COPIES: Final = 3
"""Times the rows that the package takes, their neighbours included."""


def umap(stack: Stack, plan: ProjectPlan, *, budget: int, check: Check) -> Fitted:
    """Places all rows of a layer so that neighbours stay neighbours.

    Args:
        stack: The rows.
        plan: How many components, and the seed.
        budget: Bytes of memory at a time.
        check: Called between blocks while rows are read; raises to stop the work.

    Raises:
        Degenerate: There are too few rows for the components, or all are equal.
        LimitExceeded: The rows are more than the budget.
        FailedPrecondition: The package is not installed.
    """
    n, d = stack.n, stack.d
    if n < plan.components + 2:
        raise Degenerate(f"Expected at least {plan.components + 2} rows for {plan.components} components of umap")
    if (needed := _COPIES * 4 * n * d) > budget:
        raise LimitExceeded(
            "work_bytes",
            f"Expected rows of which umap takes at most {budget} bytes, but {needed} are needed at layer "
            f"{stack.layer} for n = {n}, d = {d}; `pca` takes any number of rows",
        )
    reducer = _package().UMAP(
        n_neighbors=min(NEIGHBOURS, n - 1),
        n_components=plan.components,
        min_dist=MIN_DISTANCE,
        random_state=plan.seed % (1 << 32),
        n_jobs=1,
        # The spectral start needs more rows than the components it finds by Lanczos iteration.
        init="spectral" if n > 2 * (plan.components + 1) else "random",
    )
    placed = np.asarray(reducer.fit_transform(_centred(stack, check)), dtype=np.float64)
    if not np.isfinite(placed).all():
        raise Degenerate("Expected rows that umap can place, but it gave coordinates that are not finite")
    ends = np.cumsum([len(table.ids) for table in stack.tables])[:-1]
    parts = np.split(placed, ends)

    def place(index: int) -> Iterator[F64]:
        part = parts[index]
        for start in range(0, len(part), CHUNK_ROWS):
            yield part[start : start + CHUNK_ROWS]

    settings: dict[str, str | int | float] = {
        "neighbours": min(NEIGHBOURS, n - 1),
        "min_dist": MIN_DISTANCE,
        "dist": "euclidean",
        "seed": plan.seed,
    }
    return Fitted(place=place, settings=settings)


def _package() -> Any:
    try:
        import umap as package
    except ImportError as error:
        raise FailedPrecondition(
            "method umap", "Expected the package umap-learn on this server; install the extra `babelscope[umap]`"
        ) from error
    return package


def _centred(stack: Stack, check: Check) -> NDArray[np.float32]:
    """All rows about their mean, [n, d], with a spread near 1."""
    frame, sums, one, varies = (
        Frame.around(next(stack.blocks())),
        Scatter(stack.d, outer=False),
        stack.read(0, 1),
        False,
    )
    for block in stack.blocks():
        check()
        varies = varies or bool((block != one).any())
        sums.add(np.asarray(frame.apply(block, np.float64), np.float64))
    if not varies:
        raise Degenerate(f"Expected rows that vary, but all n = {stack.n} are equal")
    rows, start = np.empty((stack.n, stack.d), np.float32), 0
    for block in stack.blocks():
        check()
        rows[start : start + len(block)] = frame.apply(block, np.float64) - sums.mean
        start += len(block)
    return np.ldexp(rows, -int(np.frexp(np.abs(rows).max())[1]))
