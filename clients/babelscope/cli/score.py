"""`babelscope score`: predictions against gold."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from babelscope.calls.scoring import COLUMNS
from babelscope.cli.console import ProgressReport, note
from babelscope.cli.options import (
    CaOption,
    FormatOption,
    MeshOption,
    StoreOption,
    TokenOption,
    open_mesh,
    read_named,
)
from babelscope.cli.output import TableOption, check_table, show_rows, write_rows
from babelscope.corpora import Options, read_examples
from babelscope.corpora.predictions import read_predictions
from babelscope.data.examples import Example
from babelscope.data.items import KEYS

_SHOWN = ("metric", "estimator", "left", "right", "value", "low", "high", "n", "signature")


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("score")(score)


def score(
    name: Annotated[
        str, typer.Argument(metavar="SCORE", help="bleu1, convert_rate, qa, span_f1, tagging, parsing or nli.")
    ],
    *,
    prediction: Annotated[
        Path,
        typer.Option(
            "--prediction", metavar="FILE", help="A corpus with what was predicted; for qa also a JSON of id: answer."
        ),
    ],
    gold: Annotated[Path, typer.Option("--gold", metavar="FILE", help="The same corpus with what is right.")],
    source: Annotated[
        Path | None,
        typer.Option("--source", metavar="FILE", help="For convert_rate: the same corpus in the source language."),
    ] = None,
    language: Annotated[str, typer.Option("--language", help="BCP 47 tag: chooses tokens and normalisers.")] = "",
    option: Annotated[
        list[str] | None,
        typer.Option("--option", metavar="NAME=VALUE", help="Of the score: normaliser=mlqa, seed=1. May be repeated."),
    ] = None,
    format: FormatOption = None,  # noqa: A002
    out: TableOption = None,
    items: Annotated[
        Path | None,
        typer.Option("--items", metavar="FILE", help="A .csv or .json file for the scores of each item as well."),
    ] = None,
    mesh: MeshOption = None,
    store: StoreOption = None,
    ca: CaOption = None,
    token: TokenOption = None,
) -> None:
    """Scores predictions against gold, with 95 % intervals.

    Files have the same ids. A missing one is an error; questions that a JSON of answers leaves out count 0.
    """
    check_table(out)
    check_table(items)
    options = read_named(option or [], "--option")
    found = _predictions(name, prediction, format, language)
    right = read_examples(gold, format=format, options=Options(language=language))
    if source is not None:
        right = _with_source(right, source, gold, format)
    pairs = list(_paired(found, right, prediction, gold))
    with (
        open_mesh(mesh, ("metrics",), store=store, ca=ca, token=token) as opened,
        ProgressReport("Scoring") as report,
    ):
        scores = opened.metrics.score(
            name, pairs, language=language, options=options, item_scores=items is not None, progress=report.update
        )
    for warning in dict.fromkeys(warning for each in scores.estimates for warning in each.warnings):
        note(f"Beware: {warning}")
    if items is not None and scores.items is not None:
        write_rows(scores.items.table(), (*KEYS, *scores.items.columns), items)
    show_rows(scores.table(), _SHOWN if out is None else COLUMNS, out)


class _Answers(dict[str, Example]):
    """Predicted answers by id, where a question may lack one."""


def _predictions(name: str, file: Path, format: str | None, language: str) -> dict[str, Example]:  # noqa: A002
    """What was predicted, by id."""
    answers = read_predictions(file, language) if name == "qa" else None
    if answers is not None:
        return _Answers(answers)
    found: dict[str, Example] = {}
    for example in read_examples(file, format=format, options=Options(language=language)):
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
    for example in right:
        if example.id not in found and not lenient:
            raise typer.BadParameter(f"Expected a prediction of {example.id!r} of {gold} in {prediction}, but got none")
        yield found.pop(example.id, Example(example.id, "", example.language)), example
    if found:
        raise typer.BadParameter(f"Expected gold in {gold} for all predictions, but {next(iter(found))!r} has none")
