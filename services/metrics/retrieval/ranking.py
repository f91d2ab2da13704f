"""Retrieval between all pairs of views: from tables of rows to estimates. No servers here; run it in a thread."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from services.metrics.errors import Degenerate
from services.metrics.estimates.estimates import Aligned, Check, Estimate, Event, Found, Progress
from services.metrics.retrieval import Gold, locate, retrieve
from services.metrics.retrieval.index import Approximate, retrieve_by_index
from services.metrics.retrieval.plan import RetrievePlan
from services.metrics.retrieval.rank_estimates import Direction
from services.metrics.rows.alignment import align, quoted
from services.metrics.rows.plans import ViewPlan, layer_pairs
from services.metrics.rows.reports import PairReport
from services.metrics.rows.tables import RowTable, part_of
from services.metrics.sums.accumulate import nothing
from services.runtime.errors import InvalidArgument

IdPairs = Sequence[tuple[str, str]]
"""(source, target) ids of right answers."""


@dataclass(frozen=True, eq=False)
class _Job:
    """A pair of views.

    Args:
        left: Index of the left view.
        right: Index of the right view.
        left_rows: Its rows; None for all in order.
        right_rows: Rows of the right view.
        gold: Right answers; None where row i of one belongs to row i of the other.
        warnings: Warnings.
    """

    left: int
    right: int
    left_rows: NDArray[np.intp] | None
    right_rows: NDArray[np.intp] | None
    gold: Gold | None = None
    warnings: tuple[str, ...] = ()


def rank(
    plan: RetrievePlan, tables: Sequence[RowTable], gold: IdPairs = (), *, device: str = "auto", check: Check = nothing
) -> Iterator[Event]:
    """Retrieves between all pairs, both directions.

    Args:
        plan: The request.
        tables: One for each view of the plan.
        gold: Right answers, where the plan says that they come.
        device: Device of the matrix products: `auto`, `cpu` or `cuda:0`.
        check: Called between tiles; raises to stop the work.

    Yields:
        Progress and estimates, last what the pairs used.

    Raises:
        InvalidArgument: Ids or layers that do not fit, or data of which a rank is not defined.
        FailedPrecondition: An index is asked for whose package is not installed.
    """
    views = [replace(view, layers=table.layers) for view, table in zip(plan.views, tables, strict=True)]
    wanted = {(a, b): layer_pairs(views[a], views[b], plan.pairing) for a, b in plan.pairs}
    jobs, reports = _jobs(plan, tables, gold)
    total = sum(map(len, wanted.values()))
    done = 0
    yield Progress("measure", 0, total, "")
    for job in jobs:
        left_view, right_view = views[job.left], views[job.right]
        for i, j in wanted[job.left, job.right]:
            check()
            left = _rows(tables[job.left], i, job.left_rows)
            right = _rows(tables[job.right], j, job.right_rows)
            try:
                found = _retrieve(plan, left, right, job.gold, device=device, check=check)
            except Degenerate as error:
                raise InvalidArgument(
                    "spec.similarities",
                    f"{error.cause}; retrieval between views {left_view.name!r} and {right_view.name!r} at layers "
                    f"{i} and {j}",
                ) from error
            done += 1
            shapes = left.shape, right.shape
            numbers = _estimates(plan, (left_view, right_view), (i, j), shapes=shapes, job=job, found=found)
            yield Found(tuple(numbers))
            yield Progress("measure", done, total, f"{left_view.name} ~ {right_view.name}")
    yield Aligned(tuple(reports))


def matched(plan: RetrievePlan, ids: Sequence[Sequence[str]], gold: IdPairs) -> tuple[Gold, PairReport]:
    """Gold pairs as rows of the only pair of views, and how many sources they cover.

    Args:
        plan: The request, with one pair of views.
        ids: Ids of the rows of both views.
        gold: Right answers.

    Raises:
        InvalidArgument: None of them has both its ids.
    """
    ((a, b),) = plan.pairs
    left, right = ({one: row for row, one in enumerate(ids[view])} for view in (a, b))
    located, coverage = locate(gold, left, right)
    names = plan.views[a].name, plan.views[b].name
    if not coverage.covered:
        raise InvalidArgument(
            "gold.pairs",
            f"Expected gold pairs of ids that views {names[0]!r} and {names[1]!r} hold, but of {coverage.sources} "
            f"sources none is in the first with a target in the second: {names[0]!r} has {quoted(ids[a])}, "
            f"{names[1]!r} has {quoted(ids[b])}, the gold pairs have {quoted(coverage.missing)}",
        )
    return located, PairReport(
        *names,
        coverage.covered,
        examples=coverage.missing,
        gold_sources=coverage.sources,
        covered_sources=coverage.covered,
    )


def _jobs(plan: RetrievePlan, tables: Sequence[RowTable], gold: IdPairs) -> tuple[list[_Job], list[PairReport]]:
    """What to retrieve, and the report of each pair."""
    ids = [table.ids for table in tables]
    if plan.gold:
        located, report = matched(plan, ids, gold)
        lacking = report.gold_sources - report.covered_sources
        told = f"{lacking} of {report.gold_sources} sources of the gold pairs have no answer among the rows"
        ((a, b),) = plan.pairs
        return [_Job(a, b, None, None, located, (told,) if lacking else ())], [report]
    groups, reports = align([view.name for view in plan.views], ids, plan.pairs, plan.alignment)
    jobs = [_Job(a, b, group.rows[a], group.rows[b]) for group in groups for a, b in group.pairs]
    return jobs, reports


def _rows(table: RowTable, layer: int, rows: NDArray[np.intp] | None) -> NDArray[np.floating]:
    """[n, d]: rows of one layer."""
    return table.read(layer, part_of(rows, 0, len(table.ids) if rows is None else len(rows)))


def _retrieve(
    plan: RetrievePlan,
    left: NDArray[np.floating],
    right: NDArray[np.floating],
    gold: Gold | None,
    *,
    device: str,
    check: Check,
) -> Approximate:
    """Ranks, exact or by an index."""
    if plan.index == "exact":
        ranks = retrieve(
            left,
            right,
            plan.similarities,
            gold=gold,
            csls_k=plan.csls_k,
            centre=plan.centre,
            device=device,
            check=check,
        )
        return Approximate(ranks)
    return retrieve_by_index(
        left,
        right,
        plan.similarities,
        kind=plan.index,
        gold=gold,
        csls_k=plan.csls_k,
        ranks=plan.ranks,
        centre=plan.centre,
        check=check,
    )


def _estimates(
    plan: RetrievePlan,
    views: tuple[ViewPlan, ViewPlan],
    layers: tuple[int, int],
    *,
    shapes: tuple[tuple[int, ...], tuple[int, ...]],
    job: _Job,
    found: Approximate,
) -> Iterator[Estimate]:
    """Both directions, similarity by similarity."""
    answers = (None, None) if job.gold is None else (job.gold.answers(forward=True), job.gold.answers(forward=False))
    forward = Direction(plan, *views, layers, shapes[0][1], shapes[1][0], answers[0], job.warnings)
    backward = Direction(plan, *views[::-1], layers[::-1], shapes[1][1], shapes[0][0], answers[1], job.warnings)
    for similarity, ranks in found.ranks.items():
        yield from forward.estimates(similarity, ranks.forward)
        yield from backward.estimates(similarity, ranks.backward)
    for direction, recall in ((forward, found.forward), (backward, found.backward)):
        if recall is not None:
            yield direction.recall(recall)
