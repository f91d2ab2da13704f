"""What the page shows without a script, as plain data: head, findings, guides, tables."""

from collections.abc import Sequence

from babelscope.report.findings import Finding, find, leading
from babelscope.report.guide import Guide, guide, label
from babelscope.report.names import language_name, metric_name
from babelscope.report.numbers import LayerMeasure, Numbers
from babelscope.report.tables import Table
from babelscope.study.result import ModelUse, StudyResult


def deck(result: StudyResult) -> list[str]:
    """The line under the title, in pieces: how much of what."""
    counts = [each.texts for each in result.languages]
    sentences = f"{counts[0]:,}" if len(set(counts)) == 1 else f"{min(counts):,} to {max(counts):,}"
    models = ", ".join(f"{use.used} ({use.layers} layers)" for use in {use.used: use for use in result.models}.values())
    date = str(result.provenance.get("date", ""))[:10]
    parts = [f"{len(result.languages)} languages", f"{sentences} parallel sentences each", models, date]
    return [part for part in parts if part]


def findings(result: StudyResult, numbers: Numbers, more: Sequence[Finding] = ()) -> list[tuple[str, list[Finding]]]:
    """Findings of each model, then those of the page's parts, each list with its heading; one alone has none."""
    models = list(dict.fromkeys(use.used for use in result.models))
    found = [(model, find(result, numbers, model)) for model in models]
    if len(models) == 1:
        return [("", [*found[0][1], *more])]
    return [*found, ("Further findings", list(more))] if more else found


def guides(
    numbers: Numbers, models: Sequence[ModelUse], more: Sequence[tuple[Guide, str]] = ()
) -> list[tuple[Guide, str]]:
    """How to read each measure, with the chance level that this study found.

    Args:
        numbers: All series.
        models: The models.
        more: Guides of the page's parts, each with its chance level.
    """
    found: dict[str, tuple[Guide, str]] = {}
    for use in models:
        for kind in ("similarity", "retrieval"):
            for measure in numbers.measures(kind, use.used):
                each = guide(measure)
                if each.title not in found and each.meaning:
                    found[each.title] = each, chance_text(numbers, measure, use.used)
    for each, chance in more:
        found.setdefault(each.title, (each, chance))
    return list(found.values())


def chance_text(numbers: Numbers, measure: LayerMeasure, model: str) -> str:
    """The chance level of a measure over all its rows, in a sentence."""
    rows = [row for series in numbers.of(measure, model) for row in series.rows]
    low = min(row.null_mean for row in rows)
    high = max(row.null_mean for row in rows)
    least, most = min(row.n for row in rows), max(row.n for row in rows)
    among = f"{least:,} sentences" if least == most else f"{least:,} to {most:,} sentences"
    if measure.kind == "retrieval":
        digits = 2 if high < 0.01 else 1
        span = (
            f"{100 * low:.{digits}f} %"
            if f"{low:.6f}" == f"{high:.6f}"
            else f"{100 * low:.{digits}f} to {100 * high:.{digits}f} %"
        )
        return f"Chance level of {metric_name(measure.metric)} among {among}: {span}."
    span = f"{low:.3f}" if f"{low:.3f}" == f"{high:.3f}" else f"{low:.3f} to {high:.3f}"
    return f"Chance level, from {among} shuffled: {span.replace('-', '−')}, by layer and pair."


def tables(result: StudyResult, numbers: Numbers) -> list[Table]:
    """The leading similarity and retrieval by language and layer, for every model as it is."""
    found = []
    source = str(result.study["sources"][0])
    for model in dict.fromkeys(use.used for use in result.models):
        for kind in ("similarity", "retrieval"):
            measure = leading(numbers.measures(kind, model), kind)
            if measure is None:
                continue
            listed = numbers.from_source(measure, model, "", source)
            layers = sorted({layer for series in listed.values() for layer in series.layers})
            body = []
            for language, series in sorted(listed.items(), key=lambda item: -item[1].peak.value):
                rows = [series.at(layer) for layer in layers]
                body.append([language_name(language), *(f"{row.value:.3f}" if row else "" for row in rows)])
            arrow = "→" if kind == "retrieval" else "–"
            caption = f"{label(measure)}, {language_name(source)} {arrow} X, by layer, {model}"
            head = ["", *("emb" if layer == 0 else str(layer) for layer in layers)]
            found.append(Table(caption, head, body))
    return found
