"""Columns of tables that commands read: CSV, or tab-separated values as commands print them."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import typer

from babelscope.corpora.files import read_whole


@dataclass(frozen=True, slots=True)
class Columns:
    """A table with a header.

    Args:
        file: File that the table was read from.
        names: Names of its columns.
        rows: The line on which each row ends, and its cells.
    """

    file: Path
    names: tuple[str, ...]
    rows: tuple[tuple[int, tuple[str, ...]], ...]

    def texts(self, column: str) -> list[str]:
        """A column as it is.

        Raises:
            typer.BadParameter: There is none of that name.
        """
        if column not in self.names:
            raise typer.BadParameter(f"Expected a column of {', '.join(self.names)} in {self.file}, but got {column!r}")
        index = self.names.index(column)
        return [cells[index] for _, cells in self.rows]

    def numbers(self, column: str) -> list[float]:
        """A column as numbers.

        Raises:
            typer.BadParameter: There is none of that name, or a cell is no number; names the line.
        """
        found = self.optional_numbers(column)
        for number, (line, _) in zip(found, self.rows, strict=True):
            if number is None:
                raise typer.BadParameter(
                    f"Expected a number in column {column!r} of {self.file}, line {line}, but got an empty cell"
                )
        return [number for number in found if number is not None]

    def optional_numbers(self, column: str) -> list[float | None]:
        """A column as numbers, None where a cell is empty.

        Raises:
            typer.BadParameter: There is none of that name, or a cell is no number; names the line.
        """
        found: list[float | None] = []
        for text, (line, _) in zip(self.texts(column), self.rows, strict=True):
            try:
                found.append(float(text) if text.strip() else None)
            except ValueError:
                raise typer.BadParameter(
                    f"Expected a number in column {column!r} of {self.file}, line {line}, but got {text[:80]!r}"
                ) from None
        return found


def read_columns(file: Path, wanted: Sequence[str] = ()) -> Columns:
    """Reads a table; tabs part its columns where the first line has any, otherwise commas.

    Args:
        file: Plain or gzip.
        wanted: Columns that it must have.

    Raises:
        CorpusError: The file cannot be read, or is not UTF-8.
        typer.BadParameter: It has no header, a column twice, a row of another length, or lacks a column.
    """
    text = read_whole(file)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter="\t" if "\t" in text.partition("\n")[0] else ",")
    header = next(reader, [])
    if not any(header):
        raise typer.BadParameter(f"Expected a header with names of columns in {file}, but got none")
    if len(set(header)) < len(header):
        raise typer.BadParameter(f"Expected each column once in {file}, but got {', '.join(header)}")
    rows = []
    for cells in reader:
        if not cells:
            continue
        if len(cells) != len(header):
            raise typer.BadParameter(
                f"Expected {len(header)} cells in {file}, line {reader.line_num}, but got {len(cells)}"
            )
        rows.append((reader.line_num, tuple(cells)))
    found = Columns(file, tuple(header), tuple(rows))
    for column in wanted:
        found.texts(column)
    return found
