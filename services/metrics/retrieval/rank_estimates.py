"""Estimates of one direction of a retrieval: precision, mean reciprocal rank, and the recall of an index."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.metrics.estimates.estimates import Estimate
from services.metrics.estimates.intervals import Interval, mean_reciprocal, student, wilson
from services.metrics.estimates.nulls import Null, mrr_null, precision_null
from services.metrics.estimates.signature import signature
from services.metrics.retrieval import Ranks, hits, reciprocal
from services.metrics.retrieval.index import Recall
from services.metrics.retrieval.plan import RetrievePlan
from services.metrics.rows.plans import ViewPlan, edits_of


@dataclass(frozen=True, eq=False)
class Direction:
    """Queries of one view among the candidates of another.

    Args:
        plan: The request.
        query: The view of the queries.
        candidate: The view of the candidates.
        layers: Layers of the queries and of the candidates.
        d: Dimensions.
        candidates: Number of candidates.
        answers: [queries] right answers of each query; None where each row has its partner.
        warnings: Warnings.
    """

    plan: RetrievePlan
    query: ViewPlan
    candidate: ViewPlan
    layers: tuple[int, int]
    d: int
    candidates: int
    answers: NDArray[np.int64] | None
    warnings: tuple[str, ...] = ()

    def estimates(self, similarity: str, ranks: Ranks) -> list[Estimate]:
        """P@k and MRR.

        Args:
            similarity: `cosine` or `csls`.
            ranks: Ranks of the right answers of the queries.
        """
        queries, m = len(ranks), self.candidates
        found = []
        for k in self.plan.ranks:
            rate = hits(ranks, k)
            reached = (f"k={k} is not below the number of candidates {m}: every rank is a hit",) if k >= m else ()
            null = precision_null(m, k, self.answers)
            found.append(
                self._estimate(
                    f"p@{k}", similarity, rate / queries, wilson(rate, queries), null, n=queries, warnings=reached
                )
            )
        values = reciprocal(ranks)
        null = mrr_null(m, self.answers)
        found.append(self._estimate("mrr", similarity, float(values.mean()), mean_reciprocal(values), null, n=queries))
        return found

    def recall(self, recall: Recall) -> Estimate:
        """The share of the exact k nearest candidates that the index gives.

        Its null is what k candidates drawn at random share with the k nearest.
        """
        shares = np.array(recall.found) / recall.k
        queries, k, m = len(shares), recall.k, recall.candidates
        interval = student(float(shares.mean()), float(shares.var(ddof=1)), queries) if shares.std() else None
        if interval is None:
            interval = wilson(int(sum(recall.found)), queries * k)
        interval = Interval(max(interval.low, 0.0), min(interval.high, 1.0), interval.name)
        # Hypergeometric: k draws of m, of which k count.
        variance = k * (k / m) * (1 - k / m) * (m - k) / max(m - 1, 1) / k**2 / queries
        null = Null(k / m, float(np.sqrt(variance)), "hypergeometric")
        return self._estimate("index_recall", self.plan.index, float(shares.mean()), interval, null, n=queries)

    def _estimate(
        self,
        metric: str,
        estimator: str,
        value: float,
        interval: Interval,
        null: Null,
        *,
        n: int,
        warnings: Sequence[str] = (),
    ) -> Estimate:
        plan, query, candidate = self.plan, self.query, self.candidate
        return Estimate(
            metric=metric,
            estimator=estimator,
            left=query.name,
            right=candidate.name,
            left_layer=self.layers[0],
            right_layer=self.layers[1],
            value=value,
            low=interval.low,
            high=interval.high,
            n=n,
            null_mean=null.mean,
            null_sd=null.sd,
            p=self.d,
            q=self.d,
            left_kept=0,
            right_kept=0,
            signature=signature(
                {
                    "metric": metric,
                    "est": estimator,
                    "k": plan.csls_k if estimator == "csls" else "",
                    "n": n,
                    "candidates": self.candidates,
                    "dim": f"{self.d}x{self.d}",
                    "pool": _both(query.pooling, candidate.pooling),
                    "dtype": _both(query.dtype, candidate.dtype),
                    "edits": edits_of((query, candidate)),
                    "centre": "yes" if plan.centre else "no",
                    "ties": "worst",
                    "align": "gold" if plan.gold else plan.alignment,
                    "index": "" if plan.index == "exact" else plan.index,
                    "null": null.name,
                    "ci": interval.name,
                }
            ),
            warnings=(*self.warnings, *warnings),
        )


def _both(query: str, candidate: str) -> str:
    return query if query == candidate else f"{query}/{candidate}"
