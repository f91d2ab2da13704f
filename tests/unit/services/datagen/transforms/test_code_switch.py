import numpy as np
import pytest
from babelscope.data.examples import Answer, Example, Question
from hypothesis import given
from hypothesis import strategies as st

from services.runtime.errors import FailedPrecondition, InvalidArgument, NotFound
from services.runtime.text.words import segment
from tests.support.datagen_corpora import Memory, transform

DE = [
    ("the", "der"),
    ("the", "die", "3"),
    ("house", "Haus"),
    ("red", "rot"),
    ("new york", "Neu-York"),
    ("nato", "nato"),
]
ZH = [("house", "房子"), ("red", "紅")]
EN = [("我", "I"), ("吃", "eat"), ("蘋果", "apple"), ("蘋", "weed")]
MEMORY = Memory(pairs={"d-de": DE, "d-zh": ZH, "zh-en": EN, "single-de": [pair for pair in DE if " " not in pair[0]]})


def _switch(text: str, **options: object) -> str:
    options = {"dictionary": "d", "languages": "de", **options}
    return transform("code_switch", [Example("x", text, "en")], MEMORY, **options)[0][0].content


@pytest.mark.parametrize("dictionary", ["d", "single"])
def test_every_word_of_the_dictionary_in_its_case_with_its_punctuation(dictionary: str) -> None:
    assert _switch("The RED (house), the blue-red NATO.", dictionary=dictionary) == "Die ROT (Haus), die blue-rot NATO."


def test_the_longest_entry() -> None:
    assert _switch("New York is red") == "Neu-York is rot"


def test_scripts_without_spaces_by_longest_match_and_kept_apart() -> None:
    examples = [Example("x", Question("我吃蘋果。2我!", "我?", (Answer("蘋果", 2), Answer("果。", 3))), "zh")]
    done, report = transform("code_switch", examples, MEMORY, dictionary="zh", languages="en")
    question = done[0].content
    assert question.context == "I eat apple。2 I!"
    assert question.answers == (Answer("apple", 6), Answer("apple。", 6))
    assert report.counts == {
        "read": 1, "kept": 1, "words": 6, "replaced": 5, "replaced/en": 5, "answers_widened": 1, "answers_dropped": 0
    }  # fmt: skip


def test_answers_follow() -> None:
    context = "The red house is the house."
    answers = (Answer("red", 4), Answer("ouse is", 9), Answer("house.", 21))
    done, report = transform(
        "code_switch", [Example("x", Question(context, "?", answers), "en")], MEMORY, dictionary="d", languages="de"
    )
    question = done[0].content
    assert question.context == "Die rot Haus is die Haus."
    assert question.answers == (Answer("rot", 4), Answer("Haus is", 8), Answer("Haus.", 20))
    assert report.counts["answers_widened"] == 1


def test_translations_are_drawn_by_weight() -> None:
    examples = [Example(f"x{i}", "the", "en") for i in range(2000)]
    done, _ = transform("code_switch", examples, MEMORY, dictionary="d", languages="de", translation="weighted")
    assert np.mean([one.content == "die" for one in done]) == pytest.approx(0.75, abs=0.03)


def test_several_languages_at_once() -> None:
    examples = [Example(f"x{i}", "red house the", "en") for i in range(500)]
    done, report = transform("code_switch", examples, MEMORY, dictionary="d", languages="de,zh")
    assert {one.content.split(" ")[0] for one in done} == {"rot", "紅"}
    assert {one.content.split(" ")[2] for one in done} == {"die"}
    assert report.counts["replaced"] == 1500
    assert report.counts["replaced/de"] + report.counts["replaced/zh"] == 1500
    assert report.counts["replaced/zh"] == pytest.approx(500, abs=60)


@given(st.lists(st.lists(st.sampled_from(["the", "red", "house", "green", "new york"]), max_size=40), max_size=8), st.integers(0, 99), st.floats(0, 1))  # fmt: skip  # noqa: E501
def test_the_cap_holds_in_every_example(words: list[list[str]], seed: int, cap: float) -> None:
    examples = [Example(f"x{i}", " ".join(some), "en") for i, some in enumerate(words)]
    for example in examples:
        done, report = transform(
            "code_switch", [example], MEMORY, seed=seed, dictionary="d", languages="de", rule="conneau", cap=cap
        )
        count = len(list(segment(example.content)))
        assert report.counts["words"] == count
        assert report.counts["replaced"] <= cap * count
        assert (done[0].content != example.content) == (report.counts["replaced"] > 0)


def test_the_rate_of_conneau_without_the_cap() -> None:
    examples = [Example(f"x{i}", "red green " * 50, "en") for i in range(100)]
    done, report = transform("code_switch", examples, MEMORY, dictionary="d", languages="zh", rule="conneau", cap=1)
    replaced = sum(one.content.count("紅") for one in done)
    assert replaced == report.counts["replaced"]
    assert replaced / 5000 == pytest.approx(0.3, abs=0.02)
    _, capped = transform("code_switch", examples, MEMORY, dictionary="d", languages="zh", rule="conneau", cap=0.05)
    assert capped.counts["replaced"] == 500


@given(st.lists(st.sampled_from(["the", "Red", "HOUSE", "green", "nato", "blue"]), max_size=30))
def test_reported_ratios_are_those_recounted(words: list[str]) -> None:
    examples = [Example("x", " ".join(words), "en")]
    for options in ({}, {"rule": "conneau", "cap": 1}, {"dictionary": "single"}):
        done, report = transform("code_switch", examples, MEMORY, **{"dictionary": "d", "languages": "de", **options})
        new = done[0].content.split(" ")
        changed = sum(one != two for one, two in zip(words, new, strict=bool(words)))
        same = sum(word == "nato" for word in words)  # its translation is the word itself
        assert report.counts["words"] == len(words)
        assert changed <= report.counts["replaced"] <= changed + same


def test_other_languages_pass() -> None:
    examples = [Example("x", "the red", "en"), Example("y", "the red", "fr")]
    done, report = transform("code_switch", examples, MEMORY, dictionary="d", languages="de", source="en")
    assert [one.content for one in done] == ["die rot", "the red"]
    assert report.counts["other_language"] == 1


def test_dictionaries_that_are_not_there_or_empty() -> None:
    with pytest.raises(NotFound):
        _switch("a", dictionary="none")
    with pytest.raises(FailedPrecondition, match="at least one word pair"):
        transform("code_switch", [Example("x", "a", "en")], Memory({"d": []}), dictionary="d", languages="de")
    with pytest.raises(InvalidArgument, match="at least one"):
        _switch("a", languages=",")
