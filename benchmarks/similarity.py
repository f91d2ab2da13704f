"""Similarity against plain NumPy in float64, as a user would write it: d = 768, layers of a pair of languages.

Rounds of the two alternate, and each ratio is of neighbours. Between them lies a pause: NumPy and SciPy carry a BLAS
each, whose idle threads spin for a while and would slow the other down.
"""

import tracemalloc
from typing import Any

import numpy as np
from scipy.linalg import svdvals

from benchmarks.rounds import alternate
from benchmarks.rows import Row, row
from services.metrics.estimates.estimates import Found
from services.metrics.rows.plans import ViewPlan
from services.metrics.rows.reports import ViewReport
from services.metrics.rows.tables import RowTable
from services.metrics.settings import MetricsSettings
from services.metrics.similarity import MEASURES, Options
from services.metrics.similarity.compare import compare
from services.metrics.similarity.plan import ComparePlan
from services.metrics.sums.accumulate import Accumulator, Needs
from services.metrics.sums.hsic import biased_cka

D = 768
CHUNK = 2048
LAYERS = 13


def run(quick: bool = False) -> list[Row]:
    """Measures; inputs are drawn."""
    layers = 4 if quick else LAYERS
    rows = _layer_pairs(*_views(1000, layers), rounds=1 if quick else 3, at_least=None if quick else 8)
    rows += _svcca(*_views(4000 if quick else 10_000, 1))
    if not quick:
        rows += _layer_pairs(*_views(10_000, LAYERS), rounds=1, at_least=2)
        rows += _long_stream(*_views(100_000, 1))
    return rows


def _views(n: int, layers: int) -> tuple[list[Any], list[Any]]:
    """Two views that share some directions, off centre, with one outlier dimension as BERT-family models have."""
    rng = np.random.default_rng(0)
    left, right = [], []
    for _ in range(layers):
        shared = rng.standard_normal((n, 40), dtype=np.float32)
        for views, shift in ((left, 3), (right, -2)):
            mix = 0.3 * rng.standard_normal((40, D), dtype=np.float32)
            rows = shared @ mix + rng.standard_normal((n, D), dtype=np.float32) + np.float32(shift)
            rows[:, 5] *= 10
            views.append(rows)
    return left, right


def _stream(left: list[Any], right: list[Any], needs: Needs) -> list[Any]:
    count, n = len(left), len(left[0])
    accumulator = Accumulator([D] * (2 * count), [(i, count + i) for i in range(count)], needs)
    ids = list(map(str, range(n)))
    for start in range(0, n, CHUNK):
        part = slice(start, start + CHUNK)
        accumulator.add(ids[part], [rows[part] for rows in (*left, *right)])
    return [pair for _, pair in accumulator.finish()]


def _streamed_cka(left: list[Any], right: list[Any]) -> list[float]:
    return [float(biased_cka(pair.hsic())) for pair in _stream(left, right, Needs())]


def _plain_cka(left: list[Any], right: list[Any]) -> list[float]:
    found = []
    for pair in zip(left, right, strict=True):
        x, y = (rows.astype(np.float64) for rows in pair)
        x -= x.mean(axis=0)
        y -= y.mean(axis=0)
        norm = np.linalg.norm
        found.append(float(norm(y.T @ x) ** 2 / (norm(x.T @ x) * norm(y.T @ y))))
    return found


def _tables(left: list[Any], right: list[Any]) -> list[RowTable]:
    """The two views as the service has them: all layers of a row together."""
    n, layers = len(left[0]), tuple(range(len(left)))
    ids = tuple(map(str, range(n)))
    return [
        RowTable(ids, layers, np.stack(rows, axis=1), ViewReport(name, n, 0, 0, "", ""))
        for name, rows in (("left", left), ("right", right))
    ]


def _all_pairs(tables: list[RowTable]) -> list[float]:
    """Every layer with every layer as the service measures them, intervals and chance levels included."""
    views = tuple(ViewPlan(table.report.name, table.layers, encoded=False) for table in tables)
    plan = ComparePlan(views, ((0, 1),), "all", "strict", (Options("cka", "biased"),))
    found = compare(plan, tables, budget=MetricsSettings().work_bytes)
    return [estimate.value for event in found if isinstance(event, Found) for estimate in event.estimates]


def _loop(left: list[Any], right: list[Any]) -> list[float]:
    """CKA pair by pair in feature space, each from its rows: what a function of two arrays in a double loop does."""
    return [value for x in left for y in right for value in _plain_cka([x], [y])]


def _layer_pairs(left: list[Any], right: list[Any], *, rounds: int, at_least: float | None) -> list[Row]:
    n, layers = len(left[0]), len(left)
    figure = f"CKA of {layers} x {layers} layers with intervals and nulls, n={n}"
    tables = _tables(left, right)
    values: dict[str, list[float]] = {}

    def ours() -> None:
        values["ours"] = _all_pairs(tables)

    def loop() -> None:
        values["loop"] = _loop(left, right)

    ratio, seconds = alternate(ours, loop, rounds)
    against = "loop over pairs, plain NumPy float64"
    return [
        row("similarity", figure, seconds, "s"),
        row("similarity", f"{figure}, speed", 1 / ratio, "times", against=against, at_least=at_least),
        row("similarity", f"{figure}, error", _error(**values), "relative", against=against, at_most=1e-6),
    ]


def _long_stream(left: list[Any], right: list[Any]) -> list[Row]:
    n = len(left[0])
    figure = f"CKA of one layer, streamed, n={n}"
    ratio, ours = alternate(lambda: _streamed_cka(left, right), lambda: _plain_cka(left, right), 3)
    error = _error(_streamed_cka(left, right), _plain_cka(left, right))
    tracemalloc.start()
    _streamed_cka(left, right)
    extra = tracemalloc.get_traced_memory()[1] / 2**20
    tracemalloc.stop()
    return [
        row("similarity", figure, ours, "s"),
        row("similarity", f"{figure}, time", ratio, "", against="plain NumPy float64", at_most=0.45),
        row("similarity", f"{figure}, error", error, "relative", against="plain NumPy float64", at_most=1e-7),
        row("similarity", "CKA streamed, extra memory whatever n", extra, "MiB", at_most=64),
    ]


def _measured(left: list[Any], right: list[Any], name: str) -> list[float]:
    kind = MEASURES[name]
    options = Options(name, kind.estimators[0], kind.settings())
    return [kind.compute(pair, options).value for pair in _stream(left, right, Needs())]


def _plain_svcca(left: list[Any], right: list[Any]) -> list[float]:
    found = []
    for pair in zip(left, right, strict=True):
        kept = []
        for given in pair:
            rows = given.astype(np.float64)
            rows -= rows.mean(axis=0)
            u, s, _ = np.linalg.svd(rows, full_matrices=False)
            share = np.cumsum(s**2) / np.sum(s**2)
            kept.append(u[:, : int(np.argmax(share >= 0.99)) + 1])
        found.append(float(np.linalg.svd(kept[0].T @ kept[1], compute_uv=False).mean()))
    return found


def _streamed_svcca(left: list[Any], right: list[Any]) -> list[float]:
    pairs = _stream(left, right, Needs())
    return [float(svdvals(pair.canonical(0.99).product, check_finite=False).mean()) for pair in pairs]


def _svcca(left: list[Any], right: list[Any]) -> list[Row]:
    n = len(left[0])
    figure, against = f"SVCCA of one layer from covariances, n={n}", "direct SVD, float64"
    ratio, ours = alternate(lambda: _streamed_svcca(left, right), lambda: _plain_svcca(left, right), 3)
    full, _ = alternate(lambda: _measured(left, right, "svcca"), lambda: _plain_svcca(left, right), 1)
    error = _error(_measured(left, right, "svcca"), _plain_svcca(left, right))
    return [
        row("similarity", figure, ours, "s"),
        row("similarity", f"{figure}, speed", 1 / ratio, "times", against=against, at_least=4),
        row("similarity", f"{figure}, with interval and null, speed", 1 / full, "times", against=against),
        row("similarity", f"{figure}, error", error, "relative", against=against, at_most=1e-6),
    ]


def _error(ours: list[float], loop: list[float]) -> float:
    return max(abs(one / two - 1) for one, two in zip(ours, loop, strict=True))
