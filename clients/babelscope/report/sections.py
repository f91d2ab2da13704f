"""The parts of the page that need no script: head, findings, guides, tables, provenance."""

from collections.abc import Sequence
from html import escape

from babelscope.report.findings import Finding, find, leading
from babelscope.report.guide import Guide, guide, label
from babelscope.report.markup import facts, folded, table
from babelscope.report.names import language_name, metric_name
from babelscope.report.numbers import Measure, Numbers
from babelscope.study.result import ModelUse, StudyResult
from babelscope.study.sections import SECTIONS


def deck(result: StudyResult) -> str:
    """One line under the title: how much of what."""
    counts = [each.texts for each in result.languages]
    sentences = f"{counts[0]:,}" if len(set(counts)) == 1 else f"{min(counts):,} to {max(counts):,}"
    models = ", ".join(f"{use.used} ({use.layers} layers)" for use in {use.used: use for use in result.models}.values())
    date = str(result.provenance.get("date", ""))[:10]
    parts = [f"{len(result.languages)} languages", f"{sentences} parallel sentences each", models, date]
    return " · ".join(f"<span>{escape(part)}</span>" for part in parts if part)


def notices(result: StudyResult) -> str:
    """What a reader must know before the first number: another model than asked for, sentences missing or cut."""
    said = []
    for use in result.models:
        if use.reason:
            said.append(
                f"<strong>{escape(use.used)} stands in for {escape(use.asked)}.</strong> {escape(use.reason)} "
                f"The numbers below are those of {escape(use.used)}: do not read them as {escape(use.label)}’s."
            )
    missing = [each for each in result.languages if each.missing]
    if missing:
        listed = ", ".join(f"{language_name(each.language)} {each.missing:,}" for each in missing)
        said.append(
            f"<strong>Sentences are missing</strong> in {escape(listed)}. Each pair of languages uses the sentences "
            "that both have; no sentence was paired with another’s translation."
        )
    return "".join(f'<p class="notice">{text}</p>' for text in said)


def findings(result: StudyResult, numbers: Numbers, more: Sequence[Finding] = ()) -> str:
    """The findings of every model as cards, then those of the page's parts."""
    models = list(dict.fromkeys(use.used for use in result.models))
    parts = []
    for model in models:
        if len(models) > 1:
            parts.append(f"<h3>{escape(model)}</h3>")
        own = [*find(result, numbers, model), *(more if len(models) == 1 else ())]
        parts.append(f'<ul class="findings">{"".join(map(_card, own))}</ul>')
    if len(models) > 1 and more:
        parts.append(f'<h3>Beyond layers</h3><ul class="findings">{"".join(map(_card, more))}</ul>')
    return "".join(parts)


def _card(finding: Finding) -> str:
    return f"<li><b>{escape(finding.figure)}</b><i>{escape(finding.caption)}</i><p>{escape(finding.text)}</p></li>"


def guides(numbers: Numbers, models: Sequence[ModelUse], more: Sequence[tuple[Guide, str]] = ()) -> str:
    """How to read each measure, with the chance level that this study found.

    Args:
        numbers: All series.
        models: The models.
        more: Guides of the page's parts, each with its chance level.
    """
    cards: dict[str, str] = {}
    for use in models:
        for kind in ("similarity", "retrieval"):
            for measure in numbers.measures(kind, use.used):
                found = guide(measure)
                if found.title not in cards and found.meaning:
                    cards[found.title] = _guide(found, chance_text(numbers, measure, use.used))
    for found, chance in more:
        cards.setdefault(found.title, _guide(found, chance))
    return f'<div class="guides">{"".join(cards.values())}</div>'


def _guide(found: Guide, chance: str) -> str:
    return (
        f"<div><h3>{escape(found.title)}</h3><p>{escape(found.meaning)}</p>"
        f'<p class="chance">{escape(chance)}</p><p class="beware">{escape(found.beware)}</p></div>'
    )


def chance_text(numbers: Numbers, measure: Measure, model: str) -> str:
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
        return f"Chance here for {metric_name(measure.metric)}, among {among}: {span}."
    span = f"{low:.3f}" if f"{low:.3f}" == f"{high:.3f}" else f"{low:.3f} to {high:.3f}"
    return f"Chance here, with {among} shuffled: {span.replace('-', '−')}, by layer and pair."


def tables(result: StudyResult, numbers: Numbers) -> str:
    """The leading similarity and retrieval by language and layer, for every model as it is."""
    parts = []
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
            parts.append(table(caption, head, body))
    return "".join(parts)


def provenance(result: StudyResult) -> str:
    """Data, models, settings, code and machine: what another team needs to get the same numbers."""
    made = result.provenance
    study = result.study
    commit = str(made.get("commit", ""))
    libraries = made.get("libraries", {})
    settings = [
        (
            "Pooling",
            f"{study['pooling']} over tokens that are not special tokens" if study["pooling"] == "mean" else "cls",
        ),
        ("Preprocessing", _preprocessing(study["standardise"], study["drop_top_variance"])),
        ("Alignment", f"{study['alignment']}, by sentence id, pair by pair"),
        ("Long texts", f"{study['overflow']} at the model’s limit, counted by language"),
        ("Babelscope", f"{made.get('babelscope', '')} {f'(commit {commit})' if commit else ''}".strip()),
        ("Libraries", ", ".join(f"{name} {version}" for name, version in libraries.items())),
        ("Machine", str(made.get("machine", ""))),
        ("Run", f"{made.get('date', '')}, {_steps(result)}"),
        ("Again with", str(made.get("command", ""))),
    ]
    return (
        _models(result)
        + _languages(result)
        + facts((name, value) for name, value in settings if value)
        + _requests(result)
    )


def _preprocessing(standardise: bool, drop: int) -> str:
    done = ["each dimension divided by its standard deviation"] if standardise else []
    done += [f"{drop} dimensions of largest variance left out"] if drop else []
    return ", ".join(done) or "none: the hidden states as they are"


def _steps(result: StudyResult) -> str:
    reused = sum(step.reused for step in result.steps)
    seconds = sum(step.seconds for step in result.steps)
    return f"{len(result.steps)} requests, {reused} of them found done; {seconds:,.0f} s of computation in all"


def _models(result: StudyResult) -> str:
    rows = [
        (
            use.label, use.used + (f" @ {use.revision}" if use.revision else ""), use.family, str(use.layers),
            str(use.hidden_size), str(use.max_tokens), f"{use.parameters / 1e6:,.1f} M", use.digest[:16],
        )
        for use in result.models
    ]  # fmt: skip
    head = ("Asked for", "Used", "Family", "Layers", "Width", "Longest input", "Parameters", "Digest")
    return table("Models", head, rows, words=frozenset({1, 2, 7}))


def _languages(result: StudyResult) -> str:
    models = list(dict.fromkeys(use.used for use in result.models))
    head = ["Language", "Tag", "File", "Texts", "Missing ids", *(f"Cut, {model}" for model in models), "Digest"]
    rows = [
        [
            language_name(each.language), each.language, f"{each.file} ({each.format})", f"{each.texts:,}",
            f"{each.missing:,}" + (f" ({', '.join(each.missing_examples[:3])} …)" if each.missing else ""),
            *(f"{each.truncated.get(model, 0):,}" for model in models), each.digest[:16],
        ]
        for each in result.languages
    ]  # fmt: skip
    return table(
        "Texts. Cut: longer than the model takes, truncated", head, rows, words=frozenset({1, 2, 4, len(head) - 1})
    )


def _requests(result: StudyResult) -> str:
    records = [(section, record) for section in SECTIONS for record in section.records(result)]
    said = [row.signature for row in result.rows]
    said += [cells.get("signature", "") for section, record in records for cells in section.cells(record)]
    signatures = list(dict.fromkeys(filter(None, said)))
    shown = "".join(f"<li><code>{escape(each)}</code></li>" for each in signatures[:12])
    more = f"<p>… and {len(signatures) - 12:,} more in results.csv.</p>" if len(signatures) > 12 else ""
    warned: dict[str, int] = {}
    for each in (*result.rows, *(record for _, record in records)):
        for warning in getattr(each, "warnings", ()):
            warned[warning] = warned.get(warning, 0) + 1
    parts = [folded("Signatures of the numbers", f"<ul>{shown}</ul>{more}")]
    if warned:
        listed = sorted(warned.items(), key=lambda item: -item[1])[:20]
        parts.append(
            folded("Warnings that came with the numbers", facts((f"{count:,} numbers", text) for text, count in listed))
        )
    rows = [
        (step.key[:16], step.summary, f"{step.seconds:,.1f}", step.computed, "yes" if step.reused else "no")
        for step in result.steps
    ]
    head = ("Key", "Asked", "Seconds", "Computed", "Found done")
    parts.append(folded("Requests", table("Requests of this study", head, rows, words=frozenset({1, 3}))))
    return "".join(parts)
