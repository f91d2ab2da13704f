"""Dictionaries, vocabularies and vectors of words."""

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from babelscope import CorpusError, Text
from babelscope.corpora import as_words, read_word_pairs, read_word_vectors, read_words
from babelscope.corpora.word_vectors import holds_vectors

from services.datagen.datasets.dictionaries import read_pairs


def _write(folder: Path, text: str, name: str = "file.txt") -> Path:
    path = folder / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return path


@pytest.mark.parametrize("name", ["pairs.tsv", "pairs.tsv.gz"])
def test_a_dictionary(tmp_path: Path, name: str) -> None:
    path = _write(tmp_path, "dog\tHund\n\ncat\tKatze\t0.7\ncat\tKater\ndog\tHund\nice cream\tEis\n", name)
    found = read_word_pairs(path)
    assert found.pairs == (("dog", "Hund"), ("cat", "Katze"), ("cat", "Kater"), ("ice cream", "Eis"))
    assert found.sources == ("dog", "cat", "ice cream")
    assert found.targets == ("Hund", "Katze", "Kater", "Eis")


def test_a_dictionary_of_muse_has_spaces(tmp_path: Path) -> None:
    assert read_word_pairs(_write(tmp_path, "the der\nthe  die\n")).pairs == (("the", "der"), ("the", "die"))


@pytest.mark.parametrize(
    ("text", "message"),
    [("dog\tHund\ncat\n", "file.txt:2: .*a word and its translation, but got 'cat'"), ("\n", "one word pair"),
     ("dog\t \n", "file.txt:1: ")],
)  # fmt: skip
def test_what_is_no_dictionary_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(CorpusError, match=message):
        read_word_pairs(_write(tmp_path, text))


def test_a_vocabulary(tmp_path: Path) -> None:
    path = _write(tmp_path, "eins\nzwei\n\neins\ndrei\n")
    assert read_words(path, language="de") == as_words(["eins", "zwei", "drei"], "de")
    assert read_words(path, limit=2) == [Text("eins", "eins"), Text("zwei", "zwei")]
    with pytest.raises(CorpusError, match="one word"):
        read_words(_write(tmp_path, "\n \n"))


@pytest.mark.parametrize("head", ["3 2\n", ""])
def test_vectors(tmp_path: Path, head: str) -> None:
    path = _write(tmp_path, f"{head}de 1 2.5\nla -1e-3 0\nde 9 9\n, 0.5 4 \n", "wiki.vec.gz")
    found = read_word_vectors(path)
    assert found.words == ("de", "la", ",")
    assert found.vectors.dtype == np.float32
    np.testing.assert_allclose(found.vectors, [[1, 2.5], [-1e-3, 0], [0.5, 4]])
    assert read_word_vectors(path, limit=1).words == ("de",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a 1 2\nb 1\n", "file.txt:2: .*2 numbers as on the first line, but got 1"),
        ("a 1 x\n", "file.txt:1: .*a word and its numbers"),
        ("a 1 nan\n", "finite numbers for the word 'a'"),
        ("a 1 1e39\n", "finite numbers for the word 'a'"),
        ("1 2\n  1 2\n", "file.txt:2: .*a word and its numbers"),
        ("word\n", "a word and its numbers"),
        ("2 300\n", "at least one vector"),
    ],
)
def test_what_are_no_vectors_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(CorpusError, match=message):
        read_word_vectors(_write(tmp_path, text))


@pytest.mark.parametrize("head", ["2 2\n", ""])
def test_a_word_may_hold_spaces(tmp_path: Path, head: str) -> None:
    found = read_word_vectors(_write(tmp_path, f"{head}de 1 2.5\nNew York 3 4\n"))
    assert found.words == ("de", "New York")
    np.testing.assert_allclose(found.vectors, [[1, 2.5], [3, 4]])


def test_spaces_between_a_word_and_its_numbers(tmp_path: Path) -> None:
    assert read_word_vectors(_write(tmp_path, "2 2\nde  1 2.5\nNew York   3 4\n")).words == ("de", "New York")


def test_a_word_may_end_in_a_number_where_the_header_tells_the_width(tmp_path: Path) -> None:
    assert read_word_vectors(_write(tmp_path, "2 2\nde 1 2.5\nno. 5 3 4\n")).words == ("de", "no. 5")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("3 2\na 1 2\nb 1 2\n", "file.txt:1: .*3 vectors as the first line says, but got 2"),
        ("1 2\na 1 2\nb 1 2\n", "file.txt:1: .*1 vectors as the first line says, but got 2"),
        ("2 3\na 1 2\nb 1 2\n", "file.txt:2: .*3 numbers as on the first line, but got 2"),
        ("2 1\na 1 2\nb 1 2\n", "file.txt:2: .*1 numbers as on the first line, but got 2"),
        ("2 1\na 1\nb 1.5 2.5\n", "file.txt:3: .*1 numbers as on the first line, but got 2"),
        ("a 1\nb 1 2\n", "file.txt:2: .*1 numbers as on the first line, but got 2"),
    ],
)
def test_a_header_that_does_not_fit_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(CorpusError, match=message):
        read_word_vectors(_write(tmp_path, text))


def test_part_of_a_file_is_read_whatever_its_header_counts(tmp_path: Path) -> None:
    assert read_word_vectors(_write(tmp_path, "9 1\na 1\nb 2\nc 3\n"), limit=2).words == ("a", "b")


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("vectors-en.txt", "2 3\nthe 1 2 3\nof 1 2 -3e-1\n", True),
        ("wiki.vec", "the 1 2 3\n", True),
        ("vectors-en.txt", "1 4\nNew York 1 2 3 4\n", True),
        ("vectors-en.txt", "2 300\nthe 1 2 3 4\n", True),  # which is then refused for its width
        ("glove.txt", "the 0.1 0.2 -3 4\n, 0.5 1e-2 3 4\n", True),
        ("glove.txt", "the 0.1 0.2 -3 4\n, 0.5 1e-2 3\n", False),
        ("words.txt", "route 66\nroute 67\n", False),
        ("words.txt", "the\nof\n", False),
        ("words.txt", "10 4\nfour\n", False),
        ("words.txt", "", False),
    ],
)
def test_vectors_are_told_from_words(tmp_path: Path, name: str, text: str, expected: bool) -> None:
    assert holds_vectors(_write(tmp_path, text, name)) == expected


@pytest.mark.parametrize(
    ("line", "pair"),
    [
        ("dog Hund", ("dog", "Hund")),
        ("dog Hund 0.5", ("dog", "Hund")),
        ("dog\tHund\t", ("dog", "Hund")),
        ("dog \t Hund \t 2 \t", ("dog", "Hund")),
        ("1 000", ("1", "000")),
        ("ice cream\tglace", ("ice cream", "glace")),
    ],
)
def test_both_readers_of_dictionaries_agree(tmp_path: Path, line: str, pair: tuple[str, str]) -> None:
    path = _write(tmp_path, line + "\n")
    assert read_word_pairs(path).pairs == (pair,)
    assert [(one.source, one.target) for one in read_pairs(path)] == [pair]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        *(
            (line, "a word and its translation")
            for line in ("ice cream glace", "a b c d", "dog", "dog\t", "dog Hund nan")
        ),
        ("dog\tHund\t1\tx", "a word, its translation and maybe a weight"),
        *((f"dog\tHund\t{weight}", "a weight above 0") for weight in ("0", "-1", "nan", "inf", "NOUN")),
        ("dog Hund 0", "a weight above 0"),
    ],
)
def test_both_readers_of_dictionaries_refuse_what_is_no_pair(tmp_path: Path, line: str, expected: str) -> None:
    path = _write(tmp_path, line + "\n")
    for read in (read_word_pairs, lambda path: list(read_pairs(path))):
        with pytest.raises(CorpusError, match=rf"file\.txt:1: Expected {expected}"):
            read(path)


@pytest.mark.shared_data
def test_the_shared_dictionaries(shared_data: Callable[[str], Path]) -> None:
    folder = shared_data("dictionaries")
    for path in sorted(folder.glob("*.tsv")):
        found = read_word_pairs(path)
        assert len(found.pairs) == len(path.read_text(encoding="utf-8").splitlines()), path.name
        assert all(word == word.strip() for pair in found.pairs for word in pair)


@pytest.mark.parametrize(
    "text", ["you 28787591\ni 27086011\n", "the\t123\nof\t100\n", "the 0.05\n\nof 0.03\n", "a\nb\tc\n"]
)
def test_a_list_of_words_with_counts_is_no_vocabulary(tmp_path: Path, text: str) -> None:
    with pytest.raises(CorpusError, match=r"file\.txt:[23]|file\.txt:1: .*a word and nothing else"):
        read_words(_write(tmp_path, text))


def test_a_vocabulary_may_have_words_that_end_in_a_number(tmp_path: Path) -> None:
    found = read_words(_write(tmp_path, "route 66\nice cream\narea 51\n7 11\n"))
    assert [each.text for each in found] == ["route 66", "ice cream", "area 51", "7 11"]
