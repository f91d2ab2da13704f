"""The numbers that the page carries: the result's own, arranged by layer, nothing rounded."""

from collections.abc import Sequence
from typing import Any

from babelscope.report.guide import guide, label, meaning
from babelscope.report.names import language_name
from babelscope.report.numbers import LayerMeasure, Numbers, Series
from babelscope.report.parts import Part
from babelscope.study.result import StudyResult


def payload(result: StudyResult, numbers: Numbers, shown: Sequence[tuple[Part, Sequence[Any]]] = ()) -> dict[str, Any]:
    """The page's data: names for its menus, and series as arrays over each model's layers.

    A series is `{v, lo, hi, nm, ns, n, kept}`: value, interval, mean and spread of the null, by layer (null where that
    layer was not measured), rows, and for SVCCA the directions kept of both sides.

    Args:
        result: The result.
        numbers: Its series.
        shown: The page's parts with their records.
    """
    models = []
    for model in dict.fromkeys(use.used for use in result.models):
        use = next(each for each in result.models if each.used == model)
        layers = sorted({row.layer for row in result.rows if row.model == model})
        measures = {kind: numbers.measures(kind, model) for kind in ("similarity", "retrieval")}
        models.append(
            {
                "id": model,
                "label": use.label if not use.reason else f"{model} (for {use.label})",
                "blocks": use.layers,
                "layers": layers,
                "measures": {kind: [_measure(each) for each in listed] for kind, listed in measures.items()},
                "variants": [
                    {"id": each.reinit, "label": each.label, "layers": each.layers, "seed": each.seed}
                    for each in result.variants
                    if each.model == model
                ],
                "series": _series(numbers, model, layers, [*measures["similarity"], *measures["retrieval"]]),
            }
        )
    return {
        "name": result.study["name"],
        "sources": list(result.study["sources"]),
        "languages": [{"tag": each.language, "name": language_name(each.language)} for each in result.languages],
        "models": models,
        "sections": {part.section.key: part.payload(records, result) for part, records in shown if part.payload},
    }


def _measure(measure: LayerMeasure) -> dict[str, str]:
    said = {"meaning": meaning(measure), "beware": guide(measure).beware}
    return {"key": measure.key, "label": label(measure), **said}


def _series(
    numbers: Numbers, model: str, layers: list[int], measures: list[LayerMeasure]
) -> dict[str, dict[str, dict[str, Any]]]:
    found: dict[str, dict[str, dict[str, Any]]] = {measure.key: {} for measure in measures}
    for key, series in numbers.series.items():
        if key.model == model:
            by_variant = found[key.measure.key].setdefault(key.reinit, {})
            by_variant[f"{key.source} {key.target}"] = _arrays(series, layers)
    return found


def _arrays(series: Series, layers: list[int]) -> dict[str, Any]:
    rows = [series.at(layer) for layer in layers]
    arrays: dict[str, Any] = {
        "v": [row.value if row else None for row in rows],
        "lo": [row.low if row else None for row in rows],
        "hi": [row.high if row else None for row in rows],
        "nm": [row.null_mean if row else None for row in rows],
        "ns": [row.null_sd if row else None for row in rows],
        "n": series.rows[0].n,
    }
    if any(row.left_kept for row in series.rows):
        arrays["kept"] = [[row.left_kept, row.right_kept] if row else None for row in rows]
    return arrays
