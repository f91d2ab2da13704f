"""`babelscope score` and `babelscope correlate`: predictions against gold, and two columns of numbers."""

import csv
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

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
from babelscope.cli.output import print_table
from babelscope.corpora import Options, read_examples
from babelscope.corpora.examples import Example

_SHOWN = ("metric", "estimator", "left", "right", "value", "low", "high", "n", "signature")
_CORRELATION = ("method", "value", "low", "high", "p_value", "n", "signature")


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command("score")(score)
    app.command("correlate")(correlate)


def score(
    name: Annotated[
        str, typer.Argument(metavar="SCORE", help="bleu1, convert_rate, qa, span_f1, tagging, parsing or nli.")
    ],
    *,
    prediction: Annotated[Path, typer.Option("--prediction", metavar="FILE", help="A corpus with what was predicted.")],
    gold: Annotated[Path, typer.Option("--gold", metavar="FILE", help="The same corpus with what is right.")],
    language: Annotated[str, typer.Option("--language", help="BCP 47 tag: chooses tokens and normalisers.")] = "",
    option: Annotated[
        list[str] | None,
        typer.Option("--option", metavar="NAME=VALUE", help="Of the score: normaliser=mlqa, seed=1. May be repeated."),
    ] = None,
    format: FormatOption = None,  # noqa: A002
    mesh: MeshOption = None,
    store: StoreOption = None,
    ca: CaOption = None,
    token: TokenOption = None,
) -> None:
    """Scores predictions against gold, with 95 % intervals. Both files have the same ids; a missing id is an error."""
    options = read_named(option or [], "--option")
    corpus = Options(language=language)
    found_ids = {example.id: example for example in read_examples(prediction, format=format, options=corpus)}
    items = list(_paired(found_ids, read_examples(gold, format=format, options=corpus), prediction, gold))
    with (
        open_mesh(mesh, ("metrics",), store=store, ca=ca, token=token) as opened,
        ProgressReport("Scoring") as report,
    ):
        found = opened.metrics.score(name, items, language=language, options=options, progress=report.update)
    for warning in dict.fromkeys(warning for each in found.estimates for warning in each.warnings):
        note(f"Beware: {warning}")
    print_table(found.table(), _SHOWN)


def correlate(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A CSV file with a header.")],
    *,
    x: Annotated[str, typer.Option("--x", metavar="COLUMN", help="First column.")],
    y: Annotated[str, typer.Option("--y", metavar="COLUMN", help="Second column.")],
    method: Annotated[
        list[str] | None, typer.Option("--method", help="pearson, spearman, kendall; all with none. May be repeated.")
    ] = None,
    permutations: Annotated[int, typer.Option("--permutations", min=1, help="Of the test.")] = 10_000,
    seed: Annotated[int, typer.Option("--seed", help="Of the permutations.")] = 0,
    mesh: MeshOption = None,
    store: StoreOption = None,
    ca: CaOption = None,
    token: TokenOption = None,
) -> None:
    """Correlations of two columns of numbers, with 95 % intervals and permutation p-values."""
    with file.open(encoding="utf-8", newline="") as opened_file:
        rows = list(csv.DictReader(opened_file))
    first, second = (_numbers(rows, column, file) for column in (x, y))
    with open_mesh(mesh, ("metrics",), store=store, ca=ca, token=token) as opened:
        found = opened.metrics.correlate(first, second, method or [], permutations=permutations, seed=seed)
    print_table([asdict(each) for each in found.values()], _CORRELATION)


def _paired(
    found: dict[str, Example], right: Iterator[Example], prediction: Path, gold: Path
) -> Iterator[tuple[Example, Example]]:
    """Predictions with their gold, by id."""
    for example in right:
        if example.id not in found:
            raise typer.BadParameter(f"Expected a prediction of {example.id!r} of {gold} in {prediction}, but got none")
        yield found.pop(example.id), example
    if found:
        raise typer.BadParameter(f"Expected gold in {gold} for all predictions, but {next(iter(found))!r} has none")


def _numbers(rows: list[dict[str, str]], column: str, file: Path) -> list[float]:
    """A column of a table as numbers."""
    if rows and column not in rows[0]:
        raise typer.BadParameter(f"Expected a column of {', '.join(rows[0])} in {file}, but got {column!r}")
    try:
        return [float(row[column]) for row in rows]
    except (TypeError, ValueError) as error:
        raise typer.BadParameter(f"Expected numbers in column {column!r} of {file}: {error}") from None
