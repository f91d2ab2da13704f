"""Token translation: BLEU-1 and convert rate by layer and factor of the shift, token sets, and translated texts."""

from collections.abc import Iterable, Sequence
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from babelscope.report.drawing import MARKERS, PALETTE, Drawing, stem
from babelscope.report.findings import Finding
from babelscope.report.guide import Guide
from babelscope.report.names import language_name, layer_label, layer_name
from babelscope.report.parts.base import Part, span
from babelscope.report.tables import Table
from babelscope.study.result import StudyResult
from babelscope.study.sections.token_translation import SECTION
from babelscope.token_translation.records import ShiftFigure, ShiftScores, TokenTranslation

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MEASURES: Final = {
    "convert_rate": "Convert rate",
    "bleu1": "BLEU-1",
    "bleu1_precision": "Precision of BLEU-1",
    "brevity_penalty": "Brevity penalty",
}
_BY: Final = {"alpha": "Factor of the shift", "layer": "Layer of the shift"}
_GUIDES: Final = {
    "bleu1": Guide(
        "BLEU-1 of translated tokens",
        "Share of the predicted tokens that are in the reference translation, times a penalty for short outputs "
        "(Papineni et al. 2002), in per cent. Tokens are the model’s own pieces.",
        "It says nothing of the order of words. Tokens that both languages share, such as punctuation and names, count "
        "without being translated: compare it with the model’s output without a shift.",
    ),
    "convert_rate": Guide(
        "Convert rate",
        "Share of the predicted tokens that only the target language has, among those that one of the languages has to "
        "itself or none has (Liu et al. 2020, section 4.2.2).",
        "A token of the target language need not be a translation: large factors convert all tokens to frequent ones.",
    ),
}


def content(records: Sequence[TokenTranslation]) -> dict[str, list[Table]]:
    """The best settings, the token sets, and the samples."""
    return {"figures": [_best(records), _sets(records)], "samples": [each for one in records for each in _samples(one)]}


def _best(records: Sequence[TokenTranslation]) -> Table:
    """As table 2 of the paper: the best BLEU-1 of a direction, and convert rates at its layer."""
    alphas = list(dict.fromkeys(alpha for each in records for alpha in each.alphas))
    head = ["Direction", "Model", "Texts", "BLEU-1 without a shift", "Best BLEU-1", "Precision", "Brevity penalty",
            "Layer", "Factor", *(f"Convert rate by {alpha:g}" for alpha in alphas)]  # fmt: skip
    body = []
    for each in records:
        best = each.best
        rates = {one.alpha: one for one in each.shifted if one.layer == best.layer}
        body.append(
            [
                _direction(each), each.model, f"{each.texts:,}", _number(each.plain, "bleu1", 2),
                _number(best, "bleu1", 2), _number(best, "bleu1_precision", 2), _number(best, "brevity_penalty", 3),
                layer_label(best.layer), f"{best.alpha:g}",
                *(_number(rates[alpha], "convert_rate", 3) if alpha in rates else "–" for alpha in alphas),
            ]
        )  # fmt: skip
    return Table(
        "Best BLEU-1 of each direction; convert rates are those at its layer (Liu et al. 2020, table 2)", head, body,
        frozenset({1}),
    )  # fmt: skip


def _sets(records: Sequence[TokenTranslation]) -> Table:
    """As table 3 of the paper."""
    head = ["Direction", "Model", "Tokens of the source", "Tokens of the target", "Tokens of both",
            "Tokens in the source’s mean", "Tokens in the target’s mean"]  # fmt: skip
    body = [
        [
            _direction(each), each.model,
            *(f"{size:,}" for size in (each.source_set, each.target_set, each.shared_set, each.source_tokens,
                                       each.target_tokens)),
        ]
        for each in records
    ]  # fmt: skip
    caption = "Sizes of token sets (Liu et al. 2020, table 3), and numbers of tokens averaged"
    return Table(caption, head, body, frozenset({1}))


def _samples(found: TokenTranslation) -> list[Table]:
    """As table 1 of the paper, a table a text."""
    tables = []
    for sample in found.samples:
        body = [("Text", sample.source), ("Reference", sample.reference)]
        body += [
            ("Without a shift" if each.layer is None else f"Layer {each.layer}, by {each.alpha:g}", each.text)
            for each in sample.outputs
        ]
        caption = f"{sample.id}, {_direction(found)}, {found.model}"
        tables.append(Table(caption, ("", "Text or predicted tokens"), body, frozenset({1})))
    return tables


def payload(records: Sequence[TokenTranslation], result: StudyResult) -> list[dict[str, Any]]:
    """An entry a direction, measure and axis; nothing rounded."""
    del result
    several = len({each.model for each in records}) > 1
    entries = []
    for each in records:
        name = f"{_direction(each)}, {each.model}" if several else _direction(each)
        for metric, measure in _MEASURES.items():
            for by, axis in _BY.items():
                lines = [
                    {
                        "name": title, "x": [place for place, _ in listed], "v": [one.value for _, one in listed],
                        "lo": [one.low for _, one in listed], "hi": [one.high for _, one in listed],
                    }
                    for title, listed in _lines(each, metric, by)
                ]  # fmt: skip
                entries.append(
                    {
                        "name": name, "measure": measure, "by": axis, "layered": by == "layer", "lines": lines,
                        "plain": each.plain.value(metric), "n": each.texts,
                    }
                )  # fmt: skip
    return entries


def _lines(found: TokenTranslation, metric: str, by: str) -> Iterable[tuple[str, list[tuple[float, ShiftFigure]]]]:
    """A line a layer over factors, or a line a factor over layers."""
    if by == "alpha":
        groups = [
            (f"layer {layer}" if layer else "embeddings", [found.at(layer, alpha) for alpha in sorted(found.alphas)])
            for layer in found.layers
        ]
    else:
        groups = [
            (f"by {alpha:g}", [found.at(layer, alpha) for layer in sorted(found.layers)]) for alpha in found.alphas
        ]
    for title, settings in groups:
        pairs = [
            (float(each.layer or 0) if by == "layer" else each.alpha, figure)
            for each in settings
            for figure in each.figures
            if figure.metric == metric
        ]
        if pairs:
            yield title, pairs


def guides(records: Sequence[TokenTranslation]) -> list[tuple[Guide, str]]:
    """How to read both measures, with what the model says without a shift."""
    found = []
    for metric, digits in (("bleu1", 2), ("convert_rate", 3)):
        values = [value for each in records if (value := each.plain.value(metric)) is not None]
        said = f"Without a shift: {span(values, digits)}." if values else "Not determined without a shift."
        found.append((_GUIDES[metric], said))
    return found


def drawings(records: Sequence[TokenTranslation], result: StudyResult) -> list[Drawing]:
    """A figure a direction: figures 7, 8a and 8b of the paper side by side."""
    del result
    return [
        Drawing(
            stem(f"{each.model}.token_translation.{each.source}-{each.target}"),
            f"Token translation, {_direction(each)}, {each.model}",
            partial(_draw, found=each),
            (10.4, 3.6),
        )
        for each in records
    ]


def _draw(figure: "Figure", found: TokenTranslation) -> None:
    panels = (("convert_rate", "alpha"), ("bleu1", "alpha"), ("bleu1", "layer"))
    for axes, (metric, by) in zip(figure.subplots(1, len(panels)), panels, strict=True):
        for at, (title, listed) in enumerate(_lines(found, metric, by)):
            x, y = [place for place, _ in listed], [one.value for _, one in listed]
            axes.plot(x, y, c=PALETTE[at % len(PALETTE)], marker=MARKERS[at % len(MARKERS)], ms=4, lw=1.4, label=title)
        plain = found.plain.value(metric)
        if plain is not None:
            axes.axhline(plain, c="#777777", ls=":", lw=1.2, label="without a shift")
        axes.set_xlabel(_BY[by].lower())
        axes.set_ylabel(_MEASURES[metric])
        axes.set_ylim(bottom=0)
        axes.legend(fontsize=6, frameon=False)


def _direction(found: TokenTranslation) -> str:
    return f"{language_name(found.source)} → {language_name(found.target)}"


def _number(scores: ShiftScores, metric: str, digits: int) -> str:
    value = scores.value(metric)
    return "–" if value is None else f"{value:.{digits}f}"


def findings(records: Sequence[TokenTranslation], result: StudyResult) -> list[Finding]:
    """For each model, in how many directions a shift translates: Liu et al. 2020, section 4.2."""
    del result
    found = []
    for model in dict.fromkeys(each.model for each in records):
        listed = [each for each in records if each.model == model]
        rising = [each for each in listed if _rises(each)]
        better = [each for each in listed if (each.best.value("bleu1") or 0.0) > (each.plain.value("bleu1") or 0.0)]
        best = max(listed, key=lambda each: each.best.value("bleu1") or 0.0)
        found.append(
            Finding(
                f"{len(better)} of {len(listed)}",
                "directions in which a shift of hidden states raises BLEU-1",
                f"The convert rate of {model} grows with the factor of the shift in {len(rising)} of {len(listed)} "
                f"directions, and BLEU-1 rises above that without a shift in {len(better)}: token translation by the "
                f"difference of means (Liu et al. 2020) {_verdict(len(rising), len(better), len(listed))}. The best is "
                f"{_direction(best)} at {layer_name(best.best.layer)} by {best.best.alpha:g}: BLEU-1 "
                f"{_number(best.best, 'bleu1', 1)}, without a shift {_number(best.plain, 'bleu1', 1)}.",
            )
        )
    return found


def _rises(found: TokenTranslation) -> bool:
    """Whether the convert rate never falls as the factor grows, and ends higher, at the layer of the best BLEU-1."""
    if found.best.layer is None:
        return False
    alphas = sorted(alpha for alpha in found.alphas if alpha > 0)
    rates = [found.at(found.best.layer, alpha).value("convert_rate") for alpha in alphas]
    known = [rate for rate in [found.plain.value("convert_rate"), *rates] if rate is not None]
    return len(known) > 1 and all(b >= a for a, b in pairwise(known)) and known[-1] > known[0]


def _verdict(rising: int, better: int, directions: int) -> str:
    """Whether the effect appears in at least half of the directions."""
    if 2 * rising >= directions and 2 * better >= directions:
        return "appears here"
    return "appears here in part" if 2 * max(rising, better) >= directions else "does not appear here"


PART = Part(SECTION, "Token translation by shifts", guides, content, payload, drawings, findings)
