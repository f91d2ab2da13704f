"""Retrieval between all pairs of views: from tables of rows to estimates. No servers here; run it in a thread."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from services.metrics.accumulate import nothing
from services.metrics.alignment import align
from services.metrics.errors import Degenerate
from services.metrics.estimates import Aligned, Check, Estimate, Event, Found, Progress
from services.metrics.intervals import mean_reciprocal, wilson
from services.metrics.nulls import mrr_null, precision_null
from services.metrics.plans import RetrievePlan, ViewPlan, layer_pairs
from services.metrics.retrieval import Ranks, hits, reciprocal, retrieve
from services.metrics.signature import signature
from services.metrics.tables import Table, part_of
from services.runtime.errors import InvalidArgument


def rank(plan: RetrievePlan, tables: Sequence[Table], *, check: Check = nothing) -> Iterator[Event]:
    """Retrieves between all pairs, both directions.

    Args:
        plan: What to retrieve.
        tables: One a view of the plan.
        check: Called between tiles; raises to stop the work.

    Yields:
        Progress and estimates, last what the pairs used.

    Raises:
        InvalidArgument: Ids or layers that do not fit, or data of which a rank is not defined.
    """
    views = [replace(view, layers=table.layers) for view, table in zip(plan.views, tables, strict=True)]
    wanted = {(a, b): layer_pairs(views[a], views[b], plan.pairing) for a, b in plan.pairs}
    groups, reports = align([view.name for view in views], [table.ids for table in tables], plan.pairs, plan.alignment)
    total = sum(map(len, wanted.values()))
    done = 0
    yield Progress("measure", 0, total, "")
    for group in groups:
        n = len(group.ids)
        for a, b in group.pairs:
            for i, j in wanted[a, b]:
                check()
                left = tables[a].read(i, part_of(group.rows[a], 0, n))
                right = tables[b].read(j, part_of(group.rows[b], 0, n))
                try:
                    found = retrieve(
                        left, right, plan.similarities, csls_k=plan.csls_k, centre=plan.centre, check=check
                    )
                except Degenerate as error:
                    raise InvalidArgument(
                        "spec.similarities",
                        f"{error.cause}; retrieval between views {views[a].name!r} and {views[b].name!r} at layers "
                        f"{i} and {j}",
                    ) from error
                sides = _Sides(plan, left.shape[1])
                estimates: list[Estimate] = []
                for similarity, ranks in found.items():
                    estimates += sides.estimates(similarity, ranks.forward, views[a], views[b], (i, j))
                    estimates += sides.estimates(similarity, ranks.backward, views[b], views[a], (j, i))
                done += 1
                yield Found(tuple(estimates))
                yield Progress("measure", done, total, f"{views[a].name} ~ {views[b].name}")
    yield Aligned(tuple(reports))


class _Sides:
    """Makes estimates of ranks.

    Args:
        plan: What to retrieve.
        d: Dimensions.
    """

    def __init__(self, plan: RetrievePlan, d: int) -> None:
        self._plan = plan
        self._d = d

    def estimates(
        self, similarity: str, ranks: Ranks, query: ViewPlan, candidate: ViewPlan, layers: tuple[int, int]
    ) -> list[Estimate]:
        """P@k and MRR of one direction."""
        n = len(ranks)
        found = []
        for k in self._plan.ranks:
            rate = hits(ranks, k)
            warning = (f"k={k} is not below n={n}: every rank is a hit",) if k >= n else ()
            found.append((f"p@{k}", rate / n, wilson(rate, n), precision_null(n, k), warning))
        values = reciprocal(ranks)
        found.append(("mrr", float(values.mean()), mean_reciprocal(values), mrr_null(n), ()))
        return [
            Estimate(
                metric=metric,
                estimator=similarity,
                left=query.name,
                right=candidate.name,
                left_layer=layers[0],
                right_layer=layers[1],
                value=value,
                low=interval.low,
                high=interval.high,
                n=n,
                null_mean=null.mean,
                null_sd=null.sd,
                p=self._d,
                q=self._d,
                left_kept=0,
                right_kept=0,
                signature=signature(
                    {
                        "metric": metric,
                        "est": similarity,
                        "k": self._plan.csls_k if similarity == "csls" else "",
                        "n": n,
                        "dim": f"{self._d}x{self._d}",
                        "pool": query.pooling
                        if query.pooling == candidate.pooling
                        else f"{query.pooling}/{candidate.pooling}",
                        "dtype": query.dtype if query.dtype == candidate.dtype else f"{query.dtype}/{candidate.dtype}",
                        "centre": "yes" if self._plan.centre else "no",
                        "ties": "worst",
                        "align": self._plan.alignment,
                        "null": null.name,
                        "ci": interval.name,
                    }
                ),
                warnings=warnings,
            )
            for metric, value, interval, null, warnings in found
        ]
