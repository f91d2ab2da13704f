"""Similarity against transfer: one point a pair of languages, and the correlation of the two by layer.

Muller et al. 2021, section 4.3, figure 3 and table 4; Hsu et al. 2019, figures 2 and 3.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from babelscope.data.statistics import Correlation
from babelscope.errors import StudyError
from babelscope.study.design import MeasureDesign, Study
from babelscope.study.nodes import Node
from babelscope.study.result import ModelUse, Row
from babelscope.study.sections.base import Asked, Cells, Found, Section, Services, ShowProgress, Task
from babelscope.study.sections.transfer_figures import Figures, Transfer, read_figures
from babelscope.study.values import get, layers, measure, need, one_or_more

METHODS: Final = ("pearson", "spearman", "kendall")
FEWEST: Final = 4  # an interval of a correlation needs n - 3 > 0


@dataclass(frozen=True, slots=True)
class TransferDesign:
    """What is asked.

    Attributes:
        name: What the figures of transfer are, for the axis.
        figures: Source of the transfer figures.
        cite: Their source in words; empty where not said.
        measures: Measures of similarity; those of the study where None.
        layers: Layers; all that were measured where None. Their mean is a point of its own.
        methods: Correlations.
        permutations: Number of random permutations of the tests.
        seed: Seed of the permutations.
    """

    name: str
    figures: Figures
    cite: str = ""
    measures: tuple[MeasureDesign, ...] | None = None
    layers: tuple[int, ...] | None = None
    methods: tuple[str, ...] = ("spearman", "pearson")
    permutations: int = 10_000
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Point:
    """A pair of languages: the similarity of the two, and transfer from `source` to `target`."""

    source: str
    target: str
    similarity: float
    transfer: float


@dataclass(frozen=True, slots=True)
class Coefficient:
    """One correlation with its 95 % interval and two-sided permutation p-value."""

    method: str
    value: float
    low: float
    high: float
    p_value: float
    n: int
    signature: str


@dataclass(frozen=True, slots=True)
class Correlated:
    """Similarity against transfer at one layer, or over the mean of layers.

    Attributes:
        name: What the figures of transfer are.
        cite: Their source in words.
        model: Name of the model used.
        metric: Measure of similarity.
        estimator: Variant of the measure.
        layer: The layer; None for the mean over all layers taken.
        points: One for each pair of languages.
        correlations: One for each method.
        slope: Slope of the least-squares line, transfer over similarity.
        intercept: Intercept of that line.
    """

    name: str
    cite: str
    model: str
    metric: str
    estimator: str
    layer: int | None
    points: tuple[Point, ...]
    correlations: tuple[Coefficient, ...]
    slope: float
    intercept: float


def read(node: Node, study: Study) -> tuple[TransferDesign, ...]:
    """The section of a study file: one set of figures, or a list of them."""
    designs = one_or_more(node, lambda item: _read(item, study))
    names = [design.name for design in designs]
    for name in names:
        if names.count(name) > 1:
            node.fail("a name of its own for each set of figures", name)
    return designs


def _read(node: Node, study: Study) -> TransferDesign:
    keys = node.mapping(
        "name", "table", "scores", "retrieval", "score", "cite", "measures", "layers", "methods", "permutations", "seed"
    )
    return TransferDesign(
        name=need(node, keys, "name").text(),
        figures=read_figures(node, keys, study),
        cite=get(keys, "cite", Node.text, ""),
        measures=get(keys, "measures", lambda item: item.unique(lambda one: _measured(one, study)), None),
        layers=get(keys, "layers", layers, None),
        methods=get(keys, "methods", lambda item: item.unique(lambda one: one.choice(*METHODS)), METHODS[1::-1]),
        permutations=get(keys, "permutations", lambda item: item.integer(1), 10_000),
        seed=get(keys, "seed", lambda item: item.integer(0), 0),
    )


def _measured(node: Node, study: Study) -> MeasureDesign:
    found = measure(node)
    known = {each.name for each in study.measures}
    if found.name not in known:
        node.fail(f"one of the study's `measures`: {', '.join(sorted(known))}")
    return found


def plan(designs: tuple[TransferDesign, ...], asked: Asked) -> list[Task]:
    """A task for every set of figures and model; its requests are many and small."""
    return [_task(design, use, asked) for design in designs for use in asked.models]


def _task(design: TransferDesign, use: ModelUse, asked: Asked) -> Task:
    asked.check_layers("transfer.layers", design.layers, use)

    def depends(found: Found) -> dict[str, Any]:
        return {
            "name": design.name, "cite": design.cite, "methods": design.methods, "seed": design.seed,
            "permutations": design.permutations,
            "samples": [
                [metric, estimator, layer, [asdict(each) for each in points]]
                for metric, estimator, layer, points in _samples(design, use, asked, found)
            ],
        }  # fmt: skip

    def ask(mesh: Services, found: Found, show: ShowProgress | None) -> Sequence[Correlated]:
        del show
        return correlated(design, use, asked, found, mesh)

    return Task(f"correlation of similarity with {design.name}, {use.used}", depends, ask)


def correlated(
    design: TransferDesign, use: ModelUse, asked: Asked, found: Found, mesh: Services
) -> Sequence[Correlated]:
    """Similarity that was found against transfer: a record a measure and layer, the mean over layers last.

    Raises:
        StudyError: There are too few pairs of languages with both, or all have the same figure.
    """
    records = []
    for metric, estimator, layer, points in _samples(design, use, asked, found):
        x, y = [each.similarity for each in points], [each.transfer for each in points]
        answer: dict[str, Correlation] = mesh.metrics.correlate(
            x, y, design.methods, permutations=design.permutations, seed=design.seed
        )
        slope, intercept = least_squares(x, y)
        coefficients = tuple(
            Coefficient(each.method, each.value, each.low, each.high, each.p_value, each.n, each.signature)
            for each in (answer[method] for method in design.methods)
        )
        records.append(
            Correlated(
                design.name, design.cite, use.used, metric, estimator, layer, points, coefficients, slope, intercept
            )
        )
    return records


def _samples(
    design: TransferDesign, use: ModelUse, asked: Asked, found: Found
) -> list[tuple[str, str, int | None, tuple[Point, ...]]]:
    """Points by measure and layer, the mean over layers last."""
    similar: dict[tuple[str, str], dict[int, dict[frozenset[str], float]]] = {}
    for row in found.rows:
        if row.kind == "similarity" and row.model == use.used and not row.reinit and _wanted(design, row):
            by_layer = similar.setdefault((row.metric, row.estimator), {})
            by_layer.setdefault(row.layer, {})[frozenset((row.source, row.target))] = row.value
    samples: list[tuple[str, str, int | None, tuple[Point, ...]]] = []
    for (metric, estimator), by_layer in similar.items():
        listed: list[tuple[Point, ...]] = []
        for layer in sorted(by_layer):
            figures = design.figures.find(found, use, asked.uses, layer)
            points = _points(by_layer[layer], figures)
            _check(design, use, points, figures)
            listed.append(points)
            samples.append((metric, estimator, layer, points))
        if len(listed) > 1 and not design.figures.by_layer:
            samples.append((metric, estimator, None, _mean(listed)))
    return samples


def _wanted(design: TransferDesign, row: Row) -> bool:
    if design.layers is not None and row.layer not in design.layers:
        return False
    return design.measures is None or any(
        each.name == row.metric and each.estimator in ("", row.estimator) for each in design.measures
    )


def _points(similar: dict[frozenset[str], float], figures: Sequence[Transfer]) -> tuple[Point, ...]:
    return tuple(
        Point(each.source, each.target, similar[pair], each.score)
        for each in figures
        if (pair := frozenset((each.source, each.target))) in similar
    )


def _check(design: TransferDesign, use: ModelUse, points: Sequence[Point], figures: Sequence[Transfer]) -> None:
    where = f"`transfer` {design.name!r} of model {use.used}"
    if len(points) < FEWEST:
        raise StudyError(
            f"Expected {where} to have at least {FEWEST} pairs of languages whose similarity was measured, but got "
            f"{len(points)} of {len(figures)} figures: see `pairs` and `sources`"
        )
    if len({each.transfer for each in points}) == 1:
        raise StudyError(f"Expected {where} to differ between pairs of languages, but all are {points[0].transfer}")


def _mean(listed: Sequence[tuple[Point, ...]]) -> tuple[Point, ...]:
    """Points at the mean over layers, of the pairs that every layer has."""
    by_pair = [{(each.source, each.target): each for each in points} for points in listed]
    means = []
    for pair, first in by_pair[0].items():
        if all(pair in each for each in by_pair):
            similarity = sum(each[pair].similarity for each in by_pair) / len(by_pair)
            means.append(Point(first.source, first.target, similarity, first.transfer))
    return tuple(means)


def least_squares(x: Sequence[float], y: Sequence[float]) -> tuple[float, float]:
    """Slope and intercept of the line of least squares; slope 0 where x does not vary."""
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    spread = sum((each - mean_x) ** 2 for each in x)
    shared = sum((one - mean_x) * (two - mean_y) for one, two in zip(x, y, strict=True))
    slope = shared / spread if spread else 0.0
    return slope, mean_y - slope * mean_x


def cells(correlated: Correlated) -> Iterable[Cells]:
    """A line a coefficient; its layer is `mean` for the mean over layers."""
    measured = f"{correlated.metric}/{correlated.estimator}".strip("/")
    for each in correlated.correlations:
        yield {
            "kind": "transfer", "metric": each.method, "estimator": f"{measured} with {correlated.name}",
            "model": correlated.model, "layer": "mean" if correlated.layer is None else correlated.layer,
            "value": each.value, "low": each.low, "high": each.high, "n": each.n, "signature": each.signature,
            "p_value": each.p_value,
        }  # fmt: skip


SECTION = Section("transfer", Correlated, read, plan, cells)
