"""Static figures as SVG, for a paper or a slide."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from babelscope.report.drawing import PALETTE, Drawing, save, stem
from babelscope.report.findings import leading
from babelscope.report.guide import label
from babelscope.report.names import language_name
from babelscope.report.numbers import LayerMeasure, Numbers, Series, chance_by_layer, mean_by_layer
from babelscope.report.parts import PARTS
from babelscope.study.result import StudyResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def write_figures(result: StudyResult, folder: Path) -> list[Path]:
    """Writes the figures of a result and gives their paths.

    For every model: similarity by layer, the same as a heat map, REF against RANDOM-INIT, and retrieval by layer; then
    those of the report's parts.

    Raises:
        ImportError: Matplotlib is not installed (extra `report`).
    """
    numbers = Numbers(result)
    source = str(result.study["sources"][0])
    written: list[Path] = []
    for model in dict.fromkeys(use.used for use in result.models):
        similarity = leading(numbers.measures("similarity", model), "similarity")
        retrieval = leading(numbers.measures("retrieval", model), "retrieval")
        for name, measure, draw in (
            ("similarity", similarity, _lines),
            ("layers-by-languages", similarity, _heat),
            ("retrieval", retrieval, _lines),
        ):
            listed = numbers.from_source(measure, model, "", source) if measure else {}
            if measure and listed:
                title = f"{label(measure)}, {language_name(source)} to X, {model}"
                drawn = partial(draw, listed=listed, measure=measure)
                written.append(_save(folder, f"{stem(model)}.{name}", title, drawn))
        groups = _groups(result, numbers, similarity, model) if similarity else {}
        if similarity and groups:
            title = f"{label(similarity)}, {language_name(source)} to X, mean, {model}"
            plain = numbers.from_source(similarity, model, "", source)
            drawn = partial(_random_init, plain=plain, groups=groups, measure=similarity)
            written.append(_save(folder, f"{stem(model)}.random-init", title, drawn))
    for part in PARTS:
        records = part.section.records(result)
        if records and part.drawings:
            written += [save(drawing, folder) for drawing in part.drawings(records, result)]
    return written


def _groups(result: StudyResult, numbers: Numbers, measure: LayerMeasure, model: str) -> dict[str, list[Series]]:
    """By group of layers, the series from the first source under RANDOM-INIT, all seeds together."""
    source = str(result.study["sources"][0])
    found: dict[str, list[Series]] = {}
    for variant in result.variants:
        if variant.model == model and variant.reinit:
            listed = numbers.from_source(measure, model, variant.reinit, source).values()
            found.setdefault(variant.label, []).extend(listed)
    return {name: listed for name, listed in found.items() if listed}


def _save(folder: Path, name: str, title: str, draw: "Callable[[Axes], None]") -> Path:
    return save(Drawing(name, title, lambda figure: draw(figure.add_subplot())), folder)


def _lines(axes: "Axes", listed: dict[str, Series], measure: LayerMeasure) -> None:
    _chance(axes, listed)
    order = sorted(listed, key=lambda language: -listed[language].peak.value)
    for at, language in enumerate(order):
        series = listed[language]
        colour, dash = PALETTE[at % len(PALETTE)], ("-", "--", ":")[at // len(PALETTE) % 3]
        axes.plot(series.layers, series.values, dash, color=colour, lw=1.4, label=language_name(language))
        lows, highs = [row.low for row in series.rows], [row.high for row in series.rows]
        axes.fill_between(series.layers, lows, highs, color=colour, alpha=0.12, lw=0)
    _finish(axes, measure, list(mean_by_layer(listed.values())))


def _heat(axes: "Axes", listed: dict[str, Series], measure: LayerMeasure) -> None:
    order = sorted(listed, key=lambda language: -listed[language].peak.value)
    layers = list(mean_by_layer(listed.values()))
    values = [[_value(listed[language], layer) for layer in layers] for language in order]
    image = axes.imshow(values, cmap="viridis", aspect="auto", vmin=min(0.0, *(min(row) for row in values)))
    axes.set_yticks(range(len(order)), [language_name(language) for language in order])
    axes.set_xticks(range(len(layers)), ["emb" if layer == 0 else str(layer) for layer in layers])
    axes.set_xlabel("layer")
    figure = axes.get_figure()
    if figure is not None:
        figure.colorbar(image, ax=axes, label=label(measure))


def _random_init(
    axes: "Axes", plain: dict[str, Series], groups: dict[str, list[Series]], measure: LayerMeasure
) -> None:
    _chance(axes, plain)
    for at, (name, listed) in enumerate(groups.items()):
        means = mean_by_layer(listed)
        colour = PALETTE[at % len(PALETTE)]
        axes.plot(list(means), list(means.values()), "o-", ms=3, lw=1.4, color=colour, label=f"layers {name}")
    means = mean_by_layer(plain.values())
    axes.plot(list(means), list(means.values()), "ko-", ms=3, lw=2, label="REF")
    _finish(axes, measure, list(means))


def _chance(axes: "Axes", listed: dict[str, Series]) -> None:
    chance = chance_by_layer(listed.values())
    lows = [mean - 2 * spread for mean, spread in chance.values()]
    highs = [mean + 2 * spread for mean, spread in chance.values()]
    axes.fill_between(list(chance), lows, highs, color="#777777", alpha=0.25, lw=0)
    axes.plot(list(chance), [mean for mean, _ in chance.values()], ":", color="#777777", lw=1.2, label="chance")


def _finish(axes: "Axes", measure: LayerMeasure, layers: list[int]) -> None:
    axes.set_xlabel("layer")
    axes.set_ylabel(label(measure))
    axes.set_xticks(layers, ["emb" if layer == 0 else str(layer) for layer in layers])
    axes.legend(fontsize=7, frameon=False, loc="center left", bbox_to_anchor=(1.01, 0.5))


def _value(series: Series, layer: int) -> float:
    row = series.at(layer)
    return row.value if row else float("nan")
