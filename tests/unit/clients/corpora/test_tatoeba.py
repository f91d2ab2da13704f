"""Tatoeba pairs."""

from collections.abc import Callable
from pathlib import Path

import pytest
from babelscope.corpora import read_parallel, read_texts
from babelscope.errors import CorpusError

Write = Callable[[str, str], Path]


def test_sides_of_a_pair_align_and_sides_of_two_pairs_never_do(write: Write) -> None:
    files = {
        "en": write("tatoeba.fra-eng.eng", "Good.\nCome in.\n"),
        "fr": write("tatoeba.fra-eng.fra", "Bon.\nEntrez.\n"),
        "de": write("tatoeba.deu-eng.deu", "Gut.\nHerein.\n"),
    }
    corpus = read_parallel(files)
    left, right = corpus.pair("en", "fr")
    assert [text.id for text in left] == [text.id for text in right] == ["fra-eng:1", "fra-eng:2"]
    assert corpus.pair("en", "de") == ((), ())
    assert corpus.missing()["de"] == ("fra-eng:1", "fra-eng:2")


def test_the_language_is_the_sides(write: Write) -> None:
    assert read_texts(write("tatoeba.swh-eng.swh", "Hakuna matata.\n"))[0].language == "swh"


@pytest.mark.parametrize("name", ["tatoeba.fra-eng.deu", "fra-eng.txt"])
def test_another_name_is_refused(write: Write, name: str) -> None:
    with pytest.raises(CorpusError, match="a name such as"):
        read_texts(write(name, "a\n"), format="tatoeba")
