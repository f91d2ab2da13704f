"""Does similarity go with transfer? Correlation of the cross-lingual gap with similarity, by layer and over their mean.

Muller et al. 2021, section 4.3, table 4 and figure 3: similarity in the pretrained and in the fine-tuned model, gaps of
the model as it is, one point a target language.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal, cast

from babelscope.data.statistics import Correlation
from babelscope.errors import StudyError
from babelscope.study.design import Study
from babelscope.study.nodes import Node
from babelscope.study.result import ModelUse
from babelscope.study.sections.base import Asked, Cells, Found, Section, Services, ShowProgress, Task
from babelscope.study.sections.fine_tuned import SECTION as FINE_TUNED
from babelscope.study.sections.fine_tuned import fine_tuning_of
from babelscope.study.sections.fine_tuning import SECTION as FINE_TUNING
from babelscope.study.sections.fine_tuning import main_figures
from babelscope.study.values import get

Stage = Literal["pretrained", "fine-tuned"]
METHODS: Final = ("spearman", "pearson", "kendall")
FEWEST: Final = 4  # an interval of a correlation needs n - 3 > 0


@dataclass(frozen=True, slots=True)
class GapDesign:
    """What is asked.

    Attributes:
        method: Correlation.
        permutations: Number of random permutations of the tests.
        seed: Seed of the permutations.
    """

    method: str = "spearman"
    permutations: int = 10_000
    seed: int = 0


@dataclass(frozen=True, slots=True)
class GapPoint:
    """A target language: its similarity to the source, and its gap."""

    target: str
    similarity: float
    gap: float


@dataclass(frozen=True, slots=True)
class GapCorrelation:
    """Correlation of similarity with the cross-lingual gap at one layer, or over the mean of layers.

    Attributes:
        model: Name of the model that was fine-tuned.
        task: Name of the task.
        source: Language of the training set.
        stage: Model in which similarity was measured: `pretrained` or `fine-tuned`.
        metric: Measure of similarity.
        estimator: Variant of the measure.
        layer: The layer; None for the mean over all.
        points: One a target language.
        method: Correlation.
        value: Its value; negative where more similar languages have a smaller gap.
        low: Lower end of its 95 % interval.
        high: Upper end.
        p_value: Two-sided permutation p-value.
        signature: All settings behind the numbers, in one line.
    """

    model: str
    task: str
    source: str
    stage: str
    metric: str
    estimator: str
    layer: int | None
    points: tuple[GapPoint, ...]
    method: str
    value: float
    low: float
    high: float
    p_value: float
    signature: str


def read(node: Node, study: Study) -> GapDesign:
    """The section of a study file; a mapping, which may be empty."""
    del study
    if node.value in (None, True):
        return GapDesign()
    keys = node.mapping("method", "permutations", "seed")
    return GapDesign(
        method=get(keys, "method", lambda item: item.choice(*METHODS), "spearman"),
        permutations=get(keys, "permutations", lambda item: item.integer(1), 10_000),
        seed=get(keys, "seed", lambda item: item.integer(0), 0),
    )


def plan(design: GapDesign, asked: Asked) -> list[Task]:
    """A task for every model, task and source with enough target languages; its requests are many and small.

    Raises:
        StudyError: No task has enough.
    """
    grid = fine_tuning_of(asked, SECTION.key)
    languages = asked.study.languages
    most = 0
    tasks = []
    for each in grid.tasks:
        for source in each.sources:
            targets = len([place for place in each.test if place in languages and place != source])
            most = max(most, targets if source in languages else 0)
            if source in languages and source in each.test and targets >= FEWEST:
                tasks += [_task(design, use, each.task, source) for use in asked.models]
    if not tasks:
        raise StudyError(
            f"Expected `gap` of a task with a test set of its source and of at least {FEWEST} other languages that the "
            f"study has texts in, but got at most {most}"
        )
    return tasks


def _task(design: GapDesign, use: ModelUse, task: str, source: str) -> Task:
    def depends(found: Found) -> dict[str, Any]:
        samples = _samples(use, task, source, found).items()
        return {
            "method": design.method,
            "permutations": design.permutations,
            "seed": design.seed,
            "samples": [[*key, [asdict(point) for point in points]] for key, points in samples],
        }

    def ask(mesh: Services, found: Found, show: ShowProgress | None) -> Sequence[GapCorrelation]:
        del show
        records = []
        for (stage, metric, estimator, layer), points in _samples(use, task, source, found).items():
            if len(points) < FEWEST or len({point.gap for point in points}) == 1:
                continue  # no correlation is defined, and the rest of the study is worth having
            x, y = [point.similarity for point in points], [point.gap for point in points]
            answer: dict[str, Correlation] = mesh.metrics.correlate(
                x, y, [design.method], permutations=design.permutations, seed=design.seed
            )
            one = answer[design.method]
            records.append(
                GapCorrelation(
                    use.used, task, source, stage, metric, estimator, layer, points, design.method, one.value, one.low,
                    one.high, one.p_value, one.signature,
                )
            )  # fmt: skip
        return records

    return Task(f"correlation of similarity with the gap of {task} from {source}, {use.used}", depends, ask)


_Key = tuple[Stage, str, str, int | None]


def _samples(use: ModelUse, task: str, source: str, found: Found) -> dict[_Key, tuple[GapPoint, ...]]:
    """Points by stage, measure and layer, the mean over layers last of each measure."""
    records = main_figures(
        found.records[FINE_TUNING.key], model=use.used, task=task, source=source, reinit="", domain=""
    )
    gaps = {each.figure.target: each.figure.gap for each in records if each.figure.gap is not None}
    similar: dict[tuple[Stage, str, str], dict[int, dict[str, float]]] = {}
    for row in found.rows:
        if row.kind == "similarity" and row.model == use.used and not row.reinit and source in (row.source, row.target):
            target = row.target if row.source == source else row.source
            by_layer = similar.setdefault(("pretrained", row.metric, row.estimator), {})
            by_layer.setdefault(row.layer, {})[target] = row.value
    for curve in found.records.get(FINE_TUNED.key, ()):
        if (curve.model, curve.task, curve.source, curve.reinit) == (use.used, task, source, ""):
            by_layer = similar.setdefault(("fine-tuned", curve.metric, curve.estimator), {})
            for layer, value in zip(curve.layers, curve.values, strict=True):
                by_layer.setdefault(layer, {})[curve.target] = value
    samples: dict[_Key, tuple[GapPoint, ...]] = {}
    for key, by_layer in similar.items():
        for layer in sorted(by_layer):
            samples[cast(_Key, (*key, layer))] = _points(by_layer[layer], gaps)
        if len(by_layer) > 1:
            samples[cast(_Key, (*key, None))] = _points(_mean(list(by_layer.values())), gaps)
    return samples


def _points(similar: dict[str, float], gaps: dict[str, float]) -> tuple[GapPoint, ...]:
    return tuple(GapPoint(target, similar[target], gap) for target, gap in gaps.items() if target in similar)


def _mean(layers: Sequence[dict[str, float]]) -> dict[str, float]:
    shared = [target for target in layers[0] if all(target in each for each in layers)]
    return {target: sum(each[target] for each in layers) / len(layers) for target in shared}


def cells(each: GapCorrelation) -> Iterable[Cells]:
    """A line a coefficient; its layer is `mean` for the mean over layers."""
    measured = f"{each.metric}/{each.estimator}".strip("/")
    yield {
        "kind": "gap", "metric": each.method, "estimator": f"{measured} with the gap of {each.task}, {each.stage}",
        "model": each.model, "source": each.source, "layer": "mean" if each.layer is None else each.layer,
        "value": each.value, "low": each.low, "high": each.high, "n": len(each.points), "signature": each.signature,
        "p_value": each.p_value,
    }  # fmt: skip


SECTION = Section("gap", GapCorrelation, read, plan, cells)
