"""Tables of fine-tuning under RANDOM-INIT, with the colours of Muller et al. 2021."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from babelscope.data.jobs.sweep import MEAN_TARGET, SweepFigure
from babelscope.report.findings import Finding
from babelscope.report.guide import Guide
from babelscope.report.names import language_name
from babelscope.report.parts.base import Part, signed
from babelscope.study.result import StudyResult
from babelscope.study.sections.fine_tuning import SECTION, Swept, main_figures

_GUIDE: Final = Guide(
    "RANDOM-INIT before fine-tuning",
    "Layers are drawn anew, and the model is fine-tuned and scored as the one without: the difference is what the "
    "pretrained weights of these layers contribute (Muller et al. 2021). The cross-lingual gap is the score in the "
    "source language less that in another one.",
    "A difference smaller than the standard deviation over the seeds says nothing. Hyper-parameters are chosen on the "
    "source’s development set, for each choice of layers by itself.",
)
_CHANCE: Final = "Chance level: a difference of 0, within the standard deviation over seeds."


_DELTAS: Final = (2.0, 5.0)
"""Borders of the colours of differences, in points: tables 1, 2 and 6 to 8 of the paper."""
_SCORES: Final = (5.0, 10.0)
"""The same of scores themselves: its table 5."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of a table.

    Attributes:
        text: Text of the cell.
        colour: Class of its colour; empty for none.
        title: What is said beside it.
    """

    text: str
    colour: str = ""
    title: str = ""


@dataclass(frozen=True, slots=True)
class DeltaTable:
    """Scores of the model as it is, and differences under RANDOM-INIT.

    Attributes:
        caption: Caption of the table.
        head: Names of the columns.
        body: Cells by row.
    """

    caption: str
    head: Sequence[str]
    body: Sequence[Sequence[Cell]]


def tables(records: Sequence[Swept]) -> dict[str, Any]:
    """Means over languages, all languages, domains, and the scores themselves."""
    found = []
    for model, task in dict.fromkeys((each.model, each.figure.task) for each in records):
        listed = [each.figure for each in main_figures(records, model=model, task=task)]
        if not listed:
            continue
        name = f"{task}, {listed[0].metric}, {model}"
        found += [
            _table(f"{name}: same language and mean over other languages", listed, _same_or_mean),
            _table(f"{name}: all target languages", listed, lambda each: not each.domain),
            _table(f"{name}: domains", listed, lambda each: bool(each.domain) or each.target == each.source),
            _table(f"{name}: scores themselves", listed, lambda each: True, absolute=True),
        ]
    return {"tables": [each for each in found if each.body], "chance": _CHANCE}


def _same_or_mean(each: SweepFigure) -> bool:
    return not each.domain and each.target in {each.source, MEAN_TARGET}


def _table(
    caption: str, listed: Sequence[SweepFigure], chosen: Callable[[SweepFigure], bool], *, absolute: bool = False
) -> DeltaTable:
    """A row a source and target, a column a choice of layers; empty where there is no domain to show."""
    wanted = [each for each in listed if chosen(each)]
    if "domains" in caption and not any(each.domain for each in wanted):
        wanted = []
    labels = list(dict.fromkeys(each.reinit for each in wanted if each.reinit))
    at = {(each.source, each.place, each.reinit): each for each in wanted}
    rows = dict.fromkeys((each.source, each.place) for each in wanted)
    body = []
    for source, place in rows:
        reference = at.get((source, place, ""))
        row = [Cell(_row_name(source, place)), Cell("") if reference is None else _score(reference)]
        for label in labels:
            each = at.get((source, place, label))
            row.append(Cell("") if each is None else _score(each) if absolute else _delta(each))
        body.append(row)
    mark = "" if absolute else "Δ "
    return DeltaTable(caption, ["Source – target", "REF", *(f"{mark}{label}" for label in labels)], body)


def _row_name(source: str, place: str) -> str:
    language, _, domain = place.partition("/")
    target = "X (mean)" if language == MEAN_TARGET else language_name(language)
    return f"{source} – {target}{f', {domain}' if domain else ''}"


def _score(each: SweepFigure) -> Cell:
    spread = "" if each.deviation is None else f" ± {each.deviation:.2f}"
    return Cell(f"{each.mean:.2f}{spread}".replace("-", "−"), colour(each.delta, _SCORES), _title(each))


def _delta(each: SweepFigure) -> Cell:
    text = "" if each.delta is None else signed(each.delta, 2)
    return Cell(text, colour(each.delta, _DELTAS), _title(each))


def _title(each: SweepFigure) -> str:
    return f"mean {each.mean:.2f} [{each.low:.2f}, {each.high:.2f}], {each.seeds} seeds, {each.setting}"


def colour(delta: float | None, borders: tuple[float, float]) -> str:
    """The class of a difference to the model as it is: no loss, then a loss up to each of two borders, and beyond."""
    if delta is None:
        return ""
    if delta >= 0:
        return "up"
    return "down1" if delta > -borders[0] else "down2" if delta > -borders[1] else "down3"


def guides(records: Sequence[Swept]) -> list[tuple[Guide, str]]:
    """How to read the tables."""
    del records
    return [(_GUIDE, _CHANCE)]


def findings(records: Sequence[Swept], result: StudyResult) -> list[Finding]:
    """For each task, the layers whose loss costs other languages most against the source's own."""
    del result
    found = _transfer(records)
    for model, task, source in dict.fromkeys((each.model, each.figure.task, each.figure.source) for each in records):
        listed = [each.figure for each in main_figures(records, model=model, task=task, source=source, domain="")]
        mean = {each.reinit: each.delta for each in listed if each.target == MEAN_TARGET and each.delta is not None}
        own = {each.reinit: each.delta for each in listed if each.target == source and each.delta is not None}
        shared = [label for label in mean if label in own]
        if not shared:
            continue
        worst = min(shared, key=lambda label: mean[label])
        appears = "appears" if mean[worst] < own[worst] else "does not appear"
        others, here = signed(mean[worst], 2), signed(own[worst], 2)
        found.append(
            Finding(
                signed(mean[worst], 1),
                f"points of {task} in other languages without the pretrained layers {worst}",
                f"With layers {worst} of {model} drawn anew before fine-tuning in {language_name(source)}, other "
                f"languages change by {others} points on average, {language_name(source)} itself by {here}: that these "
                f"layers matter more to others than to the source (Muller et al. 2021) {appears} here.",
            )
        )
    return found


def _transfer(records: Sequence[Swept]) -> list[Finding]:
    """For each task, what is left of the source's score in other languages."""
    found = []
    for model, task, source in dict.fromkeys((each.model, each.figure.task, each.figure.source) for each in records):
        listed = main_figures(records, model=model, task=task, source=source, domain="", reinit="")
        scores = {each.figure.target: each.figure.mean for each in listed}
        own, others = scores.get(source, 0.0), scores.get(MEAN_TARGET)
        if own <= 0 or others is None:
            continue
        found.append(
            Finding(
                f"{others / own:.0%}".replace("%", " %"),
                f"of the {task} score in {language_name(source)} is left in other languages",
                f"{model} fine-tuned for {task} in {language_name(source)} scores {own:.1f} there and {others:.1f} on "
                f"average in languages of which it saw no labels.",
            )
        )
    return found


PART = Part(SECTION, "Fine-tuning with layers drawn anew", guides, tables, findings=findings)
