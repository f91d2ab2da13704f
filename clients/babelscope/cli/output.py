"""Results of a command: tables on the standard output, files in a folder."""

import csv
import io
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import typer
from rich.console import Console
from rich.table import Table

from babelscope.data.comparison import COLUMNS, Comparison, ViewUse

TableOption = Annotated[
    Path | None,
    typer.Option("--out", metavar="FILE", help="A .csv or .json file for the numbers; a table with none."),
]


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


def check_table(path: Path | None, *endings: str) -> None:
    """Refuses a file that could not be written at the end of the work.

    Args:
        path: None for none.
        endings: That it may have; `.csv` and `.json` where none are given.

    Raises:
        typer.BadParameter: Its folder does not exist, or it has another ending.
    """
    allowed = endings or (".csv", ".json")
    if path is None:
        return
    if path.suffix.lower() not in allowed:
        raise typer.BadParameter(f"Expected a file that ends in {' or '.join(allowed)}, but got {path}")
    if not path.parent.is_dir():
        raise typer.BadParameter(f"Expected a file in a folder that exists, but got {path}")


def show_rows(rows: Iterable[Mapping[str, Any]], columns: Sequence[str], out: Path | None) -> None:
    """Prints rows where `out` is None, otherwise writes them to that file.

    Raises:
        OSError: The file cannot be written.
    """
    if out is None:
        print_table(list(rows), columns)
    else:
        write_rows(rows, columns, out)


def write_rows(rows: Iterable[Mapping[str, Any]], columns: Sequence[str], path: Path) -> None:
    """Writes rows as CSV, or as a JSON list of objects where the path ends in `.json`; whole or not at all.

    Raises:
        OSError: The file cannot be written.
    """
    if path.suffix.lower() == ".json":
        chosen = [{column: row[column] for column in columns} for row in rows]
        data = json.dumps(chosen, ensure_ascii=False, indent=1)
        with whole(path) as file:
            file.write(f"{data}\n".encode())
        return
    with whole(path) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([_whole(row[column]) for column in columns] for row in rows)
        text.detach()


@contextmanager
def whole(path: Path) -> Iterator[BinaryIO]:
    """A file that appears under its name when all is written, or not at all.

    Raises:
        OSError: It cannot be written.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        with partial.open("wb") as file:
            yield file
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_comparison(comparison: Comparison, folder: Path) -> None:
    """Writes `results.json`, with all that is known, and `results.csv`, the tidy table.

    Raises:
        OSError: The folder cannot be made or written to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "results.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows([_whole(row[column]) for column in COLUMNS] for row in comparison.table())
    whole = {
        "kind": comparison.kind,
        "state": comparison.state,
        "views": [{**asdict(view), **asdict(comparison.uses.get(view.name, ViewUse()))} for view in comparison.views],
        "pairs": [asdict(pair) for pair in comparison.pairs],
        "estimates": [asdict(estimate) for estimate in comparison.estimates],
    }
    text = json.dumps(whole, ensure_ascii=False, indent=1)
    (folder / "results.json").write_text(f"{text}\n", encoding="utf-8")


def _short(value: object) -> str:
    """A cell for people."""
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def _whole(value: object) -> str:
    """A cell with all its digits; empty for None."""
    return repr(value) if isinstance(value, float) else "" if value is None else str(value)
