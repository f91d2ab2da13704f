import pytest
from babelscope.data.examples import Answer, Example, Question
from hypothesis import given

from services.runtime.errors import InvalidArgument
from tests.support.datagen_corpora import texts, transform


def test_words_and_signs_are_marked() -> None:
    question = Question("Hi, x-ray 我吃!", "?", (Answer("x", 4), Answer("ay 我", 7), Answer("!", 12)))
    done, report = transform("prefix_language", [Example("q", question, "zh")])
    new = done[0].content
    assert new.context == "zh:Hi zh:, zh:x zh:- zh:ray zh:我 zh:吃 zh:!"
    assert [answer.text for answer in new.answers] == ["zh:x", "zh:ray zh:我", "zh:!"]
    assert report.counts["marked"] == 9
    assert report.counts["answers_widened"] == 1


@given(texts, texts)
def test_two_languages_share_no_token(left: str, right: str) -> None:
    done, _ = transform("prefix_language", [Example("l", left, "en"), Example("r", right, "fr")])
    one, two = (set(example.content.split()) for example in done)
    assert not one & two
    assert all(token.startswith("en:") for token in one)


def test_a_language_is_needed() -> None:
    with pytest.raises(InvalidArgument, match=r"examples\[q\]\.language"):
        transform("prefix_language", [Example("q", "a")])
