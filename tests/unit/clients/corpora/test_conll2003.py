"""CoNLL-2003 as the shared task shipped it."""

from collections.abc import Callable
from pathlib import Path

import pytest
from babelscope.corpora import Options, Sentence, find_format, read_examples, read_texts
from babelscope.errors import CorpusError

Write = Callable[[str, str], Path]
ENGLISH = """-DOCSTART- -X- -X- O

EU NNP I-NP I-ORG
rejects VBZ I-VP O
German JJ I-NP I-MISC
call NN I-NP O
. . O O

Peter NNP I-NP I-PER
Blackburn NNP I-NP I-PER

-DOCSTART- -X- O O

# NN B-NP O
BRUSSELS NNP B-NP B-LOC
"""
GERMAN = "-DOCSTART- -X- -X- -X- O\n\nNordendler <unknown> NN I-NC I-MISC\nEr er PPER I-NC O\n"


@pytest.mark.parametrize("name", ["eng.testa", "train.txt", "eng.conll", "x"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_four_columns(write: Write, name: str, end: str) -> None:
    path = write(name, ENGLISH.replace("\n", end))
    assert find_format(path).name == "conll2003"
    first, second, third = read_examples(path, options=Options(language="en"))
    assert [each.id for each in (first, second, third)] == ["1", "2", "3"]
    assert [each.attributes["document"] for each in (first, second, third)] == ["1", "1", "2"]
    assert isinstance(first.content, Sentence)
    assert first.content.text == "EU rejects German call ."
    assert [word.ner for word in first.content.words] == ["I-ORG", "O", "I-MISC", "O", "O"]
    assert [word.xpos for word in first.content.words] == ["NNP", "VBZ", "JJ", "NN", "."]
    assert [word.misc for word in first.content.words] == ["Chunk=I-NP", "Chunk=I-VP", "Chunk=I-NP", "Chunk=I-NP", ""]
    assert first.language == "en"
    assert read_texts(path)[2].text == "# BRUSSELS"


def test_five_columns_have_a_lemma(write: Write) -> None:
    path = write("deu.testa", GERMAN)
    assert find_format(path).name == "conll2003"
    (example,) = read_examples(path)
    assert isinstance(example.content, Sentence)
    assert [(word.form, word.lemma, word.ner) for word in example.content.words] == [
        ("Nordendler", "<unknown>", "I-MISC"),
        ("Er", "er", "O"),
    ]


@pytest.mark.parametrize(
    ("name", "text", "xpos"),
    [
        ("esp.testb", "La O\nCoruña B-LOC\n\nAna B-PER\n", ["", "", ""]),
        ("esp.train", "La DA O\nCoruña NC B-LOC\n\nAna NP B-PER\n", ["DA", "NC", "NP"]),
        ("ned.train", "-DOCSTART- -DOCSTART- O\nLa Art O\nCoruña N B-LOC\n\nAna N B-PER\n", ["Art", "N", "N"]),
    ],
)
def test_two_and_three_columns_of_2002(write: Write, name: str, text: str, xpos: list[str]) -> None:
    path = write(name, text)
    assert find_format(path).name == "conll2003"
    first, second = (example.content for example in read_examples(path))
    assert isinstance(first, Sentence)
    assert isinstance(second, Sentence)
    words = (*first.words, *second.words)
    assert [(word.form, word.ner) for word in words] == [("La", "O"), ("Coruña", "B-LOC"), ("Ana", "B-PER")]
    assert [word.xpos for word in words] == xpos
    assert not any(word.misc or word.lemma for word in words)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("EU NNP B-NP B-ORG\nrejects VBZ B-VP O\n", "conll2003"),
        ("EU\tNNP\tB-NP\tB-ORG\nrejects\tVBZ\tB-VP\tO\n", "conll2003"),
        ("What is group O\n", "lines"),
        ("What is O O\nThis is a text.\n", "lines"),
        ("Group O\nVitamin B-12\nEnd\n", "lines"),
        ("Group O\nType O\n", "lines"),
        ("a b O\nc d e B-PER\n", "lines"),
    ],
)
def test_what_is_told_from_the_first_lines(write: Write, text: str, expected: str) -> None:
    assert find_format(write("x", text)).name == expected


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("-DOCSTART- -X- -X- O\n\na\n", ":3: Expected 2 to 5 columns, but got 1"),
        ("-DOCSTART- -X- -X- O\n\na b c d e O\n", ":3: Expected 2 to 5 columns, but got 6"),
        ("-DOCSTART- -X- -X- O\n\na NN O O\nb NN x O O\n", ":4: Expected 4 columns as on the first line, but got 5"),
        ("-DOCSTART- -X- -X- O\n\na NN O PER\n", "Expected the tag of an entity, O, B-TYPE or I-TYPE, but got 'PER'"),
        ("-DOCSTART- -X- -X- O\n\na NN NP O\n", "Expected the tag of a chunk, O, B-TYPE or I-TYPE, but got 'NP'"),
        ("-DOCSTART- -X- -X- O\n\na NN O B-\n", "but got 'B-'"),
    ],
)
def test_what_is_wrong_is_said(write: Write, text: str, problem: str) -> None:
    with pytest.raises(CorpusError, match=problem):
        read_texts(write("eng.testa", text))


def test_documents_without_sentences_are_no_sentences(write: Write) -> None:
    assert list(read_examples(write("eng.testa", "-DOCSTART- -X- -X- O\n\n-DOCSTART- -X- -X- O\n"))) == []
