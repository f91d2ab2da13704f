"""Words and answers of examples as units of texts."""

from pathlib import Path

import pytest
from babelscope.corpora import answers_text, read_units, words_text
from babelscope.data.examples import Answer, Example, Question, Sentence, Word
from babelscope.data.texts import Text, row_ids
from babelscope.errors import CorpusError


def _sentence(forms: str, text: str) -> Example:
    return Example("s", Sentence(tuple(Word(form) for form in forms.split()), text), "fr")


@pytest.mark.parametrize(
    ("forms", "text", "kept"),
    [
        ("La fin .", "La fin.", "La fin."),
        ("我 爱 猫", "我爱猫", "我爱猫"),
        ("de le pain", "du pain", ""),
        ("a b", "a b c", ""),
        ("a b", "", ""),
    ],
)
def test_words_stay_in_their_raw_text_where_it_spells_them(forms: str, text: str, kept: str) -> None:
    assert words_text(_sentence(forms, text)) == Text("s", kept, "fr", words=tuple(forms.split()))


def test_words_of_multiword_tokens_keep_the_spaces_around_these(tmp_path: Path) -> None:
    """The Italian token `dell'` is `di l'`, and no space follows it."""
    words = (("1", "(", "SpaceAfter=No"), ("2-3", "dell'", "SpaceAfter=No"), ("2", "di", "_"), ("3", "l'", "_"),
             ("4", "isola", "SpaceAfter=No"), ("5", ")", "_"))  # fmt: skip
    path = tmp_path / "it.conllu"
    rows = ("\t".join((number, form, *"_______", misc)) for number, form, misc in words)
    path.write_text("# text = (dell'isola)\n" + "\n".join(rows) + "\n", encoding="utf-8")
    (text,) = read_units(path, "word_mean", language="it")
    assert text == Text("1", "(di l'isola)", "it", words=("(", "di", "l'", "isola", ")"))


def test_answers_are_spans_of_their_context() -> None:
    answers = (Answer("cat", 4), Answer("old cat", 0), Answer("cat", 4))
    question = Example("q", Question("old cat", "who?", answers), "en")
    assert answers_text(question) == Text("q", "old cat", "en", spans=((4, 7),))
    every = answers_text(question, every=True)
    assert every is not None
    assert every.spans == ((4, 7), (0, 7))
    assert row_ids(every, "span") == ["q#0", "q#1"]
    assert row_ids(every, "mean") == ["q"]
    assert answers_text(Example("q", Question("old cat", "who?"))) is None


@pytest.mark.parametrize("answer", [Answer("cat", 3), Answer("cat", 40), Answer("", 2)])
def test_an_answer_that_is_not_in_its_context_is_refused(answer: Answer) -> None:
    with pytest.raises(ValueError, match="Expected the answer of 'q' at"):
        answers_text(Example("q", Question("old cat", "who?", (answer,))))


def test_other_examples_are_refused() -> None:
    with pytest.raises(ValueError, match="a sentence in words, but example 'x' is none"):
        words_text(Example("x", "the cat"))
    with pytest.raises(ValueError, match="a question, but example 'x' is none"):
        answers_text(Example("x", "the cat"))


def test_a_file_that_lacks_the_units_says_what_is_needed(tmp_path: Path) -> None:
    path = tmp_path / "en.txt"
    path.write_text("the cat\n")
    assert read_units(path, "mean", language="en") == [Text("1", "the cat", "en")]
    with pytest.raises(CorpusError, match="pooling word_mean needs sentences in words, as in the formats conllu"):
        read_units(path, "word_mean")
    with pytest.raises(CorpusError, match="pooling span needs questions"):
        read_units(path, "span")
