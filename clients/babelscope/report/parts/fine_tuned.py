"""Similarity by layer in fine-tuned models: a table and a figure of every task, source and measure."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from babelscope.report.drawing import PALETTE, Drawing, facets, stem, tick
from babelscope.report.guide import Guide, label
from babelscope.report.names import language_name
from babelscope.report.numbers import LayerMeasure
from babelscope.report.parts.base import Part, span
from babelscope.report.tables import Table
from babelscope.study.result import StudyResult
from babelscope.study.sections.fine_tuned import SECTION, Curve

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_GUIDE: Final = Guide(
    "Similarity after fine-tuning",
    "The similarity of parallel sentences at each layer of the fine-tuned model, with and without layers drawn anew "
    "before fine-tuning (Muller et al. 2021, figures 2 and 6 to 8).",
    "It is that of one model, of the first seed at the best setting.",
)
_Group = tuple[str, str, str, str]


def tables(records: Sequence[Curve]) -> dict[str, Any]:
    """A table of every task, source and measure: a row a target and choice of layers, a column a layer."""
    found = []
    for (model, task, source, measure), listed in _groups(records).items():
        layers = list(dict.fromkeys(layer for each in listed for layer in each.layers))
        body = []
        for each in listed:
            values = dict(zip(each.layers, each.values, strict=True))
            shown = [f"{values[layer]:.3f}".replace("-", "−") if layer in values else "" for layer in layers]
            body.append([language_name(each.target), each.reinit or "REF", *shown])
        head = ["Target", "Layers drawn anew", *(tick(layer) for layer in layers)]
        found.append(Table(f"{measure}, {model} fine-tuned on {task} in {source}", head, body))
    return {"tables": found, "chance": _chance(records)}


def _groups(records: Sequence[Curve]) -> dict[_Group, list[Curve]]:
    grouped: dict[_Group, list[Curve]] = {}
    for each in records:
        key = (each.model, each.task, each.source, label(LayerMeasure("similarity", each.metric, each.estimator)))
        grouped.setdefault(key, []).append(each)
    return {key: sorted(listed, key=lambda each: _order(listed, each)) for key, listed in grouped.items()}


def _order(listed: Sequence[Curve], each: Curve) -> int:
    return next(at for at, other in enumerate(listed) if other.target == each.target)


def _chance(records: Sequence[Curve]) -> str:
    return f"Chance level: {span((value for each in records for value in each.null_mean), 3)}, for unrelated sentences."


def drawings(records: Sequence[Curve], result: StudyResult) -> list[Drawing]:
    """A figure of every task, source and measure: a small one a target, a line a choice of layers."""
    del result
    found = []
    for (model, task, source, measure), listed in _groups(records).items():
        targets = list(dict.fromkeys(each.target for each in listed))
        found.append(
            Drawing(
                stem(f"{model}.fine-tuned.{task}.{source}.{listed[0].metric}-{listed[0].estimator}"),
                f"{measure} with {source} after fine-tuning on {task}, {model}",
                partial(_lines, listed=listed, targets=targets),
                facets(len(targets))[2],
            )
        )
    return found


def _lines(figure: "Figure", listed: Sequence[Curve], targets: Sequence[str]) -> None:
    rows, columns, _ = facets(len(targets))
    labels = list(dict.fromkeys(each.reinit for each in listed))
    for at, target in enumerate(targets):
        axes = figure.add_subplot(rows, columns, at + 1)
        for each in listed:
            if each.target == target:
                colour = PALETTE[labels.index(each.reinit) % len(PALETTE)]
                axes.plot(each.layers, each.values, color=colour, lw=1.6, label=each.reinit or "REF")
        axes.set_title(language_name(target), fontsize=8, loc="left")
        if at == 0:
            axes.legend(fontsize=6, frameon=False)


def guides(records: Sequence[Curve]) -> list[tuple[Guide, str]]:
    """How to read the curves."""
    return [(_GUIDE, _chance(records))]


PART = Part(SECTION, "Similarity after fine-tuning", guides, tables, drawings=drawings)
