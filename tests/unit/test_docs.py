"""Markdown tables of the documentation are whole: a header, its separator, and rows of as many cells."""

import re
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
_FENCE = re.compile(r"^ {0,3}(```|~~~)")
_RULE = re.compile(r"^\|(?: *:?-+:? *\|)+$")


def prose(text: str) -> Iterator[tuple[int, str]]:
    """The lines outside blocks of code, with their numbers."""
    inside = False
    for number, line in enumerate(text.splitlines(), 1):
        if _FENCE.match(line):
            inside = not inside
        elif not inside:
            yield number, line


def cells(row: str) -> int:
    """How many cells a row has; `\\|` is no border."""
    return len(re.sub(r"\\\|", "", row.strip()).strip("|").split("|"))


def faults(text: str) -> list[str]:
    """What is wrong with the tables of a page, by line."""
    found = []
    for is_row, lines in groupby(prose(text), lambda line: line[1].lstrip().startswith("|")):
        if not is_row:
            continue
        (first, header), *rest = lines
        if not rest or not _RULE.match(rest[0][1].strip()):
            found.append(f"{first}: rows without a header and its separator")
            continue
        found += [f"{at}: {cells(row)} cells, not {cells(header)}" for at, row in rest if cells(row) != cells(header)]
        found += [f"{at}: a row without its end" for at, row in rest if not row.rstrip().endswith("|")]
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_tables_are_whole(page: Path) -> None:
    assert faults(page.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("| a | b |\n|---|:-:|\n| 1 | 2 \\| 3 |\n", []),
        ("```\n| not a table\n```\n", []),
        ("| a |\n|---|\n| 1 |\n\n| 2 |\n", ["5: rows without a header and its separator"]),
        ("| a | b |\n|---|---|\n| 1 |\n", ["3: 1 cells, not 2"]),
        ("| a | b |\n|---|\n", ["2: 1 cells, not 2"]),
        ("| a |\n|---|\n| 1\n", ["3: a row without its end"]),
        ("| a |\n| 1 |\n", ["1: rows without a header and its separator"]),
    ],
)
def test_the_check_finds_what_is_broken(text: str, expected: list[str]) -> None:
    assert faults(text) == expected
