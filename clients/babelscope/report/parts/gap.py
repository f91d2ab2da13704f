"""Correlation of similarity with the cross-lingual gap: a table, and a line a stage by layer."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from babelscope.report.drawing import PALETTE, Drawing, stem
from babelscope.report.findings import Finding
from babelscope.report.guide import Guide, label
from babelscope.report.names import coefficient_name, metric_name
from babelscope.report.numbers import LayerMeasure
from babelscope.report.parts.base import Part, interval, p_text
from babelscope.report.tables import Table
from babelscope.study.result import StudyResult
from babelscope.study.sections.gap import SECTION, GapCorrelation

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_GUIDE: Final = Guide(
    "Similarity and the cross-lingual gap",
    "Correlation, over target languages, of the similarity to the source with the gap: the score in the source less "
    "that in the target (Muller et al. 2021, table 4 and figure 3). Negative where languages that are more alike lose "
    "less; the paper gives the same with its sign turned.",
    "There are few target languages: read the interval rather than the coefficient.",
)
_CHANCE: Final = "Chance level: 0."
_SIGNIFICANT: Final = 0.05


def tables(records: Sequence[GapCorrelation]) -> dict[str, Any]:
    """Means over layers of all tasks first, then every layer."""
    head = ("Task", "Source", "Similarity", "Model", "Layer", "Coefficient", "p", "n")
    words = frozenset({1, 2, 3})
    means = [_row(each) for each in records if each.layer is None]
    layers = [_row(each) for each in records if each.layer is not None]
    found = [Table("Mean over layers", head, means, words)] if means else []
    return {"tables": [*found, Table("By layer", head, layers, words)], "chance": _CHANCE}


def _row(each: GapCorrelation) -> list[str]:
    layer = "mean" if each.layer is None else str(each.layer)
    said = f"{coefficient_name(each.method)} {interval(each.value, each.low, each.high, 2)}"
    return [
        each.task,
        each.source,
        label(LayerMeasure("similarity", each.metric, each.estimator)),
        f"{each.model}, {each.stage}",
        layer,
        said,
        p_text(each.p_value),
        str(len(each.points)),
    ]


def drawings(records: Sequence[GapCorrelation], result: StudyResult) -> list[Drawing]:
    """A figure of every model, source and measure: a line a task and stage."""
    del result
    grouped: dict[tuple[str, str, str, str], list[GapCorrelation]] = {}
    for each in records:
        if each.layer is not None:
            grouped.setdefault((each.model, each.source, each.metric, each.estimator), []).append(each)
    return [
        Drawing(
            stem(f"{model}.gap.{source}.{metric}-{estimator}"),
            f"Correlation of similarity with the cross-lingual gap from {source}, {model}",
            partial(_lines, listed=listed),
        )
        for (model, source, metric, estimator), listed in grouped.items()
    ]


def _lines(figure: "Figure", listed: Sequence[GapCorrelation]) -> None:
    axes = figure.add_subplot()
    series: dict[tuple[str, str], list[GapCorrelation]] = {}
    for each in listed:
        series.setdefault((each.task, each.stage), []).append(each)
    tasks = list(dict.fromkeys(task for task, _ in series))
    for (task, stage), points in series.items():
        axes.plot(
            [each.layer or 0 for each in points],
            [each.value for each in points],
            color=PALETTE[tasks.index(task) % len(PALETTE)],
            ls="-" if stage == "fine-tuned" else "--",
            lw=1.6,
            label=f"{task}, {stage}",
        )
    axes.axhline(0, color="#999999", lw=0.8, ls=":")
    axes.set_xlabel("layer")
    axes.set_ylabel(coefficient_name(listed[0].method))
    axes.legend(fontsize=7, frameon=False)


def guides(records: Sequence[GapCorrelation]) -> list[tuple[Guide, str]]:
    """How to read the coefficients."""
    del records
    return [(_GUIDE, _CHANCE)]


def findings(records: Sequence[GapCorrelation], result: StudyResult) -> list[Finding]:
    """For each model and task, whether more similar languages have a smaller gap, over the mean of all layers."""
    del result
    found = []
    # One measure speaks for all: the debiased one where there are several.
    means = [each for each in records if each.layer is None and each.stage == "pretrained"]
    means.sort(key=lambda each: each.estimator != "debiased")
    first = {(each.model, each.task, each.source): each for each in reversed(means)}
    for each in first.values():
        clear = each.value < 0 and each.p_value < _SIGNIFICANT
        verdict = "appears" if clear else "does not appear clearly"
        measure = f"{metric_name(each.metric)} ({each.estimator})"
        found.append(
            Finding(
                f"{each.value:.2f}".replace("-", "−"),
                f"{coefficient_name(each.method)} of similarity and the gap of {each.task}",
                f"Over {len(each.points)} target languages, {measure} in {each.model} correlates with the "
                f"cross-lingual gap of {each.task} by {each.value:.2f} (p = {each.p_value:.3f}): that more similar "
                f"languages lose less (Muller et al. 2021, table 4) {verdict} here.".replace(" -", " −"),
            )
        )
    return found


PART = Part(SECTION, "Similarity and the cross-lingual gap", guides, tables, drawings=drawings, findings=findings)
