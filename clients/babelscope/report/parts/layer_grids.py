"""Layer by layer heat maps: one figure with a menu of pairs, whatever their number."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from babelscope.report.drawing import Drawing, facets, stem, tick
from babelscope.report.guide import Guide, guide, is_distance, label
from babelscope.report.names import language_name
from babelscope.report.numbers import LayerMeasure
from babelscope.report.parts.base import Part, span
from babelscope.study.result import StudyResult
from babelscope.study.sections.layer_grids import SECTION, Grid, Matrix

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Digits of the page's copy; results.json has them all.
_DIGITS: Final = 5
_FACETS: Final = 16


def payload(grids: Sequence[Grid], result: StudyResult) -> list[dict[str, Any]]:
    """An entry a grid, numbers rounded so that a page of many pairs stays small."""
    models = len({name for grid in grids for name in (grid.source_model, grid.target_model)}) > 1
    labels = {use.used: use.label if not use.reason else use.used for use in result.models}

    def side(language: str, model: str) -> str:
        name = language_name(language)
        return f"{name} ({labels.get(model, model)})" if models else name

    entries = []
    for grid in grids:
        left, right = side(grid.source, grid.source_model), side(grid.target, grid.target_model)
        measure = _measure(grid)
        entries.append(
            {
                "measure": label(measure), "pair": f"{left} – {right}", "left": left, "right": right,
                "rows": grid.source_layers, "columns": grid.target_layers, "n": grid.n,
                "v": _rounded(grid.values), "lo": _rounded(grid.low), "hi": _rounded(grid.high),
                "nm": _rounded(grid.null_mean), "ns": _rounded(grid.null_sd),
                "distance": is_distance(measure), "beware": guide(measure).beware,
            }
        )  # fmt: skip
    return entries


def guides(grids: Sequence[Grid]) -> list[tuple[Guide, str]]:
    """The measures, with the chance level over all grids."""
    by_measure: dict[LayerMeasure, list[Grid]] = {}
    for grid in grids:
        by_measure.setdefault(_measure(grid), []).append(grid)
    found = []
    for measure, listed in by_measure.items():
        null = [value for grid in listed for row in grid.null_mean for value in row]
        found.append((guide(measure), f"Chance level over all pairs of layers: {span(null, 3)}."))
    return found


def _measure(grid: Grid) -> LayerMeasure:
    return LayerMeasure("similarity", grid.metric, grid.estimator)


def _rounded(matrix: Matrix) -> list[list[float]]:
    return [[round(value, _DIGITS) for value in row] for row in matrix]


def drawings(grids: Sequence[Grid], result: StudyResult) -> list[Drawing]:
    """One figure a measure and model, or pair of models: its first pairs of languages side by side."""
    del result
    grouped: dict[tuple[LayerMeasure, str, str], list[Grid]] = {}
    for grid in grids:
        grouped.setdefault((_measure(grid), grid.source_model, grid.target_model), []).append(grid)
    drawn = []
    for (measure, left, right), listed in grouped.items():
        models = left if left == right else f"{left} and {right}"
        name = stem(f"{models}.layer-by-layer.{measure.key}")
        shown = listed[:_FACETS]
        title = f"{label(measure)}, layer by layer, {models}"
        drawn.append(Drawing(name, title, partial(_facets, grids=shown), facets(len(shown))[2]))
    return drawn


def _facets(figure: "Figure", grids: Sequence[Grid]) -> None:
    rows, columns, _ = facets(len(grids))
    flat = [value for grid in grids for row in grid.values for value in row]
    low, high = min(0.0, *flat), max(flat)
    places = figure.subplots(rows, columns, squeeze=False).flat
    for axes, grid in zip(places, grids, strict=False):
        image = axes.imshow(grid.values, cmap="viridis", vmin=low, vmax=high, aspect="auto")
        axes.set_xlabel(f"layer of {language_name(grid.target)}", fontsize=8)
        axes.set_ylabel(f"layer of {language_name(grid.source)}", fontsize=8)
        axes.set_xticks(range(len(grid.target_layers)), map(tick, grid.target_layers), fontsize=6)
        axes.set_yticks(range(len(grid.source_layers)), map(tick, grid.source_layers), fontsize=6)
    for axes in list(figure.axes)[len(grids) :]:
        axes.remove()
    figure.colorbar(image, ax=figure.axes, shrink=0.8)


PART = Part(SECTION, "Comparison of layers", guides, payload=payload, drawings=drawings)
