"""Results of a command: a table on the standard output, a folder with `--out`, or one file with `--output`."""

import csv
import io
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.table import Table

from babelscope.cli.console import note
from babelscope.data.atomic import whole, write_atomically
from babelscope.data.comparison import TIDY_COLUMNS, Comparison, ViewUse

RESULTS: Final = "results.json"
TABLE: Final = "results.csv"
_FILES: Final = (".csv", ".tsv", ".json", ".jsonl", ".npz", ".npy", ".txt", ".html", ".svg", ".yaml", ".parquet", ".gz")
"""Endings that only the name of a file has."""


def _folder(context: typer.Context, path: Path | None) -> Path | None:
    """Refuses the name of a file where a folder is expected."""
    if path is None or context.resilient_parsing:
        return path
    if path.suffix.lower() in _FILES or path.is_file():
        named = any("--output" in each.opts for each in context.command.params)
        other = "use `--output` for one file" if named else "this command has no `--output` for one file"
        raise typer.BadParameter(f"Expected the name of a folder, but got the file {path}: {other}")
    return path


def folder(contents: str) -> Any:
    """The option `--out`: a folder for all results.

    Args:
        contents: What the folder receives, as an item of a list.
    """
    return typer.Option("--out", metavar="DIR", callback=_folder, help=f"Folder for {contents}.")


def file(contents: str, *endings: str, name: str = "--output") -> Any:
    """The option `--output`, or another of its kind: one file.

    Args:
        contents: What the file holds, as an item of a list.
        endings: Endings that its name may have.
        name: Name of the option.
    """

    def check(path: Path | None) -> Path | None:
        if path is None:
            return None
        if path.suffix.lower() not in endings:
            raise typer.BadParameter(f"Expected {name} to end in {' or '.join(endings)}, but got {path}")
        if not path.absolute().parent.is_dir():
            raise typer.BadParameter(f"Expected {name} in a folder that exists, but got {path}")
        return path

    return typer.Option(name, metavar="FILE", callback=check, help=f"File for {contents} ({' or '.join(endings)}).")


@dataclass(frozen=True, slots=True)
class ResultOptions:
    """Where a command's numbers go: to a folder, to one file, to both, or else to the standard output."""

    out: Annotated[Path | None, folder("results.json and results.csv")] = None
    output: Annotated[Path | None, file("the numbers", ".csv", ".json")] = None

    def give(self, numbers: "Numbers") -> None:
        """Writes the numbers where the options say, or prints them.

        Raises:
            OSError: A file cannot be written.
        """
        if self.out is not None:
            write_results(self.out, numbers.record, numbers.tidy)
            note(f"{len(numbers.tidy)} numbers: {self.out / TABLE}, {self.out / RESULTS}")
        if self.output is not None:
            write_rows(numbers.rows, numbers.columns, self.output)
            note(f"{len(numbers.rows)} rows: {self.output}")
        if self.out is None and self.output is None:
            print_table(numbers.rows, numbers.shown or numbers.columns)


@dataclass(frozen=True, slots=True)
class Numbers:
    """The result of a command, in each of its forms.

    Args:
        record: All that is known, for `results.json`.
        tidy: One number a row, for `results.csv`; columns of `TIDY_COLUMNS`, those that do not apply left out.
        rows: The command's own table, for one file and for the standard output.
        columns: Columns of that table.
        shown: The columns that are printed; all if empty.
    """

    record: Mapping[str, Any]
    tidy: Sequence[Mapping[str, Any]]
    rows: Sequence[Mapping[str, Any]]
    columns: Sequence[str]
    shown: Sequence[str] = ()


def comparison_numbers(found: Comparison, shown: Sequence[str]) -> Numbers:
    """The numbers of a comparison or retrieval."""
    record = {
        "kind": found.kind,
        "state": found.state,
        "views": [{**asdict(view), **asdict(found.uses.get(view.name, ViewUse()))} for view in found.views],
        "pairs": [asdict(pair) for pair in found.pairs],
        "estimates": [asdict(estimate) for estimate in found.estimates],
    }
    table = [{**dict.fromkeys(TIDY_COLUMNS), **row} for row in found.table()]
    return Numbers(record, table, table, TIDY_COLUMNS, shown)


def print_table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """Prints rows: a table on a terminal, tab-separated values elsewhere."""
    console = Console()
    if console.is_terminal:
        table = Table(*columns)
        for row in rows:
            table.add_row(*(_short(row[column]) for column in columns))
        console.print(table)
    else:
        writer = csv.writer(sys.stdout, delimiter="\t", lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([_whole(row[column]) for column in columns] for row in rows)


def write_results(out: Path, record: Mapping[str, Any], tidy: Iterable[Mapping[str, Any]]) -> None:
    """Writes `results.json`, with all that is known, and `results.csv`, the tidy table.

    Raises:
        OSError: The folder cannot be made or written to.
    """
    text = json.dumps(record, ensure_ascii=False, indent=1)
    write_atomically(out / RESULTS, f"{text}\n")
    write_rows(({column: row.get(column) for column in TIDY_COLUMNS} for row in tidy), TIDY_COLUMNS, out / TABLE)


def write_rows(rows: Iterable[Mapping[str, Any]], columns: Sequence[str], path: Path) -> None:
    """Writes rows as CSV, or as a JSON list of objects where the path ends in `.json`; whole or not at all.

    Raises:
        OSError: The file cannot be written.
    """
    if path.suffix.lower() == ".json":
        chosen = [{column: row[column] for column in columns} for row in rows]
        write_atomically(path, f"{json.dumps(chosen, ensure_ascii=False, indent=1)}\n")
        return
    with whole(path) as raw:
        text = io.TextIOWrapper(raw, encoding="utf-8", newline="")
        try:
            writer = csv.writer(text, lineterminator="\n")
            writer.writerow(columns)
            writer.writerows([_whole(row[column]) for column in columns] for row in rows)
        finally:
            text.detach()


def _short(value: object) -> str:
    """A cell for people."""
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def _whole(value: object) -> str:
    """A cell with all its digits; empty for None."""
    return repr(value) if isinstance(value, float) else "" if value is None else str(value)
