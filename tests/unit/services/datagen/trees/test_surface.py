"""Words in their raw text: what a hostile sentence costs is bounded."""

import pytest
from babelscope.data.examples import Answer, Example, Question, Sentence, Word

from services.datagen.datasets.checks import check_example
from services.datagen.trees.surface import align, rewrite
from services.runtime.errors import InvalidArgument


@pytest.mark.timeout(60)
def test_a_text_without_spaces_is_not_searched_for_ever() -> None:
    """Each end of each multi-word token was tried, with a copy of the text: cubic in its length."""
    words = [Word("b", "NOUN", None, "", "O")] * 6
    assert align(words, "a" * 1_000_000) is None
    assert align(words, "a" * 1_000_000 + " ") is None


@pytest.mark.timeout(60)
def test_long_sentences_are_written_in_linear_time() -> None:
    """The spans of all words were counted for each word."""
    n = 100_000
    words = [Word("ab", "NOUN", 0 if place == 0 else 1, "dep", "O") for place in range(n)]
    text = " ".join(["ab"] * n)
    spans = align(words, text)
    assert spans is not None
    written = rewrite(words, text, spans, range(n - 1, -1, -1))
    assert written.sentence.text == text
    assert written.spans == tuple(spans)


@pytest.mark.parametrize(("number", "fits"), [(10_000, True), (10_001, False)])
def test_words_of_a_sentence_are_bounded(number: int, fits: bool) -> None:
    words = tuple(Word("a", "NOUN", 0 if place == 0 else 1, "dep", "O") for place in range(number))
    example = Example("e", Sentence(words, ""), "en")
    if fits:
        check_example(example, 0)
        return
    with pytest.raises(InvalidArgument, match="at most 10000 words, but got 10001") as caught:
        check_example(example, 0)
    assert caught.value.field == "examples[e].sentence.words"


def test_answers_of_a_question_are_bounded() -> None:
    answers = (Answer("a", 0),) * 1001
    with pytest.raises(InvalidArgument, match="at most 1000 answers, but got 1001"):
        check_example(Example("e", Question("a", "q", answers), "en"), 0)


@pytest.mark.parametrize("strange", ["9" * 5000, "\u00b2", "\u0663"])
def test_dependencies_without_a_head_among_the_words_are_left_out(strange: str) -> None:
    words = [Word("a", "NOUN", 2, "dep", "O", deps=f"2:dep|{strange}:dep"), Word("b", "VERB", 0, "root", "O")]
    spans = align(words, "a b")
    assert spans is not None
    written = rewrite(words, "a b", spans, [1, 0])
    assert [word.deps for word in written.sentence.words] == ["", "1:dep"]
