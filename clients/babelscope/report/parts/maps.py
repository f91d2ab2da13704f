"""The course of maps by step, and what they find among unseen sentences by layer."""

from collections.abc import Sequence
from typing import Any, Final

from babelscope.report.findings import Finding, percent
from babelscope.report.guide import Guide
from babelscope.report.names import language_name, layer_name
from babelscope.report.parts.base import Part, interval, span
from babelscope.report.tables import Table
from babelscope.study.result import StudyResult
from babelscope.study.sections.maps import SECTION, Mapped, Precision

_GUIDE: Final = Guide(
    "Maps between languages",
    "A linear map takes the sentences of one language to those of another. The criterion is what the method "
    "optimises. P@1 is the share of unseen sentences whose nearest neighbour is their translation, with and without "
    "the map.",
    "Methods have different criteria: compare curves of one method only. The dictionary is induced among the "
    "sentences on which the map was fitted; a supervised method has seen their translations.",
)


def tables(records: Sequence[Mapped]) -> list[Table]:
    """All maps, a table a pair of languages."""
    grouped: dict[str, list[Mapped]] = {}
    for each in records:
        grouped.setdefault(_pair(each), []).append(each)
    head = (
        "Method", "Layer", "Seed", "Steps", "Criterion", "Fitted on", "Dictionary", "Correct entries",
        "P@1 without map", "P@1 with map", "Chance level",
    )  # fmt: skip
    return [Table(pair, head, [_row(each) for each in listed]) for pair, listed in grouped.items()]


def _row(each: Mapped) -> list[str]:
    plain, mapped = _csls(each, mapped=False), _csls(each, mapped=True)
    share = f"{100 * each.right / each.induced:.1f} %" if each.induced else "–"
    return [
        each.label, "emb" if each.layer == 0 else str(each.layer), str(each.seed), str(len(each.trace)),
        f"{each.trace[-1]:.4g}".replace("-", "−"), f"{each.fitted:,}", f"{each.induced:,}", share,
        interval(plain.value, plain.low, plain.high) if plain else "–",
        interval(mapped.value, mapped.low, mapped.high) if mapped else "not affine",
        f"{plain.null_mean:.4f}" if plain else "–",
    ]  # fmt: skip


def payload(records: Sequence[Mapped], result: StudyResult) -> list[dict[str, Any]]:
    """An entry a map, nothing rounded."""
    del result
    return [
        {
            "pair": _pair(each), "method": each.label, "layer": each.layer, "seed": each.seed, "trace": each.trace,
            "plain": _figures(_csls(each, mapped=False)), "mapped": _figures(_csls(each, mapped=True)),
        }
        for each in records
    ]  # fmt: skip


def guides(records: Sequence[Mapped]) -> list[tuple[Guide, str]]:
    """How to read a map."""
    null = [100 * one.null_mean for each in records for one in each.precision]
    if not null:
        return [(_GUIDE, "Without retrieval there is no chance level.")]
    return [(_GUIDE, f"Chance level of P@1 among unseen sentences: {span(null, 2)} %.")]


def _csls(each: Mapped, *, mapped: bool) -> Precision | None:
    """P@1 by CSLS from source to target."""
    return next(
        (
            one
            for one in each.precision
            if (one.mapped, one.estimator, one.source, one.target) == (mapped, "csls", each.source, each.target)
        ),
        None,
    )


def _figures(one: Precision | None) -> dict[str, float] | None:
    return {"v": one.value, "lo": one.low, "hi": one.high, "nm": one.null_mean, "n": one.n} if one else None


def _pair(each: Mapped) -> str:
    return f"{language_name(each.source)} → {language_name(each.target)}, {each.model}"


def findings(records: Sequence[Mapped], result: StudyResult) -> list[Finding]:
    """For every method and model, P@1 with and without the map at the layer where most is found without, over pairs."""
    del result
    grouped: dict[tuple[str, str], list[Mapped]] = {}
    for each in records:
        if _csls(each, mapped=True):
            grouped.setdefault((each.label, each.model), []).append(each)
    found = []
    for (name, model), listed in grouped.items():
        before, after = (_means(listed, mapped=mapped) for mapped in (False, True))
        best, top = (max(means, key=lambda layer: (means[layer], -layer)) for means in (before, after))
        pairs = len({(each.source, each.target) for each in listed})
        found.append(
            Finding(
                f"{percent(before[best]).removesuffix(' %')} → {percent(after[top])}",
                f"P@1 of unseen sentences without and with {name}, each at its best layer",
                f"Among sentences not used to fit the maps, P@1 of {model} is {percent(before[best])} at "
                f"{layer_name(best)} without a map and {percent(after[top])} at {layer_name(top)} with {name}; means "
                f"over {pairs} {'pair' if pairs == 1 else 'pairs'} of languages.",
            )
        )
    return found


def _means(listed: Sequence[Mapped], *, mapped: bool) -> dict[int, float]:
    """P@1 by layer, the mean over pairs and seeds."""
    values: dict[int, list[float]] = {}
    for each in listed:
        if one := _csls(each, mapped=mapped):
            values.setdefault(each.layer, []).append(one.value)
    return {layer: sum(found) / len(found) for layer, found in values.items()}


PART = Part(SECTION, "Maps", guides, tables, payload, findings=findings)
