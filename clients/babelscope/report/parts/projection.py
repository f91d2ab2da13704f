"""A scatter of sentences or tokens coloured by language, with a slider of layers."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from babelscope.report.drawing import MARKERS, PALETTE, Drawing, facets, stem
from babelscope.report.guide import Guide
from babelscope.report.names import language_name, layer_label
from babelscope.report.parts.base import Part, span
from babelscope.report.tables import Table
from babelscope.study.result import StudyResult
from babelscope.study.sections.projection import SECTION, Projected

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_GUIDES: Final = {
    "pca": Guide(
        "Principal components",
        "The directions of largest variance over all languages together, from a single fit. Languages that form "
        "separate clusters differ along these directions; where languages overlap, the directions do not encode "
        "language.",
        "Two axes show only the share of the variance that they explain: languages that overlap here may be separate "
        "along other directions.",
    ),
    "umap": Guide(
        "UMAP",
        "A two-dimensional embedding that keeps near neighbours near, with a random seed.",
        "Distances between clusters, sizes of clusters and the axes have no meaning; another seed gives another "
        "picture.",
    ),
}
# Digits of the page's copy; results.json has them all.
_DIGITS: Final = 5


def tables(records: Sequence[Projected]) -> list[Table]:
    """The variance explained by layer, a table a model and kind of rows."""
    grouped: dict[tuple[str, str], list[Projected]] = {}
    for each in records:
        if each.explained:
            grouped.setdefault((each.rows, each.model), []).append(each)
    found = []
    for (rows, model), listed in grouped.items():
        head = ["Layer", rows.capitalize(), *(f"Axis {axis}" for axis in range(1, len(listed[0].explained) + 1))]
        body = [
            [
                layer_label(each.layer),
                f"{sum(len(cloud.ids) for cloud in each.clouds):,}",
                *map(_percent, each.explained),
            ]
            for each in listed
        ]
        found.append(Table(f"Share of the variance over all languages, {model}", head, body))
    return found


def payload(records: Sequence[Projected], result: StudyResult) -> list[dict[str, Any]]:
    """An entry a layer, with the first two axes of every language."""
    del result
    return [
        {
            "name": f"{each.method.upper()} of {each.rows}, {each.model}", "rows": each.rows,
            "layer": each.layer, "explained": each.explained[:2],
            "clouds": [
                {
                    "name": language_name(cloud.language), "ids": cloud.ids,
                    "x": [_short(row[0]) for row in cloud.coordinates],
                    "y": [_short(row[1]) for row in cloud.coordinates],
                }
                for cloud in each.clouds
            ],
        }
        for each in records
    ]  # fmt: skip


def guides(records: Sequence[Projected]) -> list[tuple[Guide, str]]:
    """How to read each method."""
    found = []
    for method in dict.fromkeys(each.method for each in records):
        shares = [100 * sum(each.explained[:2]) for each in records if each.method == method and each.explained]
        said = (
            f"Variance explained by two axes: {span(shares, 1)} %, by layer. There is no chance level."
            if shares
            else "There is no chance level."
        )
        found.append((_GUIDES[method], said))
    return found


def _short(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def drawings(records: Sequence[Projected], result: StudyResult) -> list[Drawing]:
    """One figure a projection and model, its layers side by side."""
    del result
    grouped: dict[tuple[str, str, str], list[Projected]] = {}
    for each in records:
        grouped.setdefault((each.method, each.rows, each.model), []).append(each)
    return [
        Drawing(
            stem(f"{model}.{method}.{rows}"),
            f"{method.upper()} of {rows}, {model}",
            partial(_facets, records=listed),
            facets(len(listed))[2],
        )
        for (method, rows, model), listed in grouped.items()
    ]


def _facets(figure: "Figure", records: Sequence[Projected]) -> None:
    rows, columns, _ = facets(len(records))
    places = figure.subplots(rows, columns, squeeze=False).flat
    for axes, each in zip(places, records, strict=False):
        for at, cloud in enumerate(each.clouds):
            x, y = [row[0] for row in cloud.coordinates], [row[1] for row in cloud.coordinates]
            colour, mark = PALETTE[at % len(PALETTE)], MARKERS[(at + at // len(PALETTE)) % len(MARKERS)]
            axes.scatter(x, y, s=6, c=colour, marker=mark, alpha=0.7, lw=0, label=language_name(cloud.language))
        axes.set_title("embeddings" if each.layer == 0 else f"layer {each.layer}", fontsize=8)
        axes.tick_params(labelsize=6)
    for axes in list(figure.axes)[len(records) :]:
        axes.remove()
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=6, fontsize=7, frameon=False, markerscale=2.5)


PART = Part(SECTION, "Projections of hidden states", guides, tables, payload, drawings)
