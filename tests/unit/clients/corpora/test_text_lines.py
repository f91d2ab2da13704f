"""Text lines."""

from collections.abc import Callable
from pathlib import Path

import pytest
from babelscope.corpora import Options, read_examples, read_texts
from babelscope.data.texts import Text
from babelscope.errors import CorpusError

Write = Callable[[str, str], Path]


def test_ids_are_line_numbers_and_empty_lines_shift_nothing(write: Write) -> None:
    path = write("a.txt", "Guten Tag.\n\n   \nBis morgen.\n")
    assert read_texts(path, language="de") == [Text("1", "Guten Tag.", "de"), Text("4", "Bis morgen.", "de")]


def test_ids_may_stand_before_a_tab(write: Write) -> None:
    path = write("a.txt", "s1\tΚαλημέρα.\ns2\t\ns3\tΑντίο.\n")
    assert read_texts(path) == [Text("s1", "Καλημέρα."), Text("s3", "Αντίο.")]


def test_line_separators_of_unicode_are_text(write: Write) -> None:
    odd = "a\u2028b\u2029c\x85d\x0be\x0cf\x1cg\rh"
    assert [text.text for text in read_texts(write("a.txt", f"{odd}\nnext"), format="lines")] == [odd, "next"]


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("one\ntwo\tfields\n", 2, "a text without tabs, but got 2 fields"),
        ("a\tone\ntwo\n", 2, "an id, a tab and a text, but got 1 fields"),
        ("a\tone\nb\ttwo\na\tthree\n", 3, "each id once, but got 'a' again"),
        ("\tone\n", 1, "an id, but got an empty one"),
        ("\n \n", 0, "at least one text"),
        ("", 0, "at least one text"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(write: Write, text: str, line: int, problem: str) -> None:
    with pytest.raises(CorpusError, match=problem) as caught:
        read_texts(write("a.txt", text), format="lines")
    assert caught.value.line == line


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\na\n\nb\n\n", [("1", ""), ("2", "a"), ("3", ""), ("4", "b"), ("5", "")]),
        ("\nx\ta\ny\t\n\n", [("x", "a"), ("y", "")]),
        ("\n\n", [("1", ""), ("2", "")]),
    ],
)
def test_empty_lines_are_given_where_asked_for(tmp_path: Path, text: str, expected: list[tuple[str, str]]) -> None:
    path = tmp_path / "out.txt"
    path.write_text(text, encoding="utf-8")
    found = read_examples(path, format="lines", options=Options(empty=True))
    assert [(example.id, example.content) for example in found] == expected
