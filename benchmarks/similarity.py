"""Similarity and retrieval against plain NumPy in float64, as a user would write it: d = 768, all layers of a pair.

Rounds of the two alternate, and each ratio is of neighbours. Between them lies a pause: NumPy and SciPy carry a BLAS
each, whose idle threads spin for a while and would slow the other down.
"""

import statistics
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.rows import Row, row
from services.metrics.accumulate import Accumulator, Needs
from services.metrics.hsic import biased_cka
from services.metrics.retrieval import retrieve
from services.metrics.similarity import MEASURES, Options

D = 768
CHUNK = 1024
_PAUSE = 0.06


def run(quick: bool = False) -> list[Row]:
    """Measures; inputs are drawn."""
    n, layers, rounds = (4000, 2, 3) if quick else (10_000, 13, 5)
    left, right = _views(n, layers)
    rows = [*_cka(left, right, rounds), *_svcca(left[:2], right[:2], rounds)]
    del left, right
    if not quick:
        rows += _long_stream(*_views(100_000, 1))
    return [*rows, *_retrieval(1000 if quick else 10_000, 3)]


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


def _cka(left: list[Any], right: list[Any], rounds: int) -> list[Row]:
    n, layers = len(left[0]), len(left)
    figure = f"CKA of {layers} layers, streamed, n={n}"
    ratio, ours = _alternate(lambda: _streamed_cka(left, right), lambda: _plain_cka(left, right), rounds)
    error = _error(_streamed_cka(left, right), _plain_cka(left, right))
    full, _ = _alternate(lambda: _measured(left, right, "cka"), lambda: _plain_cka(left, right), rounds)
    return [
        row("similarity", figure, ours, "s"),
        row("similarity", f"{figure}, time", ratio, "", against="plain NumPy float64"),
        row("similarity", f"{figure}, error", error, "relative", against="plain NumPy float64", at_most=1e-7),
        row("similarity", f"{figure}, with interval and null, time", full, "", against="plain NumPy float64"),
    ]


def _long_stream(left: list[Any], right: list[Any]) -> list[Row]:
    n = len(left[0])
    figure = f"CKA of one layer, streamed, n={n}"
    ratio, ours = _alternate(lambda: _streamed_cka(left, right), lambda: _plain_cka(left, right), 3)
    error = _error(_streamed_cka(left, right), _plain_cka(left, right))
    tracemalloc.start()
    _streamed_cka([left[0][:20_000]], [right[0][:20_000]])
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
    options = Options(name, kind.estimators[0], kind.default_variance)
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


def _svcca(left: list[Any], right: list[Any], rounds: int) -> list[Row]:
    n, layers = len(left[0]), len(left)
    figure = f"SVCCA of {layers} layers, streamed, with interval and null, n={n}"
    ratio, ours = _alternate(lambda: _measured(left, right, "svcca"), lambda: _plain_svcca(left, right), min(rounds, 3))
    error = _error(_measured(left, right, "svcca"), _plain_svcca(left, right))
    return [
        row("similarity", figure, ours, "s"),
        row("similarity", f"{figure}, time", ratio, "", against="direct SVD, float64"),
        row("similarity", f"{figure}, error", error, "relative", against="direct SVD, float64", at_most=1e-6),
    ]


def _careful(x: Any, y: Any, k: int = 10) -> dict[str, Any]:
    """Retrieval in NumPy as a careful user writes it: float32, one matrix of scores, no sorting of whole rows."""
    x = x / np.linalg.norm(x, axis=1, keepdims=True)
    y = y / np.linalg.norm(y, axis=1, keepdims=True)
    scores = x @ y.T
    found = {}
    near_t = np.partition(scores, -k, axis=1)[:, -k:].mean(axis=1)
    near_s = np.partition(scores, -k, axis=0)[-k:].mean(axis=0)
    for name in ("cosine", "csls"):
        if name == "csls":
            scores = 2 * scores - near_t[:, None] - near_s
        gold = np.diag(scores)
        found[name] = ((scores >= gold[:, None]).sum(axis=1), (scores >= gold).sum(axis=0))
    return found


def _retrieval(n: int, rounds: int) -> list[Row]:
    rng = np.random.default_rng(1)
    shared = rng.standard_normal((n, D), dtype=np.float32)
    x, y = (shared + 1.5 * rng.standard_normal((n, D), dtype=np.float32) for _ in range(2))
    figure = f"retrieval, cosine and CSLS, both directions, n={n}"
    ratio, ours = _alternate(lambda: retrieve(x, y), lambda: _careful(x, y), rounds)
    found, plain = retrieve(x, y), _careful(x, y)
    equal = np.mean(
        [[ranks.forward == plain[name][0], ranks.backward == plain[name][1]] for name, ranks in found.items()]
    )
    memory = []
    for work in (lambda: retrieve(x, y), lambda: _careful(x, y)):
        tracemalloc.start()
        work()
        memory.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    return [
        row("similarity", figure, ours, "s"),
        row("similarity", f"{figure}, time", ratio, "", against="careful NumPy, float32"),
        row("similarity", f"{figure}, memory", memory[0] / memory[1], "", against="careful NumPy, float32"),
        row("similarity", f"{figure}, equal ranks", float(equal), "", against="careful NumPy, float32"),
    ]


def _error(found: list[float], expected: list[float]) -> float:
    return max(abs(one / two - 1) for one, two in zip(found, expected, strict=True))


def _alternate(ours: Callable[[], Any], theirs: Callable[[], Any], rounds: int) -> tuple[float, float]:
    """The median ratio of neighbouring rounds, ours over theirs, and the median seconds of ours."""
    kept = []
    for number in range(rounds + 1):
        seconds = []
        for work in (ours, theirs) if number % 2 else (theirs, ours):
            time.sleep(_PAUSE)
            began = time.perf_counter()
            work()
            seconds.append(time.perf_counter() - began)
        if number:  # the first round warms up
            kept.append(seconds if number % 2 else seconds[::-1])
    return statistics.median(a / b for a, b in kept), statistics.median(a for a, _ in kept)
