"""Data, models, settings, code and machine: what another team needs to get the same numbers."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from babelscope.report.names import language_name
from babelscope.report.tables import Table
from babelscope.study.result import StudyResult
from babelscope.study.sections import SECTIONS


@dataclass(frozen=True, slots=True)
class Provenance:
    """How a study was made.

    Attributes:
        models: Models asked for and used.
        languages: Texts of each language.
        settings: Names and values.
        signatures: Signatures of the numbers, each once.
        warnings: Warnings with how many numbers each came with, the most frequent first.
        requests: Requests of the study.
    """

    models: Table
    languages: Table
    settings: Sequence[tuple[str, str]]
    signatures: Sequence[str]
    warnings: Sequence[tuple[str, int]]
    requests: Table


def provenance(result: StudyResult) -> Provenance:
    """How the numbers of a result were made."""
    records = [(section, record) for section in SECTIONS for record in section.records(result)]
    said = [row.signature for row in result.rows]
    said += [cells.get("signature", "") for section, record in records for cells in section.cells(record)]
    numbers = (*result.rows, *(record for _, record in records))
    warned = Counter(warning for each in numbers for warning in getattr(each, "warnings", ()))
    return Provenance(
        _models(result), _languages(result), _settings(result), list(dict.fromkeys(filter(None, said))),
        warned.most_common(), _requests(result),
    )  # fmt: skip


def _settings(result: StudyResult) -> list[tuple[str, str]]:
    made = result.provenance
    study = result.study
    commit = str(made.get("commit", ""))
    libraries = made.get("libraries", {})
    settings = [
        (
            "Pooling",
            f"{study['pooling']} over all tokens but special ones" if study["pooling"] == "mean" else "cls",
        ),
        ("Preprocessing", _preprocessing(study["standardise"], study["drop_top_variance"])),
        ("Alignment", f"{study['alignment']}, by sentence id, for each pair of languages"),
        ("Long texts", f"{study['overflow']} at the model’s maximum input, counted by language"),
        ("Babelscope", f"{made.get('babelscope', '')} {f'(commit {commit})' if commit else ''}".strip()),
        ("Libraries", ", ".join(f"{name} {version}" for name, version in libraries.items())),
        ("Machine", str(made.get("machine", ""))),
        ("Run", f"{made.get('date', '')}, {_steps(result)}"),
        ("Command", str(made.get("command", ""))),
    ]
    return [(name, value) for name, value in settings if value]


def _preprocessing(standardise: bool, drop: int) -> str:
    done = ["each dimension divided by its standard deviation"] if standardise else []
    done += [f"{drop} dimensions of largest variance removed"] if drop else []
    return ", ".join(done) or "none"


def _steps(result: StudyResult) -> str:
    reused = sum(step.reused for step in result.steps)
    seconds = sum(step.seconds for step in result.steps)
    return f"{len(result.steps)} requests, {reused} of them reused; {seconds:,.0f} s of computation in total"


def _models(result: StudyResult) -> Table:
    rows = [
        (
            use.label, use.used + (f" @ {use.revision}" if use.revision else ""), use.family, str(use.layers),
            str(use.hidden_size), str(use.max_tokens), f"{use.parameters / 1e6:,.1f} M", use.digest[:16],
        )
        for use in result.models
    ]  # fmt: skip
    head = ("Requested", "Used", "Family", "Layers", "Hidden size", "Maximum tokens", "Parameters", "Digest")
    return Table("Models", head, rows, words=frozenset({1, 2, 7}))


def _languages(result: StudyResult) -> Table:
    models = list(dict.fromkeys(use.used for use in result.models))
    head = ["Language", "Tag", "File", "Texts", "Missing ids", *(f"Truncated, {model}" for model in models), "Digest"]
    rows = [
        [
            language_name(each.language), each.language, f"{each.file} ({each.format})", f"{each.texts:,}",
            f"{each.missing:,}" + (f" ({', '.join(each.missing_examples[:3])} …)" if each.missing else ""),
            *(f"{each.truncated.get(model, 0):,}" for model in models), each.digest[:16],
        ]
        for each in result.languages
    ]  # fmt: skip
    return Table(
        "Texts. Truncated: longer than the model’s maximum input", head, rows, words=frozenset({1, 2, 4, len(head) - 1})
    )


def _requests(result: StudyResult) -> Table:
    rows = [
        (step.key[:16], step.summary, f"{step.seconds:,.1f}", step.computed, "yes" if step.reused else "no")
        for step in result.steps
    ]
    head = ("Key", "Request", "Seconds", "Computed", "Reused")
    return Table("Requests of this study", head, rows, words=frozenset({1, 3}))
