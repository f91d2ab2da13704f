"""Short ways to project arrays, and an independent reference."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from services.metrics.projection.base import ProjectPlan
from services.metrics.projection.engine import Placed, project
from services.metrics.rows.plans import ViewPlan
from services.metrics.rows.reports import ViewReport
from services.metrics.rows.tables import RowTable


def table(array: Any, name: str = "en", layers: Sequence[int] | None = None) -> RowTable:
    """A view of rows [n, d] or [n, K, d]."""
    rows = np.asarray(array)
    rows = rows[:, None] if rows.ndim == 2 else rows
    ids = tuple(f"{name}-{number}" for number in range(len(rows)))
    return RowTable(ids, tuple(range(rows.shape[1]) if layers is None else layers), rows, ViewReport(name, len(rows)))


def plan(tables: Sequence[RowTable], components: int = 2, method: str = "pca", seed: int = 0) -> ProjectPlan:
    """A plan over pushed views."""
    views = tuple(ViewPlan(each.report.name, each.layers, encoded=False, pooling="pushed") for each in tables)
    return ProjectPlan(views, (), "same", "strict", method, components, seed)


def projected(tables: Sequence[RowTable], budget: int = 1 << 30, **options: Any) -> dict[tuple[int, int], Any]:
    """Coordinates by number of the view and layer; under (-1, layer) the first `Placed` of the layer."""
    found: dict[tuple[int, int], Any] = {}
    for event in project(plan(tables, **options), tables, budget=budget):
        if isinstance(event, Placed):
            found.setdefault((-1, event.layer), event)
            found.setdefault((event.view, event.layer), []).append(event)
    for key, parts in found.items():
        if key[0] >= 0:
            assert [part.start for part in parts] == list(np.cumsum([0, *(len(p.coordinates) for p in parts[:-1])]))
            found[key] = np.concatenate([part.coordinates for part in parts])
    return found


def by_svd(views: Sequence[Any], components: int) -> tuple[list[Any], Any]:
    """Coordinates and shares by NumPy's SVD of all rows at once, in float64."""
    rows = np.concatenate([np.asarray(view, np.float64) for view in views])
    rows = rows - rows.mean(axis=0)
    # The mean of rows far from the origin is rounded: what is left of it goes in a second step.
    rows = rows - rows.mean(axis=0)
    _, values, axes = np.linalg.svd(rows, full_matrices=False)
    axes = axes[:components].T
    axes = axes * np.sign(axes[np.argmax(np.abs(axes), axis=0), np.arange(components)])
    ends = np.cumsum([len(view) for view in views])[:-1]
    return np.split(rows @ axes, ends), values[:components] ** 2 / np.sum(values**2)
