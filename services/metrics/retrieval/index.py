"""Retrieval by an approximate index, for very large sets of candidates; its recall is measured, not assumed.

An extra of the service, `babelscope[faiss]` (Johnson et al. 2017). Each query's nearest candidates by cosine are found
by the index and ranked among themselves, by cosine or by CSLS over the neighbourhoods that the index finds; a query of
which no right answer is among them counts as missed.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from services.metrics.arrays import Floats
from services.metrics.retrieval.engine import Ranks, Retrieved, check_gold, check_sizes
from services.metrics.retrieval.gold import Gold, Indices
from services.metrics.retrieval.sides import BLOCK, Side
from services.metrics.sums.accumulate import nothing
from services.runtime.errors import FailedPrecondition

LEAST_DEPTH: Final = 100
"""Candidates that are asked for of each query, at least."""

SAMPLE: Final = 256
"""Queries of which the index's answer is held against the exact one."""

_LINKS: Final = 32
"""Links of a node of the graph (Malkov and Yashunin 2018)."""

_POINTS_A_LIST: Final = 39
"""Rows from which FAISS likes to learn the centre of an inverted list, at least."""

_PROBED: Final = 16
"""Share of the inverted lists that is searched: one in so many."""

_LEAST_PROBED: Final = 8
"""Lists that are searched, at least."""

F32 = NDArray[np.float32]
"""float32 of any shape."""


@dataclass(frozen=True)
class Recall:
    """How much of the exact answer an index finds.

    Args:
        found: [sample] of the k nearest of each sampled query, how many the index has among its k.
        k: Nearest looked at.
        candidates: Rows in the index.
    """

    found: tuple[int, ...]
    k: int
    candidates: int


@dataclass(frozen=True, eq=False)
class Approximate:
    """Ranks that an index gives, with its recall; those of the exact search have none.

    Args:
        ranks: Ranks by similarity; 0 for a query without a right answer among the found candidates.
        forward: Recall of right rows for left queries.
        backward: Recall of left rows for right queries.
    """

    ranks: dict[str, Retrieved]
    forward: Recall | None = None
    backward: Recall | None = None


def require() -> Any:
    """The package.

    Raises:
        FailedPrecondition: It is not installed; names the extra.
    """
    try:
        import faiss
    except ImportError as error:
        raise FailedPrecondition(
            "spec.index", "Expected the package faiss-cpu on this server; install the extra `babelscope[faiss]`"
        ) from error
    return faiss


def retrieve_by_index(
    left: Floats,
    right: Floats,
    similarities: Sequence[str] = ("cosine", "csls"),
    *,
    kind: str,
    gold: Gold | None = None,
    csls_k: int = 10,
    ranks: Sequence[int] = (1, 5, 10),
    centre: bool = False,
    check: Callable[[], None] = nothing,
) -> Approximate:
    """Ranks of right answers among the candidates that an index finds.

    Args:
        left: [n, d], finite.
        right: [m, d], finite.
        similarities: Similarities to rank by, of `cosine` and `csls`.
        kind: `ivf`, inverted lists, or `hnsw`, a graph.
        gold: Right answers; None where row i of one view belongs to row i of the other.
        csls_k: Neighbours over which CSLS averages.
        ranks: Ranks k of P@k; recall is measured at the largest.
        centre: Subtract each view's mean first.
        check: Called between searches; raises to stop the work.

    Raises:
        Degenerate: In the same cases as `retrieve`.
        FailedPrecondition: FAISS is not installed.
    """
    faiss = require()
    check_sizes(left.shape, right.shape, similarities, csls_k)
    gold = check_gold(gold, len(left), len(right), left.shape[1])
    k = max(*ranks, csls_k)
    sides = [_Indexed(faiss, _units(rows, centre), kind, max(k, LEAST_DEPTH), check) for rows in (left, right)]
    found: dict[str, list[Ranks]] = {name: [] for name in similarities}
    recalls = []
    for (own, other), pairs in ((sides, (gold.left, gold.right)), (sides[::-1], (gold.right, gold.left))):
        queries = np.unique(pairs[0])
        scores, places = other.search(own.units[queries])
        recalls.append(_recall(own.units[queries], places, other.units, min(max(ranks), len(other.units))))
        if "cosine" in similarities:
            found["cosine"].append(_ranks(scores, places, queries, pairs))
        if "csls" in similarities:
            # Within one query its own mean does not change the order.
            means = other.means(np.unique(places[places >= 0]), own, csls_k)
            found["csls"].append(_ranks(2 * scores - means[places], places, queries, pairs))
    return Approximate({name: Retrieved(*both) for name, both in found.items()}, recalls[0], recalls[1])


class _Indexed:
    """Unit rows of a side in an index."""

    def __init__(self, faiss: Any, units: F32, kind: str, depth: int, check: Callable[[], None]) -> None:
        n, d = units.shape
        self.units = units
        self._depth = min(depth, n)
        self._check = check
        if kind == "hnsw":
            self._index = faiss.IndexHNSWFlat(d, _LINKS, faiss.METRIC_INNER_PRODUCT)
            self._index.hnsw.efSearch = 2 * self._depth
        else:
            lists = max(1, min(int(4 * n**0.5), n // _POINTS_A_LIST))
            self._index = faiss.IndexIVFFlat(faiss.IndexFlatIP(d), d, lists, faiss.METRIC_INNER_PRODUCT)
            self._index.nprobe = max(min(lists, _LEAST_PROBED), lists // _PROBED)
            self._index.train(units)
        for start in range(0, n, BLOCK):
            check()
            self._index.add(units[start : start + BLOCK])

    def search(self, queries: F32) -> tuple[F32, Indices]:
        """[q, depth] scores and places of what is nearest, largest first; places of -1 hold nothing."""
        scores = np.empty((len(queries), self._depth), np.float32)
        places = np.empty((len(queries), self._depth), np.int64)
        for start in range(0, len(queries), BLOCK):
            self._check()
            part = slice(start, start + BLOCK)
            scores[part], places[part] = self._index.search(queries[part], self._depth)
        # FAISS fills up with the least number there is.
        scores[places < 0] = -np.inf
        return scores, places

    def means(self, rows: Indices, other: "_Indexed", k: int) -> F32:
        """[n] mean cosine of some rows to their k nearest of another side; the others hold 0."""
        means = np.zeros(len(self.units), np.float32)
        scores, places = other.search(self.units[rows])
        held = np.where(places[:, :k] >= 0, scores[:, :k], 0)
        means[rows] = held.sum(axis=1) / np.maximum((places[:, :k] >= 0).sum(axis=1), 1)
        return means


def _units(rows: Floats, centre: bool) -> F32:
    """[n, d] unit rows."""
    side = Side(rows, centre, torch.device("cpu"))
    units = np.empty(rows.shape, np.float32)
    for start in range(0, side.n, BLOCK):
        part = slice(start, start + BLOCK)
        units[part] = side.exact(part).float().numpy()
    return units


def _ranks(scores: F32, places: Indices, queries: Indices, pairs: tuple[Indices, Indices]) -> Ranks:
    """[q] rank of the best right answer among what was found, ties to the worst rank; 0 where there is none."""
    span = int(max(places.max(), pairs[1].max())) + 1
    right = np.isin(queries[:, None] * span + places, pairs[0] * span + pairs[1]) & (places >= 0)
    best = np.where(right, scores, -np.inf).max(axis=1, keepdims=True)
    before = ((scores >= best) & ~right & (places >= 0)).sum(axis=1)
    return np.where(right.any(axis=1), before + 1, 0).astype(np.int64)


def _recall(queries: F32, places: Indices, candidates: F32, k: int) -> Recall:
    """The index's first k of a seeded sample of queries against the exact ones."""
    sample = np.sort(np.random.default_rng(0).permutation(len(queries))[:SAMPLE])
    rows = torch.from_numpy(queries[sample])
    values = torch.full((len(rows), k), -torch.inf)
    exact = torch.full((len(rows), k), -1, dtype=torch.int64)
    for start in range(0, len(candidates), BLOCK):
        scores = rows @ torch.from_numpy(candidates[start : start + BLOCK]).T
        here = torch.arange(start, start + scores.shape[1]).expand(len(rows), -1)
        values, order = torch.cat([values, scores], dim=1).topk(k, dim=1)
        exact = torch.cat([exact, here], dim=1).gather(1, order)
    found = [
        len(np.intersect1d(places[query, :k], nearest)) for query, nearest in zip(sample, exact.numpy(), strict=True)
    ]
    return Recall(tuple(found), k, len(candidates))
