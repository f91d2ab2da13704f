"""Layer by layer heat maps: one figure with a menu of pairs, whatever their number."""

from collections.abc import Sequence
from typing import Any, Final

from babelscope.report.guide import Guide, guide, is_distance, label
from babelscope.report.names import language_name
from babelscope.report.numbers import Measure
from babelscope.report.parts.base import Part, figure, menu, span
from babelscope.study.result import StudyResult
from babelscope.study.sections.layer_grids import SECTION, Grid, Matrix

# Digits of the page's copy; results.json has them all.
_DIGITS: Final = 5


def markup(grids: Sequence[Grid], result: StudyResult) -> str:
    """The figure; its script fills it."""
    del grids, result
    inside = figure(
        "fig-grid",
        "Which layers meet?",
        "Similarity of every layer of one side with every layer of the other. A bright diagonal says that the two "
        "build the same things at the same depth; a bright block, that several layers hold the same.",
        "Heat map of similarity, layers of the left side by layers of the right side",
        menus=menu("grid-measure", "Measure") + menu("grid-pair", "Pair"),
        caption="grid-caption",
    )
    return f"<figure>{inside}</figure>"


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
    by_measure: dict[Measure, list[Grid]] = {}
    for grid in grids:
        by_measure.setdefault(_measure(grid), []).append(grid)
    found = []
    for measure, listed in by_measure.items():
        null = [value for grid in listed for row in grid.null_mean for value in row]
        found.append((guide(measure), f"Chance here over all pairs of layers: {span(null, 3)}."))
    return found


def _measure(grid: Grid) -> Measure:
    return Measure("similarity", grid.metric, grid.estimator)


def _rounded(matrix: Matrix) -> list[list[float]]:
    return [[round(value, _DIGITS) for value in row] for row in matrix]


PART = Part(SECTION, "Layer by layer", markup, guides, payload, "layer_grids.js")
