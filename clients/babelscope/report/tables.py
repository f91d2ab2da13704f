"""A table of the page, as plain data."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Table:
    """A table whose first cell of a row names the row.

    Attributes:
        caption: Caption of the table.
        head: Names of the columns.
        body: Cells by row.
        words: Columns that hold words: left-aligned, broken where long.
    """

    caption: str
    head: Sequence[str]
    body: Sequence[Sequence[str]]
    words: frozenset[int] = frozenset()
