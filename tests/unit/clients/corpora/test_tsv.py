"""TSV."""

from collections.abc import Callable
from pathlib import Path

import babelscope
import pytest
from babelscope.corpora import Options, read_examples, read_parallel, read_texts
from babelscope.errors import CorpusError
from hypothesis import given
from hypothesis import strategies as st

Write = Callable[[str, str], Path]
MANY = 'id\ten\tes\nw1\tIt is "late".\tEs tarde.\nw2\tGood night.\t\n'


def pairs(*args: object, **kwargs: str) -> list[tuple[str, str]]:
    return [(text.id, text.text) for text in read_texts(*args, **kwargs)]  # type: ignore[arg-type]


def test_one_column_a_language(write: Write) -> None:
    path = write("sample.tsv", MANY)
    assert pairs(path, language="en") == [("w1", 'It is "late".'), ("w2", "Good night.")]
    corpus = read_parallel({"en": path, "es": path})
    assert corpus.missing() == {"en": (), "es": ("w2",)}


def test_columns_by_name_and_number(write: Write) -> None:
    path = write("sample.tsv", MANY)
    assert pairs(path, column="es") == pairs(path, column="3") == [("w1", "Es tarde.")]
    assert pairs(path, column="en", id_column="#") == [("2", 'It is "late".'), ("3", "Good night.")]
    assert pairs(path, column="es", id_column="en") == [('It is "late".', "Es tarde.")]


def test_without_a_header(write: Write) -> None:
    assert pairs(write("a.tsv", "a\tone\nb\ttwo\n")) == [("a", "one"), ("b", "two")]
    assert pairs(write("b.tsv", "one\ntwo\n")) == [("1", "one"), ("2", "two")]
    words = write("en-fr.tsv", "house\tmaison\nhouse\tchambre\n")
    assert pairs(words, column="2", id_column="#") == [("1", "maison"), ("2", "chambre")]
    assert pairs(words, column="1") == [("1", "house"), ("2", "house")]


@pytest.mark.parametrize("header", ["id\ttext", "ID\tText", "id \ttext ", "\ufeffid\ttext"])
def test_a_header_however_it_is_written(write: Write, header: str) -> None:
    assert pairs(write("a.tsv", f"{header}\na\tone\n")) == [("a", "one")]


def test_languages_of_rows(write: Write) -> None:
    path = write("a.tsv", "id\tlanguage\ttext\na\ten\tone\na\tde \teins\nb\t\tun\n")
    assert [(each.id, each.language) for each in read_examples(path)] == [("a", "en"), ("a", "de"), ("b", "")]
    assert {each.language for each in read_examples(path, options=Options(language="fr"))} == {"fr"}


@pytest.mark.parametrize(
    ("text", "options", "problem"),
    [
        (MANY, {}, "one of id, en, es"),
        (MANY, {"language": "fr"}, "one of id, en, es"),
        (MANY, {"column": "fr"}, "a column among id, en, es, but got 'fr'"),
        ("1\ta\tb\n", {"column": "4"}, "a column among 1..3, but got '4'"),
        ("1\ta\tb\n", {}, "one of 1..3"),
        ("id\ttext\na\tone\nb\n", {}, "2 fields as on the first line, but got 1"),
    ],
)
def test_what_is_wrong_is_said(write: Write, text: str, options: dict[str, str], problem: str) -> None:
    with pytest.raises(CorpusError, match=problem):
        read_texts(write("a.tsv", text), **options)  # type: ignore[arg-type]


CELL = st.text(st.characters(codec="utf-8", exclude_characters="\n\t\r")).filter(lambda cell: bool(cell.strip()))


def test_an_unknown_language_is_named() -> None:
    with pytest.raises(CorpusError, match=r"one of id, en, .*, and none is named 'xx'"):
        read_texts(Path(babelscope.__file__).parent / "samples" / "sample.tsv", language="xx")


@given(rows=st.lists(st.tuples(CELL, CELL), min_size=1))
def test_cells_come_back_as_they_are(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]) -> None:
    path = tmp_path_factory.mktemp("tsv") / "a.tsv"
    body = "".join(f"{at}\t{left}\t{right}\n" for at, (left, right) in enumerate(rows))
    path.write_bytes(("id\ten\tfr\n" + body).encode())
    assert pairs(path, language="fr") == [(str(at), right) for at, (_, right) in enumerate(rows)]
