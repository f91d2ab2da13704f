"""Numbers in files that are longer than Python reads, written in other digits, or too high to be counted up to."""

from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from babelscope.corpora import Options, read_examples
from babelscope.corpora.word_alignments import read_alignments
from babelscope.corpora.word_vectors import holds_vectors, read_word_vectors
from babelscope.corpora.writers import tatoeba
from babelscope.data.examples import Example
from babelscope.data.models import parse_layers
from babelscope.data.texts import whole_number
from babelscope.errors import CorpusError

LONG = "9" * 5000


@pytest.mark.parametrize(
    ("text", "number"), [("0", 0), ("007", 7), ("999999999", 999_999_999), ("", None), (LONG, None), ("²", None)]
)
def test_whole_numbers(text: str, number: int | None) -> None:
    assert whole_number(text) == number


@pytest.mark.parametrize("text", ["-1", "1.0", " 1", "1_0", "\u0663", "1000000000"])
def test_what_is_no_whole_number(text: str) -> None:
    assert whole_number(text) is None


def _examples(path: Path) -> list[Example]:
    return list(read_examples(path, options=Options("en")))


def _column(path: Path) -> list[Example]:
    return list(read_examples(path, format="tsv", options=Options("", "²")))


def _id_column(path: Path) -> list[Example]:
    return list(read_examples(path, format="tsv", options=Options("", "2", LONG)))


@pytest.mark.parametrize(
    ("name", "text", "read"),
    [
        ("a.conllu", f"# text = A\n1\tA\ta\tDET\t_\t_\t{LONG}\tdet\t_\t_\n\n", _examples),
        ("a.conllu", f"# text = A\n{LONG}\tA\ta\tDET\t_\t_\t0\troot\t_\t_\n\n", _examples),
        ("a.conllu", f"# text = A\n1-{LONG}\tA\t_\t_\t_\t_\t_\t_\t_\t_\n\n", _examples),
        ("a.vec", f"{LONG} 2\na 1 2\n", read_word_vectors),
        ("a.vec", f"1 {LONG}\na 1 2\n", read_word_vectors),
        ("a.txt", f"0-0 1-{LONG}\n", read_alignments),
        ("a.tsv", "1\thello\tx\n2\tcat\ty\n", _column),
        ("a.tsv", "1\thello\tx\n2\tcat\ty\n", _id_column),
    ],
)
def test_a_long_number_is_told_as_an_error_of_its_file(
    name: str, text: str, read: Callable[[Path], Any], tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    with pytest.raises(CorpusError, match=name):
        read(path)


def test_a_text_that_begins_with_a_long_number_holds_no_vectors(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text(f"1 {LONG}\na b c d\n", encoding="utf-8")
    assert not holds_vectors(path)


@pytest.mark.parametrize("line", [LONG, "999999999", "10000001"])
def test_an_id_makes_no_file_of_empty_lines(line: str) -> None:
    with pytest.raises(ValueError, match="of at most 10000000"):
        tatoeba.write([Example(f"fra-eng:{line}", "a", "fr")], StringIO())


@pytest.mark.parametrize("layers", ["1-99999999", "10000"])
def test_no_list_of_layers_is_longer_than_any_model(layers: str) -> None:
    with pytest.raises(ValueError, match="Expected layers up to 9999"):
        parse_layers(layers)
