"""Retrieval against FAISS and against NumPy as a careful user would write it: d = 768, all at the same threads.

FAISS gives the nearest candidate alone, in one direction; the ranks it is held against are exact, in both directions,
with the rows' normalisation in their time.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch

from benchmarks.rounds import alternate, peak_bytes
from benchmarks.rows import Row, row
from services.metrics.retrieval import Retrieved, retrieve

D = 768
SMALL = 64


def run(quick: bool = False) -> list[Row]:
    """Measures; inputs are drawn."""
    few, many = (2000, 4000) if quick else (10_000, 30_000)
    return [*_top1(many, 3), *_against_numpy(1000, 7), *_against_numpy(few, 3), *_memory(few), *_equality(2000)]


def _views(n: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(1)
    shared = rng.standard_normal((n, D), dtype=np.float32)
    x, y = (shared + 1.5 * rng.standard_normal((n, D), dtype=np.float32) for _ in range(2))
    return x, y


def _top1(n: int, rounds: int) -> list[Row]:
    import faiss

    x, y = _views(n)
    units = [rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (x, y)]
    index = faiss.IndexFlatIP(D)
    index.add(units[1])
    faiss.omp_set_num_threads(torch.get_num_threads())
    ratio, ours = alternate(lambda: retrieve(x, y, ("cosine",)), lambda: index.search(units[0], 1), rounds)
    nearest = index.search(units[0], 1)[1][:, 0] == np.arange(n)
    agree = np.mean((retrieve(x, y, ("cosine",))["cosine"].forward == 1) == nearest)
    figure = f"exact cosine ranks, both directions, n={n}"
    return [
        row("retrieval", figure, ours, "s"),
        row("retrieval", f"{figure}, time", ratio, "", against="FAISS IndexFlatIP, top-1, one direction", at_most=1.3),
        row("retrieval", f"{figure}, same first", float(agree), "", against="FAISS IndexFlatIP"),
    ]


def _against_numpy(n: int, rounds: int) -> list[Row]:
    x, y = _views(n)
    figure = f"P@k, MRR and CSLS, both directions, n={n}"
    ratio, ours = alternate(lambda: retrieve(x, y), lambda: careful(x, y), rounds)
    found, plain = retrieve(x, y), careful(x, y)
    equal = np.mean([[_same(ranks, plain[name])] for name, ranks in found.items()])
    goal = 0.5 if n >= 10_000 else None
    return [
        row("retrieval", figure, ours, "s"),
        row("retrieval", f"{figure}, time", ratio, "", against="careful NumPy, float32", at_most=goal),
        row("retrieval", f"{figure}, equal ranks", float(equal), "", against="careful NumPy, float32"),
    ]


def _memory(n: int) -> list[Row]:
    ours, theirs = (peak_bytes(prepare, work, n) for work in (retrieve, careful))
    figure = f"P@k, MRR and CSLS, both directions, n={n}, peak memory"
    goal = 0.1 if n >= 10_000 else None
    return [
        row("retrieval", figure, ours / 2**20, "MiB"),
        row("retrieval", f"{figure}, share", ours / theirs, "", against="careful NumPy, float32", at_most=goal),
    ]


def prepare(work: Callable[..., Any], n: int) -> Callable[[], Any]:
    """The views of a process of its own, all libraries loaded and warm."""
    x, y = _views(n)
    work(x[:SMALL].copy(), y[:SMALL].copy())
    return partial(work, x, y)


def _equality(n: int) -> list[Row]:
    """Ranks with many ties, in a narrow cone, against brute force in float64."""
    x, y = _views(n)
    x, y = x + 30, y + 30
    y[n // 2 : n // 2 + 50] = y[n // 2]
    x[::9] = x[0]
    found = retrieve(x, y)
    equal = [_same(ranks, exact) for ranks, exact in zip(found.values(), _exact(x, y), strict=True)]
    figure = f"ranks with ties in a narrow cone, n={n}, equal"
    return [row("retrieval", figure, float(np.mean(equal)), "", against="brute force, float64", at_least=1.0)]


def _same(ranks: Retrieved, expected: tuple[Any, Any]) -> float:
    return float(np.mean([ranks.forward == expected[0], ranks.backward == expected[1]]))


def careful(x: Any, y: Any, k: int = 10) -> dict[str, Any]:
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


def _exact(x: Any, y: Any, k: int = 10) -> list[tuple[Any, Any]]:
    x, y = (rows.astype(np.float64) / np.linalg.norm(rows.astype(np.float64), axis=1, keepdims=True) for rows in (x, y))
    cosine = x @ y.T
    near_t, near_s = np.sort(cosine, axis=1)[:, -k:].mean(axis=1), np.sort(cosine, axis=0)[-k:].mean(axis=0)
    found = []
    for scores in (cosine, 2 * cosine - near_t[:, None] - near_s):
        gold = np.diag(scores) - 1e-11  # the order of additions differs between equal rows
        found.append(((scores >= gold[:, None]).sum(axis=1), (scores >= gold).sum(axis=0)))
    return found
