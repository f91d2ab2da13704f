"""Similarity of all pairs of views: from tables of rows to estimates. No servers here; run it in a thread."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from services.metrics.errors import Degenerate
from services.metrics.estimates.estimates import Aligned, Check, Estimate, Event, Found, Progress
from services.metrics.estimates.signature import signature
from services.metrics.rows.alignment import AlignedGroup, align
from services.metrics.rows.plans import ViewPlan, edits_of, layer_pairs
from services.metrics.rows.tables import CHUNK_ROWS, RowTable, part_of, treat
from services.metrics.rows.treatments import NO_PREPROCESSING, Treatment
from services.metrics.similarity import MEASURES, Options
from services.metrics.similarity.measure import KeptVariance, SubSample
from services.metrics.similarity.plan import ComparePlan
from services.metrics.sums.accumulate import Accumulator, Edge, Needs, nothing, state_bytes
from services.metrics.sums.pair_statistics import PairStatistics
from services.metrics.sums.views import prefers_rows
from services.runtime.errors import InvalidArgument, LimitExceeded

Node = tuple[int, int]
"""View and layer."""

Keep = Callable[[Sequence[Node], Accumulator], None]
"""Takes the sums of some nodes."""

_FULL_VARIANCE = 0.999
"""Share of the variance above which the smallest directions count and products must be in float64."""


def needs_of(measures: Iterable[Options]) -> Needs:
    """What measures need to have kept."""
    measures = list(measures)
    kinds = [MEASURES[options.name] for options in measures]
    settings = [options.settings for options in measures]
    return Needs(
        moments=any(kind.needs_moments for kind in kinds),
        cosines=any(kind.needs_cosines for kind in kinds),
        samples=tuple(dict.fromkeys((each.sample, each.seed) for each in settings if isinstance(each, SubSample))),
        exact=any(kind.needs_exact for kind in kinds)
        or any(isinstance(each, KeptVariance) and each.variance > _FULL_VARIANCE for each in settings),
    )


def kept_needs(plan: ComparePlan) -> Needs:
    """What is kept of a shard, so that others can be joined to it."""
    # Any measure that needs moments may be asked for later.
    return replace(needs_of(plan.measures), moments=True, squares=bool(plan.preprocessing))


def compare(
    plan: ComparePlan, tables: Sequence[RowTable], *, budget: int, check: Check = nothing, keep: Keep | None = None
) -> Iterator[Event]:
    """Measures all pairs.

    Args:
        plan: Views, pairs and measures of the request.
        tables: One for each view of the plan.
        budget: Bytes of memory for rows, Gram matrices and moments at a time.
        check: Called between products; raises to stop the work.
        keep: Takes the sums of each pair and left layer, to be merged with those of other shards.

    Yields:
        Progress and estimates, last what the pairs used.

    Raises:
        InvalidArgument: Ids or layers that do not fit, or data of which a measure is not defined.
    """
    views = [replace(view, layers=table.layers) for view, table in zip(plan.views, tables, strict=True)]
    wanted = {(a, b): layer_pairs(views[a], views[b], plan.pairing) for a, b in plan.pairs}
    groups, reports = align([view.name for view in views], [table.ids for table in tables], plan.pairs, plan.alignment)
    total = sum(map(len, wanted.values()))
    done = 0
    yield Progress("measure", 0, total, "")
    for group in groups:
        for edges in _parts(group, wanted) if keep else _rounds(group, wanted):
            # What is kept must not depend on the rows: shards differ in them.
            for batch in [edges] if keep else _batches(edges, len(group.ids), tables, budget):
                work = _statistics(plan, tables, group, batch, budget=budget, check=check, keep=keep)
                for (left, right), pair in work:
                    found = measure(plan, views[left[0]], views[right[0]], (left[1], right[1]), pair)
                    done += 1
                    yield Found(found)
                    yield Progress("measure", done, total, f"{views[left[0]].name} ~ {views[right[0]].name}")
    yield Aligned(tuple(reports))


def measure(
    plan: ComparePlan, left: ViewPlan, right: ViewPlan, layers: tuple[int, int], pair: PairStatistics
) -> tuple[Estimate, ...]:
    """All measures of one pair at one pair of layers.

    Raises:
        InvalidArgument: A measure is not defined for the data; names views, layers and cause.
    """
    found = []
    for options in plan.measures:
        try:
            measured = MEASURES[options.name].compute(pair, options)
            common: dict[str, str | int | float] = {
                "metric": options.name,
                "est": options.estimator,
                "n": measured.rows or pair.n,
                "dim": f"{pair.p}x{pair.q}",
                "pool": _both(left.pooling, right.pooling),
                "dtype": _both(left.dtype, right.dtype),
                "edits": edits_of((left, right)),
                **measured.settings,
                "std": "yes" if plan.preprocessing.standardise else "no",
                "drop": plan.preprocessing.drop_top_variance,
                "align": plan.alignment,
                "null": measured.null.name,
                "ci": measured.interval.name,
            }
            found.append(
                Estimate(
                    metric=options.name,
                    estimator=options.estimator,
                    left=left.name,
                    right=right.name,
                    left_layer=layers[0],
                    right_layer=layers[1],
                    value=measured.value,
                    low=measured.interval.low,
                    high=measured.interval.high,
                    n=measured.rows or pair.n,
                    null_mean=measured.null.mean,
                    null_sd=measured.null.sd,
                    p=pair.p,
                    q=pair.q,
                    left_kept=measured.left_kept,
                    right_kept=measured.right_kept,
                    signature=signature(common),
                    warnings=measured.warnings,
                )
            )
        except Degenerate as error:
            raise InvalidArgument(
                "spec.measures",
                f"{error.cause}; {options.name} ({options.estimator}) of views {left.name!r} and {right.name!r} at "
                f"layers {layers[0]} and {layers[1]}, n={pair.n}",
            ) from error
    return tuple(found)


def _both(left: str, right: str) -> str:
    return left if left == right else f"{left}/{right}"


def _rounds(
    group: AlignedGroup, wanted: dict[tuple[int, int], list[tuple[int, int]]]
) -> Iterator[list[tuple[Node, Node]]]:
    """Edges that share nodes, so that a node's part is computed once: a layer of all pairs, then the next."""
    by_layer: dict[int, list[tuple[Node, Node]]] = {}
    for a, b in group.pairs:
        for i, j in wanted[a, b]:
            by_layer.setdefault(i, []).append(((a, i), (b, j)))
    if any(i != j for edges in by_layer.values() for (_, i), (_, j) in edges):
        yield [edge for edges in by_layer.values() for edge in edges]
    else:
        yield from by_layer.values()


def _parts(
    group: AlignedGroup, wanted: dict[tuple[int, int], list[tuple[int, int]]]
) -> Iterator[list[tuple[Node, Node]]]:
    """Edges in portions that depend on the request only: one pair of views and one left layer."""
    for a, b in group.pairs:
        by_layer: dict[int, list[tuple[Node, Node]]] = {}
        for i, j in wanted[a, b]:
            by_layer.setdefault(i, []).append(((a, i), (b, j)))
        yield from by_layer.values()


def _batches(
    edges: Sequence[tuple[Node, Node]], n: int, tables: Sequence[RowTable], budget: int
) -> Iterator[list[tuple[Node, Node]]]:
    """Edges in portions whose statistics fit the budget, at least one at a time."""
    batch: list[tuple[Node, Node]] = []
    nodes: set[Node] = set()
    size = 0
    for left, right in edges:
        p, q = tables[left[0]].d, tables[right[0]].d
        # Either moments, or rows with Gram matrices where those are smaller.
        extra = sum(8 * min(d * d, n * (n + d)) for node, d in ((left, p), (right, q)) if node not in nodes) + (
            8 * p * q if n > max(p, q) else 0
        )
        if batch and size + extra > budget:
            yield batch
            batch, nodes, size = [], set(), 0
        batch.append((left, right))
        nodes.update((left, right))
        size += extra
    if batch:
        yield batch


def _statistics(
    plan: ComparePlan,
    tables: Sequence[RowTable],
    group: AlignedGroup,
    edges: Sequence[tuple[Node, Node]],
    *,
    budget: int,
    check: Check,
    keep: Keep | None,
) -> Iterator[tuple[tuple[Node, Node], PairStatistics]]:
    """The statistics of some edges over the items of a group, in one pass over their rows."""
    nodes = list(dict.fromkeys(node for edge in edges for node in edge))
    n = len(group.ids)
    treatments: list[Treatment | None] = [None] * len(nodes)
    if plan.preprocessing and not keep:
        for index, (view, layer) in enumerate(nodes):
            check()
            treatments[index] = treat(tables[view], layer, group.rows[view], n, plan.preprocessing)
    widths = [
        tables[view].d if treatment is None else len(treatment.kept)
        for (view, _), treatment in zip(nodes, treatments, strict=True)
    ]
    numbers = {node: index for index, node in enumerate(nodes)}
    numbered: list[Edge] = [(numbers[left], numbers[right]) for left, right in edges]
    held = prefers_rows(n, max(widths), len(nodes), len(edges), budget)
    try:
        needs = needs_of(plan.measures)
        if keep:
            needs, held = kept_needs(plan), False
            _check_size(widths, numbered, budget, squares=needs.squares)
        accumulator = Accumulator(widths, numbered, needs, hold=n if held else None, check=check)
        for start in range(0, n, CHUNK_ROWS):
            check()
            stop = min(start + CHUNK_ROWS, n)
            rows: list[Any] = []
            for (view, layer), treatment in zip(nodes, treatments, strict=True):
                block = tables[view].read(layer, part_of(group.rows[view], start, stop))
                rows.append(block if treatment is None else treatment.apply(block))
            accumulator.add(group.ids[start:stop], rows)
        if keep:
            keep(nodes, accumulator)
        for (left, right), pair in accumulator.finish(plan.preprocessing if keep else NO_PREPROCESSING):
            yield (nodes[left], nodes[right]), pair
    except Degenerate as error:
        names = ", ".join(dict.fromkeys(f"{plan.views[view].name!r} at layer {layer}" for view, layer in nodes))
        raise InvalidArgument("spec.measures", f"{error.cause}; among views {names}, n={n}") from error


def _check_size(widths: Sequence[int], edges: Sequence[Edge], budget: int, *, squares: bool) -> None:
    """Refuses sums that are too large to be kept: portions would differ from shard to shard."""
    size = state_bytes(widths, edges, squares=squares)
    if size > budget:
        raise LimitExceeded(
            "work_bytes",
            f"Expected sums to keep of at most {budget} bytes, but {len(edges)} pairs of layers with d={max(widths)} "
            f"need {size}; ask for fewer layers, or for the same layer on both sides",
        )
