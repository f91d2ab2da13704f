"""Similarity of languages by layer in fine-tuned models, with and without layers drawn anew.

Muller et al. 2021, sections 4.2 and 4.3, figures 1, 2 and 4 to 8. The models are the checkpoints of `fine_tuning`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from babelscope.calls.sweeps import AS_IT_IS
from babelscope.calls.views import View
from babelscope.data.comparison import Comparison, Estimate
from babelscope.data.models import Model
from babelscope.errors import StudyError
from babelscope.study.design import MeasureDesign, Study
from babelscope.study.jobs.grids import SweepGrid
from babelscope.study.nodes import Node
from babelscope.study.offers import Wanted
from babelscope.study.result import ModelUse
from babelscope.study.sections.base import Asked, Cells, Found, Section, Services, ShowProgress, Task
from babelscope.study.sections.fine_tuning import SECTION as FINE_TUNING
from babelscope.study.sections.fine_tuning import main_figures
from babelscope.study.values import get, measure


@dataclass(frozen=True, slots=True)
class FineTunedDesign:
    """What is asked.

    Attributes:
        measures: Measures of similarity; those of the study where None.
        reinit: Labels of the layers drawn anew, `none` for the model as it is; all of the grid where None.
    """

    measures: tuple[MeasureDesign, ...] | None = None
    reinit: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Curve:
    """Similarity of one pair of languages by layer in one fine-tuned model.

    Attributes:
        model: Name of the model that was fine-tuned.
        task: Task that it was fine-tuned on.
        source: Language that it was fine-tuned in; the left side.
        target: The right side.
        reinit: Label of the layers drawn anew before; empty for the model as it is.
        checkpoint: `checkpoints/ID` of the first seed at the best setting.
        metric: Measure of similarity.
        estimator: Variant of the measure.
        layers: Layers, ascending.
        values: The similarity at each.
        low: Lower ends of the 95 % intervals.
        high: Upper ends.
        null_mean: Chance levels.
        n: Items used.
        signature: All settings of the first layer.
    """

    model: str
    task: str
    source: str
    target: str
    reinit: str
    checkpoint: str
    metric: str
    estimator: str
    layers: tuple[int, ...]
    values: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    null_mean: tuple[float, ...]
    n: int
    signature: str


def read(node: Node, study: Study) -> FineTunedDesign:
    """The section of a study file; a mapping, which may be empty."""
    del study
    if node.value in (None, True):
        return FineTunedDesign()
    keys = node.mapping("measures", "reinit")
    return FineTunedDesign(
        measures=get(keys, "measures", lambda item: item.unique(measure), None),
        reinit=get(keys, "reinit", lambda item: item.unique(Node.text), None),
    )


def plan(design: FineTunedDesign, asked: Asked) -> list[Task]:
    """A request for every fine-tuned model whose source has texts in the study."""
    grid = fine_tuning_of(asked, "fine_tuned")
    tasks = []
    for use in asked.models:
        labels = (AS_IT_IS, *grid.groups_of(use.layers))
        for label in design.reinit or ():
            if label not in labels:
                raise StudyError(f"Expected `fine_tuned.reinit` of {', '.join(labels)}, but got {label!r}")
        for each in grid.tasks:
            for source in each.sources:
                if source in asked.study.languages:
                    tasks += [
                        _task(design, asked, use, (each.task, source, "" if label == AS_IT_IS else label))
                        for label in labels
                        if design.reinit is None or label in design.reinit
                    ]
    return tasks


def fine_tuning_of(asked: Asked, key: str) -> SweepGrid:
    """The grid whose models a section looks at.

    Raises:
        StudyError: The study has none.
    """
    grid = asked.study.sections.get(FINE_TUNING.key)
    if not isinstance(grid, SweepGrid):
        raise StudyError(f"Expected a key `{FINE_TUNING.key}` beside `{key}`, whose models it looks at, but got none")
    return grid


def _task(design: FineTunedDesign, asked: Asked, use: ModelUse, place: tuple[str, str, str]) -> Task:
    task, source, reinit = place
    study = asked.study
    measures = design.measures or study.measures
    targets = [language for language in study.languages if language != source]

    def checkpoint(found: Found) -> str:
        records = found.records[FINE_TUNING.key]
        return main_figures(records, model=use.used, task=task, source=source, reinit=reinit)[0].figure.checkpoint

    def depends(found: Found) -> dict[str, Any]:
        return {
            **asked.encoded((use,), study.languages),
            "checkpoint": checkpoint(found),
            "place": place,
            "layers": study.layers,
            "measures": [each.depends for each in measures],
            "standardise": study.standardise,
            "drop": study.drop_top_variance,
        }

    def ask(mesh: Services, found: Found, show: ShowProgress | None) -> Sequence[Curve]:
        name = checkpoint(found)
        views = {
            language: View(texts=asked.texts.corpus.texts[language], model=Model(name), language=language)
            for language in (source, *targets)
        }
        answer: Comparison = mesh.metrics.compare(
            views,
            [each.measure for each in measures],
            [(source, target) for target in targets],
            layers=study.layers,
            pooling=study.pooling,
            overflow=study.overflow,
            alignment=study.alignment,
            standardise=study.standardise,
            drop_top_variance=study.drop_top_variance,
            progress=show,
            **study.computed,
        )
        return _curves(answer.estimates, targets, (use.used, task, source, reinit, name))

    drawn = f" with layers {reinit} drawn anew" if reinit else ""
    return Task(f"similarity in {use.used} fine-tuned on {task} in {source}{drawn}", depends, ask)


def _curves(estimates: Iterable[Estimate], targets: Sequence[str], of: tuple[str, str, str, str, str]) -> list[Curve]:
    """Estimates gathered to curves, of a model, task, source, label and checkpoint."""
    model, task, source, reinit, checkpoint = of
    gathered: dict[tuple[str, str, str], list[Estimate]] = {}
    for each in estimates:
        gathered.setdefault((each.right, each.metric, each.estimator), []).append(each)
    curves = []
    for (target, metric, estimator), listed in sorted(
        gathered.items(), key=lambda item: (targets.index(item[0][0]), item[0][1:])
    ):
        listed.sort(key=lambda each: each.left_layer)
        curves.append(
            Curve(
                model=model,
                task=task,
                source=source,
                target=target,
                reinit=reinit,
                checkpoint=checkpoint,
                metric=metric,
                estimator=estimator,
                layers=tuple(each.left_layer for each in listed),
                values=tuple(each.value for each in listed),
                low=tuple(each.low for each in listed),
                high=tuple(each.high for each in listed),
                null_mean=tuple(each.null_mean for each in listed),
                n=listed[0].n,
                signature=listed[0].signature,
            )
        )
    return curves


def cells(curve: Curve) -> Iterable[Cells]:
    """A line a layer."""
    for layer, value, low, high in zip(curve.layers, curve.values, curve.low, curve.high, strict=True):
        yield {
            "kind": f"fine_tuned/{curve.task}", "metric": curve.metric, "estimator": curve.estimator,
            "model": curve.checkpoint, "reinit": curve.reinit, "source": curve.source, "target": curve.target,
            "layer": layer, "value": value, "low": low, "high": high, "n": curve.n, "signature": curve.signature,
        }  # fmt: skip


def wanted(design: FineTunedDesign) -> list[Wanted]:
    """The measures of its own."""
    return [each.wanted for each in design.measures or ()]


SECTION = Section("fine_tuned", Curve, read, plan, cells, wanted)
