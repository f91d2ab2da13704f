"""Results of a command: tables on the standard output, files in a folder."""

import csv
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from babelscope.comparison import COLUMNS, Comparison


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
        "views": [{**asdict(view), **asdict(comparison.uses[view.name])} for view in comparison.views],
        "pairs": [asdict(pair) for pair in comparison.pairs],
        "estimates": [asdict(estimate) for estimate in comparison.estimates],
    }
    text = json.dumps(whole, ensure_ascii=False, indent=1)
    (folder / "results.json").write_text(f"{text}\n", encoding="utf-8")


def _short(value: object) -> str:
    """A cell for people."""
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def _whole(value: object) -> str:
    """A cell with all its digits."""
    return repr(value) if isinstance(value, float) else str(value)
