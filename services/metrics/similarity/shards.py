"""Shards of one corpus: each leaves its sums in the store, and any of them are merged to the numbers of the whole.

A state is an index in JSON (views, pairs, what was used) that names one object of sums a pair and left layer. Sums of
shards add up, so the order and the grouping of merges change nothing but rounding.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from services.metrics.errors import Degenerate
from services.metrics.estimates.estimates import Check, Event, Found
from services.metrics.rows.plans import Alignment, ViewPlan
from services.metrics.rows.reports import PairReport, ViewReport
from services.metrics.rows.treatments import NO_PREPROCESSING, Preprocessing
from services.metrics.similarity import Options, states
from services.metrics.similarity.compare import Node, measure, needs_of
from services.metrics.similarity.plan import ComparePlan
from services.metrics.sums.accumulate import Accumulator, Edge, Needs
from services.metrics.sums.pair_statistics import PairStatistics
from services.runtime.errors import DataLoss, InvalidArgument
from services.runtime.files.store import Store

KIND: Final = "moments"
_EXAMPLES: Final = 10


@dataclass(frozen=True)
class State:
    """What a state says of itself.

    Args:
        views: Views with their layers.
        pairs: Indices of views.
        alignment: What was done with ids that one side lacks.
        needs: What its sums keep.
        parts: Parts of the sums: nodes, widths and the name of the object in the store.
        reports: One a view.
        used: One a pair.
    """

    views: tuple[ViewPlan, ...]
    pairs: tuple[tuple[int, int], ...]
    alignment: Alignment
    needs: Needs
    parts: tuple[tuple[tuple[Node, ...], tuple[int, ...], tuple[tuple[int, int], ...], str], ...]
    reports: tuple[ViewReport, ...]
    used: tuple[PairReport, ...]

    @property
    def shape(self) -> tuple[Any, ...]:
        """What states have in common that can be merged."""
        parts = tuple((nodes, widths, edges) for nodes, widths, edges, _ in self.parts)
        return self.views, self.pairs, self.alignment, self.needs, sorted(parts)


class Keeper:
    """Puts the sums of a comparison in the store, part by part.

    Args:
        store: Store that receives the sums.
        needs: What the sums keep.
    """

    def __init__(self, store: Store, needs: Needs) -> None:
        self._store = store
        self.needs = needs
        self._parts: list[Any] = []

    def keep(self, nodes: Sequence[Node], accumulator: Accumulator) -> None:
        """Stores one part."""
        name = self._store.put(KIND, states.dump(accumulator), suffix=".safetensors")
        self._parts.append((tuple(nodes), accumulator.widths, accumulator.edges, name))

    def finish(
        self,
        plan: ComparePlan,
        reports: Sequence[ViewReport],
        used: Sequence[PairReport],
    ) -> str:
        """Stores the index; the name of the state."""
        state = State(
            plan.views, plan.pairs, plan.alignment, self.needs, tuple(self._parts), tuple(reports), tuple(used)
        )
        index = {"format": states.FORMAT, **asdict(state)}
        return self._store.put(KIND, json.dumps(index, ensure_ascii=False).encode(), suffix=".json")


def read_state(store: Store, name: str, field: str) -> State:
    """The index of a state.

    Raises:
        InvalidArgument: The name is not that of a state.
        NotFound: There is none of the name.
        DataLoss: It is damaged, or of another format.
    """
    if not (name.startswith(f"{KIND}/") and name.endswith(".json")):
        raise InvalidArgument(field, f"Expected the name of a state, {KIND}/ID.json, but got {name[:100]!r}")
    try:
        index = json.loads(store.get(name))
        if index["format"] != states.FORMAT:
            raise DataLoss(f"Expected a state of format {states.FORMAT}, but {name} has {index['format']}")
        needs = index["needs"]
        return State(
            tuple(ViewPlan(**{**view, "layers": tuple(view["layers"])}) for view in index["views"]),
            tuple((left, right) for left, right in index["pairs"]),
            index["alignment"],
            Needs(**{**needs, "samples": tuple((size, seed) for size, seed in needs["samples"])}),
            tuple(
                (tuple((a, b) for a, b in nodes), tuple(widths), tuple((a, b) for a, b in edges), part)
                for nodes, widths, edges, part in index["parts"]
            ),
            tuple(ViewReport(**report) for report in index["reports"]),
            tuple(PairReport(**{**pair, "examples": tuple(pair["examples"])}) for pair in index["used"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise DataLoss(f"Expected the index of a state in {name}, but got {error!r}") from error


@dataclass(frozen=True)
class Merged:
    """The end of a merge.

    Args:
        views: One a view, over all shards.
        pairs: One a pair, over all shards.
        state: Name of the merged sums; empty where they were not kept.
    """

    views: tuple[ViewReport, ...]
    pairs: tuple[PairReport, ...]
    state: str


def merge(
    store: Store,
    names: Sequence[str],
    measures: Sequence[Options],
    preprocessing: Preprocessing = NO_PREPROCESSING,
    *,
    keep: bool,
    check: Check,
) -> Iterator[Event | Merged]:
    """Merges states and measures the whole, one part in memory at a time.

    Args:
        store: Store that holds the states.
        names: Names of the states, at least one, none twice.
        measures: Measures to compute.
        preprocessing: What is done to the rows of the whole first.
        keep: Whether the merged sums stay in the store.
        check: Called between parts; raises to stop the work.

    Yields:
        Estimates, last what was used.

    Raises:
        InvalidArgument: States that do not belong together, or a measure whose sums they do not keep.
    """
    found: list[State] = []
    for index, name in enumerate(names):
        check()
        state = read_state(store, name, f"states[{index}]")
        found.append(state)
        first = found[0]
        if state.shape != first.shape:
            raise InvalidArgument(
                f"states[{index}]",
                "Expected states with the same views, layers, pairs and measures, but got "
                f"{_told(state)} and, in {names[0]}, {_told(first)}",
            )
    _check_needs(measures, preprocessing, first.needs)
    reports = tuple(_joined([state.reports[view] for state in found]) for view in range(len(first.views)))
    used = tuple(_added([state.used[pair] for state in found]) for pair in range(len(first.pairs)))
    plan = ComparePlan(first.views, first.pairs, "all", first.alignment, tuple(measures), preprocessing)
    keeper = Keeper(store, first.needs) if keep else None
    places = [{(nodes, edges): name for nodes, _, edges, name in state.parts} for state in found]
    for nodes, widths, edges, _ in first.parts:
        whole: Accumulator | None = None
        for place in places:
            check()
            shard = states.load(store.get(place[nodes, edges]), widths, edges, first.needs)
            if whole is None:
                whole = shard
            else:
                whole.merge(shard)
        assert whole is not None
        if keeper is not None:
            keeper.keep(nodes, whole)
        if measures:
            for (left, right), pair in _finished(whole, plan, nodes):
                (a, i), (b, j) = nodes[left], nodes[right]
                yield Found(measure(plan, first.views[a], first.views[b], (i, j), pair))
    yield Merged(reports, used, keeper.finish(plan, reports, used) if keeper else "")


def _finished(whole: Accumulator, plan: ComparePlan, nodes: Sequence[Node]) -> Iterator[tuple[Edge, PairStatistics]]:
    """The statistics of a part; what is not defined is refused with the names of its views."""
    try:
        yield from whole.finish(plan.preprocessing)
    except Degenerate as error:
        names = ", ".join(f"{plan.views[view].name!r} at layer {layer}" for view, layer in nodes)
        raise InvalidArgument("measures", f"{error.cause}; among views {names}, n={whole.n}") from error


def _told(state: State) -> str:
    views = ", ".join(f"{view.name!r} with layers {list(view.layers)}" for view in state.views[:4])
    return f"{views} in {len(state.pairs)} pairs"


def _check_needs(measures: Sequence[Options], preprocessing: Preprocessing, kept: Needs) -> None:
    """Refuses measures and preprocessing whose sums are not there."""
    if preprocessing and not kept.squares:
        raise InvalidArgument(
            "preprocessing",
            "Expected states that keep the squares by which rows are preprocessed after they were summed, but these do "
            "not: name some preprocessing when the shards are compared with keep_state",
        )
    for index, options in enumerate(measures):
        wanted = needs_of([options])
        lacking = (
            (wanted.cosines and not kept.cosines)
            or (wanted.exact and not kept.exact and not kept.squares)
            or not set(wanted.samples) <= set(kept.samples)
        )
        if lacking:
            raise InvalidArgument(
                f"measures[{index}]",
                f"Expected a measure whose sums the states keep, but got {options.name}: name it, with the same "
                "options, among the measures of Compare",
            )


def _joined(reports: Sequence[ViewReport]) -> ViewReport:
    """One view over all shards."""
    models = {report.model_digest for report in reports}
    if len(models) > 1:
        raise InvalidArgument(
            "states",
            f"Expected view {reports[0].name!r} to come through one model, but got {len(models)} model digests",
        )
    # Sorted: the order of merging leaves no trace.
    digests = sorted(report.data_digest for report in reports)
    digest = digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()
    return replace(
        reports[0],
        rows=sum(report.rows for report in reports),
        truncated=sum(report.truncated for report in reports),
        tokens=sum(report.tokens for report in reports),
        data_digest=digest,
    )


def _added(pairs: Sequence[PairReport]) -> PairReport:
    """One pair over all shards."""
    examples = [one for pair in pairs for one in pair.examples]
    return replace(
        pairs[0],
        n=sum(pair.n for pair in pairs),
        left_only=sum(pair.left_only for pair in pairs),
        right_only=sum(pair.right_only for pair in pairs),
        examples=tuple(examples[:_EXAMPLES]),
    )
