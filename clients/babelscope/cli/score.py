"""`babelscope score`: predictions against gold."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from babelscope.calls.scoring import COLUMNS, Scores
from babelscope.cli.console import ProgressReport, note
from babelscope.cli.options import FormatOption, MeshOptions, read_named, with_options
from babelscope.cli.output import Numbers, ResultOptions, file, write_rows
from babelscope.corpora import Options, read_examples
from babelscope.corpora.predictions import read_predictions
from babelscope.data.comparison import Estimate
from babelscope.data.examples import Example
from babelscope.data.items import KEYS

_SHOWN = ("metric", "estimator", "left", "right", "value", "low", "high", "n", "signature")
_ITEMS = "items.csv"


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("score")(score)


@with_options
def score(
    name: Annotated[
        str,
        typer.Argument(metavar="SCORE", help="Name of the score, such as qa; `babelscope list scores` names all."),
    ],
    *,
    prediction: Annotated[
        Path,
        typer.Option(
            "--prediction", metavar="FILE", help="Corpus of predictions; for qa also a JSON object of answers by id."
        ),
    ],
    gold: Annotated[Path, typer.Option("--gold", metavar="FILE", help="The same corpus with the gold annotation.")],
    source: Annotated[
        Path | None,
        typer.Option("--source", metavar="FILE", help="The same corpus in the source language, for convert_rate."),
    ] = None,
    language: Annotated[
        str, typer.Option("--language", help="BCP 47 tag, which chooses tokeniser and normaliser.")
    ] = "",
    option: Annotated[
        list[str] | None,
        typer.Option(
            "--option",
            metavar="NAME=VALUE",
            help="Option of the score, such as normaliser=mlqa or seed=1. May be repeated. "
            "`babelscope list scores SCORE` names all.",
        ),
    ] = None,
    format: FormatOption = None,  # noqa: A002
    items: Annotated[Path | None, file("the scores of each item", ".csv", ".json", name="--items")] = None,
    results: ResultOptions,
    mesh: MeshOptions,
) -> None:
    """Scores predictions against gold, with 95 % intervals.

    Files have the same ids. A missing one is an error, an empty line an empty prediction; questions that a JSON of
    answers leaves out count 0.
    """
    options = read_named(option or [], "--option")
    found = _predictions(name, prediction, format, language)
    right = read_examples(gold, format=format, options=Options(language=language))
    if source is not None:
        right = _with_source(right, source, gold, format)
    pairs = list(_paired(found, right, prediction, gold))
    by_item = items is not None or results.out is not None
    with mesh.open("metrics") as opened, ProgressReport("Scoring") as report:
        scores = opened.metrics.score(
            name, pairs, language=language, options=options, item_scores=by_item, progress=report.update
        )
    for warning in dict.fromkeys(warning for each in scores.estimates for warning in each.warnings):
        note(f"Beware: {warning}")
    results.give(Numbers(_record(scores), _tidy(scores), scores.table(), COLUMNS, _SHOWN))
    if scores.items is not None:
        for path in (items, results.out and results.out / _ITEMS):
            if path is not None:
                write_rows(scores.items.table(), (*KEYS, *scores.items.columns), path)


def _record(scores: Scores) -> dict[str, Any]:
    """All that is known of the figures; the scores of each item have a file of their own."""
    return {
        "kind": "score",
        "score": scores.score,
        "language": scores.language,
        "estimates": [asdict(each) for each in scores.estimates],
    }


def _tidy(scores: Scores) -> list[dict[str, Any]]:
    """A row a figure; in a cell of a confusion matrix the labels stand behind the estimator."""
    return [
        {
            "kind": "score",
            "metric": f"{scores.score}/{each.metric}",
            "estimator": " ".join(part for part in (each.estimator, _labels(each)) if part),
            "target": scores.language,
            "value": each.value,
            "low": each.low,
            "high": each.high,
            "n": each.n,
            "signature": each.signature,
        }
        for each in scores.estimates
    ]


def _labels(figure: Estimate) -> str:
    """The labels of a cell of a confusion matrix; empty for other figures."""
    return f"{figure.left} as {figure.right}" if figure.left or figure.right else ""


class _Answers(dict[str, Example]):
    """Predicted answers by id, where a question may lack one."""


def _predictions(name: str, file: Path, format: str | None, language: str) -> dict[str, Example]:  # noqa: A002
    """What was predicted, by id."""
    answers = read_predictions(file, language) if name == "qa" else None
    if answers is not None:
        return _Answers(answers)
    found: dict[str, Example] = {}
    for example in read_examples(file, format=format, options=Options(language=language, empty=True)):
        if example.id in found:
            raise typer.BadParameter(f"Expected each id once in {file}, but got {example.id!r} twice")
        found[example.id] = example
    return found


def _with_source(right: Iterator[Example], source: Path, gold: Path, format: str | None) -> Iterator[Example]:  # noqa: A002
    """Gold examples with the sentence of their id in the source language as the attribute that the score reads."""
    sentences: dict[str, str] = {}
    for example in read_examples(source, format=format):
        if not isinstance(example.content, str):
            raise typer.BadParameter(f"Expected running text in {source}, but {example.id!r} is none")
        sentences[example.id] = example.content
    for example in right:
        if example.id not in sentences:
            raise typer.BadParameter(f"Expected a sentence of {example.id!r} of {gold} in {source}, but got none")
        attributes: Mapping[str, str] = {**example.attributes, "source": sentences[example.id]}
        yield replace(example, attributes=attributes)


def _paired(
    found: dict[str, Example], right: Iterator[Example], prediction: Path, gold: Path
) -> Iterator[tuple[Example, Example]]:
    """Predictions with their gold, by id."""
    lenient = isinstance(found, _Answers)
    seen: set[str] = set()
    for example in right:
        if example.id in seen:
            raise typer.BadParameter(f"Expected each id once in {gold}, but got {example.id!r} twice")
        seen.add(example.id)
        if example.id not in found and not lenient:
            raise typer.BadParameter(f"Expected a prediction of {example.id!r} of {gold} in {prediction}, but got none")
        yield found.pop(example.id, Example(example.id, "", example.language)), example
    # Where gold has an empty line too, there is nothing to score.
    alone = next((name for name, example in found.items() if example.content), None)
    if alone is not None:
        raise typer.BadParameter(f"Expected gold in {gold} for all predictions, but {alone!r} has none")
