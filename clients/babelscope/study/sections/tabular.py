"""Tables of numbers that a study file names: CSV, or TSV where the name ends so, with a header."""

import csv
import math
from dataclasses import dataclass
from pathlib import Path

from babelscope.errors import StudyError


@dataclass(frozen=True, slots=True)
class NumberTable:
    """A table as text.

    Attributes:
        path: Its file.
        columns: Names of its columns.
        rows: Cells by column.
    """

    path: Path
    columns: tuple[str, ...]
    rows: tuple[dict[str, str], ...]

    def number(self, at: int, column: str) -> float:
        """A cell as a finite number.

        Raises:
            StudyError: It is none; names the line.
        """
        text = self.rows[at][column]
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise StudyError(f"{self.path}:{at + 2}: Expected a finite number in column {column!r}, but got {text!r}")
        return value


def read_table(path: Path, columns: tuple[str, ...]) -> NumberTable:
    """Reads a table that has at least these columns; lines that begin with `#` are comments.

    Raises:
        StudyError: The file cannot be read, lacks a column or has a row of another length.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise StudyError(f"{path}: Expected a readable table, but got: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise StudyError(f"{path}: Expected UTF-8, but got: {error.reason} at byte {error.start}") from error
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    reader = csv.reader(lines, delimiter="\t" if path.suffix == ".tsv" else ",")
    header = [cell.strip() for cell in next(reader, [])]
    for column in columns:
        if column not in header:
            raise StudyError(f"{path}: Expected a column {column!r}, but got {', '.join(header) or 'an empty file'}")
    rows = []
    for row in reader:
        if len(row) != len(header):
            raise StudyError(f"{path}: Expected {len(header)} cells in every row, but got {len(row)} in {row!r}")
        rows.append(dict(zip(header, (cell.strip() for cell in row), strict=True)))
    return NumberTable(path, tuple(header), tuple(rows))
