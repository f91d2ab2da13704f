"""Similarity against transfer: a scatter with its line, the coefficient by layer, and all coefficients as a table."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from babelscope.report.drawing import PALETTE, Drawing, stem
from babelscope.report.findings import Finding
from babelscope.report.guide import Guide, label
from babelscope.report.names import coefficient_name, layer_name
from babelscope.report.numbers import LayerMeasure
from babelscope.report.parts.base import Part, interval, p_text
from babelscope.report.tables import Table
from babelscope.study.result import StudyResult
from babelscope.study.sections.transfer import SECTION, Coefficient, Correlated

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_GUIDE: Final = Guide(
    "Correlation with transfer",
    "Agreement between the similarity of two languages and the transfer from one to the other: 1 where both rank the "
    "pairs of languages in the same order (Spearman, Kendall) or lie on a rising line (Pearson), −1 for the opposite.",
    "There are few pairs of languages: read the interval rather than the coefficient. Pairs that share a language are "
    "not independent, which neither the interval nor the p-value takes into account. The sign is reversed for a "
    "distance such as Procrustes.",
)


def tables(records: Sequence[Correlated]) -> list[Table]:
    """The coefficients of all layers, a table a set of transfer, model and measure."""
    grouped: dict[tuple[str, str, str], list[Correlated]] = {}
    for each in records:
        grouped.setdefault((each.name, each.model, _label(each)), []).append(each)
    found = []
    for (name, model, measure), listed in grouped.items():
        methods = [each.method for each in listed[0].correlations]
        head = ["Layer", "n", *(word for method in methods for word in (coefficient_name(method), "p"))]
        body = [
            [
                _layer(each), str(len(each.points)),
                *(word for one in each.correlations for word in _words(one)),
            ]
            for each in listed
        ]  # fmt: skip
        found.append(Table(f"{measure} with {name}, {model}", head, body))
    return found


def _words(one: Coefficient) -> tuple[str, str]:
    return interval(one.value, one.low, one.high), p_text(one.p_value)


def payload(records: Sequence[Correlated], result: StudyResult) -> list[dict[str, Any]]:
    """An entry a layer, nothing rounded."""
    del result
    return [
        {
            "name": each.name, "cite": each.cite, "model": each.model, "measure": _label(each), "layer": _layer(each),
            "at": each.layer, "slope": each.slope, "intercept": each.intercept,
            "pairs": [f"{point.source}–{point.target}" for point in each.points],
            "x": [point.similarity for point in each.points], "y": [point.transfer for point in each.points],
            "coefficients": [
                {
                    "method": coefficient_name(one.method), "value": one.value, "low": one.low, "high": one.high,
                    "p": one.p_value,
                }
                for one in each.correlations
            ],
        }
        for each in _mean_first(records)
    ]  # fmt: skip


def _mean_first(records: Sequence[Correlated]) -> list[Correlated]:
    """The mean over layers before single layers, so that the page opens on what was not picked from many."""
    order = {
        (each.name, each.model, each.metric, each.estimator): at for at, each in reversed(list(enumerate(records)))
    }
    return sorted(
        records,
        key=lambda each: (
            order[each.name, each.model, each.metric, each.estimator], each.layer is not None, each.layer or 0,
        ),
    )  # fmt: skip


def guides(records: Sequence[Correlated]) -> list[tuple[Guide, str]]:
    """How to read a correlation."""
    counts = sorted({len(each.points) for each in records})
    among = str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    return [(_GUIDE, f"Chance level: 0, with {among} pairs of languages.")]


def _label(each: Correlated) -> str:
    return label(LayerMeasure("similarity", each.metric, each.estimator))


def _layer(each: Correlated) -> str:
    return "mean over layers" if each.layer is None else layer_name(each.layer)


def drawings(records: Sequence[Correlated], result: StudyResult) -> list[Drawing]:
    """One figure a set of transfer, model and measure: the mean over layers, or the one layer there is."""
    del result
    first: dict[tuple[str, str, str], Correlated] = {}
    for each in _mean_first(records):
        first.setdefault((each.name, each.model, _label(each)), each)
    return [
        Drawing(
            stem(f"{model}.transfer.{name}.{each.metric}-{each.estimator}"),
            f"Similarity and transfer, {model}",
            partial(_scatter, each=each),
        )
        for (name, model, _), each in first.items()
    ]


def _p(value: float) -> str:
    said = p_text(value)
    return f"p {said}" if said.startswith("<") else f"p = {said}"


def _scatter(figure: "Figure", each: Correlated) -> None:
    axes = figure.add_subplot()
    x, y = [point.similarity for point in each.points], [point.transfer for point in each.points]
    ends = [min(x), max(x)]
    axes.plot(ends, [each.intercept + each.slope * end for end in ends], "--", color="#777777", lw=1.2)
    axes.scatter(x, y, s=18, c=PALETTE[0])
    for point in each.points:
        place = (point.similarity, point.transfer)
        axes.annotate(
            f"{point.source}–{point.target}", place, (0, 4), textcoords="offset points", fontsize=6, ha="center"
        )
    axes.set_xlabel(f"{_label(each)}, {_layer(each)}")
    axes.set_ylabel(each.name)
    said = [
        f"{coefficient_name(one.method)} {interval(one.value, one.low, one.high, 2)}, {_p(one.p_value)}"
        for one in each.correlations
    ]
    axes.set_title("\n".join([*said, f"n = {len(each.points)}"]), fontsize=7, loc="left")


def findings(records: Sequence[Correlated], result: StudyResult) -> list[Finding]:
    """The first coefficient over the mean of layers, of the first measure of every set of figures and model."""
    del result
    first: dict[tuple[str, str], Correlated] = {}
    for each in _mean_first(records):
        first.setdefault((each.name, each.model), each)
    found = []
    for (name, model), each in first.items():
        one = each.correlations[0]
        verdict = (
            "similarity and transfer rise together"
            if one.low > 0
            else "transfer falls as similarity rises"
            if one.high < 0
            else "the interval includes zero"
        )
        said = coefficient_name(one.method)
        found.append(
            Finding(
                f"{said[-1]} = {one.value:+.2f}".replace("-", "−"),
                f"{said} of {_label(each)} and {name}",
                f"Over {len(each.points)} pairs of languages and {model}, {_label(each)} ({_layer(each)}) and {name} "
                f"have {said} {interval(one.value, one.low, one.high, 2)}, {_p(one.p_value)}: "
                f"{verdict}.",
            )
        )
    return found


PART = Part(SECTION, "Similarity and transfer", guides, tables, payload, drawings, findings)
