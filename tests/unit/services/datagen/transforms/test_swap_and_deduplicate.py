"""Swapping a part's language by id, and keeping each text once."""

import pytest
from babelscope.data.examples import Answer, Example, Question, Sentence, TextPair, Word

from services.runtime.errors import FailedPrecondition, InvalidArgument
from tests.support.datagen_corpora import Memory, assert_offsets, transform

EN = [Example(f"q{i}", Question(f"the context {i}", f"which {i}?", (Answer("context", 4),)), "en") for i in range(3)]
FR = [Example(f"q{i}", Question(f"le contexte {i}", f"quel {i} ?", (Answer("contexte", 3),)), "fr") for i in range(2)]


def test_contexts_come_with_their_answers() -> None:
    done, report = transform("swap_language_of", EN + FR, part="context", language="fr")
    assert_offsets(done)
    assert [(one.id, one.language) for one in done] == [("q0", "en"), ("q1", "en"), ("q0", "fr"), ("q1", "fr")]
    assert done[1].content == Question("le contexte 1", "which 1?", (Answer("contexte", 3),))
    assert done[1].attributes == {"context_language": "fr"}
    assert report.counts == {"read": 5, "kept": 4, "swapped": 2, "same": 2, "missing": 1}


def test_questions_from_another_dataset() -> None:
    memory = Memory(datasets={"french": FR})
    done, _ = transform("swap_language_of", EN, memory, part="question", language="fr", dataset="french")
    assert [one.content.question for one in done] == ["quel 0 ?", "quel 1 ?"]
    assert done[0].content.context == "the context 0"
    assert_offsets(done)


def test_hypotheses() -> None:
    pairs = [Example("p", TextPair("a", "b", "neutral"), "en"), Example("p", TextPair("c", "d", "neutral"), "sw")]
    done, _ = transform("swap_language_of", pairs, part="hypothesis", language="sw")
    assert done[0].content == TextPair("a", "d", "neutral")


def test_what_cannot_be_swapped() -> None:
    with pytest.raises(FailedPrecondition, match="Expected parallel examples in 'de'"):
        transform("swap_language_of", EN, part="context", language="de")
    with pytest.raises(
        InvalidArgument, match=r"examples\[q0\]: Expected an example with a premise, but got a Question"
    ):
        transform("swap_language_of", EN, part="premise", language="en")
    wrong = [Example("q9", Question("abc", "?", (Answer("c", 0),)), "fr")]
    with pytest.raises(InvalidArgument, match=r"examples\[q9\]"):
        transform("swap_language_of", EN + wrong, part="context", language="fr")


def test_each_text_once_by_the_smallest_id() -> None:
    examples = [Example("b", "Same text.", "en"), Example("a", "Same text.", "en"), Example("c", "Same text.", "de")]
    done, report = transform("deduplicate", examples)
    assert [one.id for one in done] == ["a", "c"]
    assert report.counts == {"read": 3, "kept": 2, "dropped": 1}
    assert [one.id for one in transform("deduplicate", [examples[1], examples[1]])[0]] == ["a"]


def test_normalised() -> None:
    examples = [Example("a", "Ｓame  Text!", "en"), Example("b", "same text", "en"), Example("c", "!?", "en"),
                Example("d", "??", "en"), Example("e", "हिन्दी", "en"), Example("f", "हन्द", "en")]  # fmt: skip
    assert [one.id for one in transform("deduplicate", examples, rule="normalised")[0]] == ["a", "c", "d", "e", "f"]
    assert len(transform("deduplicate", examples)[0]) == 6


def test_kinds_and_parts_are_told_apart() -> None:
    examples = [
        Example("a", TextPair("x", "y"), "en"),
        Example("b", Question("x", "y"), "en"),
        Example("c", "x\x1fy", "en"),
        Example("d", Sentence((Word("x"), Word("y")), "x y"), "en"),
        Example("e", Sentence((Word("x y"),), "x y"), "en"),
        Example("f", TextPair("x", "y", "neutral"), "en"),
    ]
    assert [one.id for one in transform("deduplicate", examples)[0]] == ["a", "b", "c", "d"]
