"""Tables that commands read: CSV and tab-separated values, and what is wrong with them by line."""

from pathlib import Path

import pytest
import typer
from babelscope.cli.columns import Columns, read_columns
from babelscope.errors import CorpusError


def table(folder: Path, text: str, *wanted: str) -> Columns:
    path = folder / "table.csv"
    path.write_bytes(text.encode())
    return read_columns(path, wanted)


@pytest.mark.parametrize(
    "text",
    [
        "id,f1\na,1.5\n\nb,-2e3\n",
        "id\tf1\r\na\t1.5\r\nb\t-2e3",
        '\ufeff"id",f1\n"a",1.5\n"b","-2e3"\n',
    ],
)
def test_columns_by_name(tmp_path: Path, text: str) -> None:
    found = table(tmp_path, text, "id")
    assert (found.names, found.texts("id"), found.numbers("f1")) == (("id", "f1"), ["a", "b"], [1.5, -2000.0])


def test_quoted_cells_hold_commas_and_lines(tmp_path: Path) -> None:
    found = table(tmp_path, 'id,x\n"a,\nb",1\nc,x\n')
    assert found.texts("id") == ["a,\nb", "c"]
    with pytest.raises(typer.BadParameter, match=r"column 'x' of .*table.csv, line 4, but got 'x'"):
        found.numbers("x")


def test_empty_cells_are_none_or_refused(tmp_path: Path) -> None:
    found = table(tmp_path, "id,f1\na,\nb,2\n")
    assert found.optional_numbers("f1") == [None, 2.0]
    with pytest.raises(typer.BadParameter, match="line 2, but got an empty cell"):
        found.numbers("f1")


@pytest.mark.parametrize(
    ("text", "wanted", "words"),
    [
        ("", "", "a header with names of columns"),
        ("\n1,2\n", "", "a header with names of columns"),
        ("a,b,a\n", "", "each column once in .*, but got a, b, a"),
        ("a,b\n1,2\n1\n", "", "2 cells in .*, line 3, but got 1"),
        ("a,b\n1,2\n", "id", "a column of a, b in .*, but got 'id'"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path: Path, text: str, wanted: str, words: str) -> None:
    with pytest.raises(typer.BadParameter, match=words):
        table(tmp_path, text, *filter(None, [wanted]))


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(CorpusError):
        read_columns(tmp_path / "absent.csv")
