"""Scores with a layer aligned while fine-tuning, beside the model as it is: Hsu et al. 2019, table 7."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from babelscope.report.findings import Finding
from babelscope.report.guide import Guide
from babelscope.report.names import language_name, layer_label
from babelscope.report.parts.base import Part, interval, signed
from babelscope.report.tables import Table
from babelscope.study.result import StudyResult
from babelscope.study.sections.aligned_fine_tuning import AS_IT_IS, SECTION, Aligned, AlignedFigure, WordsMap

_GUIDE: Final = Guide(
    "A layer aligned while fine-tuning",
    "While the model is fine-tuned in the source language, a map that was fitted on words moves the hidden states of "
    "one layer, or a transform layer is trained against a discriminator of languages. The target language is scored "
    "without training data of its own (Hsu et al. 2019, appendix A.2, table 7).",
    "A map that divides rows by their norms is applied by its matrix alone. A difference within the interval, or "
    "within the standard deviation over seeds, says nothing.",
)
_CHANCE: Final = "Chance level: a difference of 0 to the model as it is."
_MAIN: Final = ("f1", "las", "accuracy")
"""Main figures of tasks, in the order in which they are looked for."""

Column = tuple[str, str, str]
"""Language and domain of a test set, metric and estimator."""


@dataclass(frozen=True, slots=True)
class _Board:
    """All rows of one model, task, source and target."""

    model: str
    task: str
    source: str
    target: str
    rows: dict[str, list[Aligned]]

    @property
    def columns(self) -> list[Column]:
        """What was scored in the target, then in the source."""
        listed = dict.fromkeys(
            (each.place, each.metric, each.estimator)
            for trained in self.rows.values()
            for each in trained[0].figures
            if each.place.partition("/")[0] in {self.target, self.source}
        )
        return sorted(listed, key=lambda column: column[0].partition("/")[0] != self.target)

    def figures(self, label: str, column: Column) -> list[AlignedFigure]:
        """The figures of a row in a column, one a seed."""
        return [
            each
            for trained in self.rows.get(label, ())
            for each in trained.figures
            if (each.place, each.metric, each.estimator) == column
        ]

    def mean(self, label: str, column: Column) -> float | None:
        """The mean over seeds; None where there is none."""
        values = [each.value for each in self.figures(label, column)]
        return statistics.fmean(values) if values else None

    @property
    def main(self) -> Column | None:
        """The main figure of the task in the target; None where there is none."""
        own = [column for column in self.columns if column[0] == self.target]
        return next((column for metric in _MAIN for column in own if column[1] == metric), own[0] if own else None)


def _boards(records: Sequence[Aligned]) -> list[_Board]:
    found = []
    for model, task, source, target in dict.fromkeys(
        (each.model, each.task, each.source, each.target) for each in records if each.target
    ):
        rows: dict[str, list[Aligned]] = {}
        for each in records:
            if (each.model, each.task, each.source) == (model, task, source) and each.target in {"", target}:
                rows.setdefault(each.label, []).append(each)
        found.append(_Board(model, task, source, target, rows))
    return found


def tables(records: Sequence[Aligned]) -> dict[str, Any]:
    """The scores of every target, and what the maps were fitted on."""
    found = []
    for board in _boards(records):
        name = f"{board.task}, {language_name(board.source)} → {language_name(board.target)}, {board.model}"
        columns = board.columns
        head = ["Approach", "Layer", "Seeds", *(part for column in columns for part in (_heading(column), "Δ"))]
        body = [_row(board, label, trained, columns) for label, trained in board.rows.items()]
        found.append(Table(name, head, body))
        maps = [_map_row(each, each.map) for rows in board.rows.values() for each in rows if each.map is not None]
        if maps:
            found.append(Table(f"Maps: {name}", _MAP_HEAD, maps, frozenset({len(_MAP_HEAD) - 1})))
    return {"tables": found, "chance": _CHANCE}


def _heading(column: Column) -> str:
    place, metric, estimator = column
    language, _, domain = place.partition("/")
    name = language_name(language) + (f", {domain}" if domain else "")
    return f"{name}: {metric.upper()}" + (f" ({estimator})" if estimator else "")


def _row(board: _Board, label: str, trained: Sequence[Aligned], columns: Sequence[Column]) -> list[str]:
    layer = trained[0].layer
    cells = [
        "as it is" if label == AS_IT_IS else label,
        "–" if layer is None else layer_label(layer),
        str(len(trained)),
    ]
    for column in columns:
        mean, plain = board.mean(label, column), board.mean(AS_IT_IS, column)
        cells.append(_value(board.figures(label, column)))
        unknown = label == AS_IT_IS or mean is None or plain is None
        cells.append("" if unknown else signed((mean or 0.0) - (plain or 0.0)))
    return cells


def _value(figures: Sequence[AlignedFigure]) -> str:
    """Mean and standard deviation over seeds; with one seed the interval over items."""
    if not figures:
        return "–"
    if len(figures) == 1:
        return interval(figures[0].value, figures[0].low, figures[0].high, 2)
    values = [each.value for each in figures]
    return f"{statistics.fmean(values):.2f} ± {statistics.stdev(values):.2f}".replace("-", "−")


_MAP_HEAD: Final = (
    "Approach", "Layer", "Seed", "Source words", "Target words", "Spelled alike", "Criterion", "Applied",
)  # fmt: skip


def _map_row(each: Aligned, fitted: WordsMap) -> list[str]:
    return [
        each.label, layer_label(each.layer or 0), str(each.seed),
        f"{fitted.source_words:,}", f"{fitted.target_words:,}", f"{fitted.alike:,}",
        f"{fitted.criterion:.4g}".replace("-", "−"),
        "matrix alone" if fitted.matrix_only else "matrix and bias",
    ]  # fmt: skip


def guides(records: Sequence[Aligned]) -> list[tuple[Guide, str]]:
    """How to read the tables."""
    del records
    return [(_GUIDE, _CHANCE)]


def findings(records: Sequence[Aligned], result: StudyResult) -> list[Finding]:
    """For every target, the best and the worst of the approaches against the model as it is."""
    del result
    found = []
    for board in _boards(records):
        column = board.main
        plain = None if column is None else board.mean(AS_IT_IS, column)
        if column is None or plain is None:
            continue
        deltas = {
            label: mean - plain
            for label in board.rows
            if label != AS_IT_IS and (mean := board.mean(label, column)) is not None
        }
        if not deltas:
            continue
        best, worst = (choose(deltas, key=lambda label: deltas[label]) for choose in (max, min))
        as_it_is = board.figures(AS_IT_IS, column)
        better = sum(_clearly_above(board.figures(label, column), as_it_is) for label in deltas)
        worse = sum(_clearly_above(as_it_is, board.figures(label, column)) for label in deltas)
        said = (
            f"of {len(deltas)} approaches {better} score clearly above the model as it is ({plain:.2f}) and {worse} "
            f"clearly below: {best} differs by {signed(deltas[best])} points, {worst} by {signed(deltas[worst])}. "
            "In table 7 of Hsu et al. 2019 none is above. Clear is what the intervals do not share or, with several "
            "seeds, what is beyond twice the standard error."
        )
        metric = column[1].upper()
        found.append(
            Finding(
                signed(deltas[best]),
                f"points of {metric} in {language_name(board.target)} by the best of {len(deltas)} alignments",
                f"{board.model} fine-tuned on {board.task} in {language_name(board.source)}, {metric} in "
                f"{language_name(board.target)}: {said}",
            )
        )
    return found


def _clearly_above(ones: Sequence[AlignedFigure], others: Sequence[AlignedFigure]) -> bool:
    """Whether some figures lie above others by more than chance: by their intervals, or by their spread over seeds."""
    if min(len(ones), len(others)) == 1:
        return min(each.low for each in ones) > max(each.high for each in others)
    sides = [[each.value for each in side] for side in (ones, others)]
    error = math.sqrt(sum(statistics.variance(side) / len(side) for side in sides))
    return statistics.fmean(sides[0]) - statistics.fmean(sides[1]) > 2 * error


PART = Part(SECTION, "Fine-tuning with a layer aligned", guides, tables, findings=findings)
