"""Offsets of answers counted in bytes or UTF-16 units."""

import pytest
from babelscope.data.examples import Answer, Example, Question
from hypothesis import given
from hypothesis import strategies as st

from services.datagen.datasets.checks import check_example
from services.datagen.text.offsets import Counted, counted_otherwise
from services.runtime.errors import InvalidArgument
from tests.support.datagen_corpora import transform

TOKYO = "東京は日本の首都。東京は大きい。東京"
KEYS = "😀😀😀😀 Key a Key b Key"


@pytest.mark.parametrize(
    ("context", "answer", "start", "expected", "unit"),
    [(TOKYO, "東京", 27, 9, "bytes"), (KEYS, "Key", 15, 11, "utf16"), (KEYS, "Key", 23, 11, "bytes")],
)
def test_offsets_in_other_units_are_exact(context: str, answer: str, start: int, expected: int, unit: str) -> None:
    example = Example("q", Question(context, "?", (Answer(answer, start),)), "ja")
    (done,), report = transform("recover_answers", [example])
    assert done.content.answers == (Answer(answer, expected),)
    assert report.counts["exact"] == report.counts[f"offsets/{unit}"] == 1
    with pytest.raises(InvalidArgument) as raised:
        check_example(example, 0)
    name = {"bytes": "bytes of UTF-8", "utf16": "units of UTF-16"}[unit]
    assert f"{start} is right in {name}, {expected} in code points" in raised.value.problem


@pytest.mark.parametrize(("ends", "counted"), [("\r\n", "\n"), ("\n", "\r\n")])
def test_offsets_counted_with_other_line_ends_are_exact(ends: str, counted: str) -> None:
    """The closest place of the answer would be another one."""
    for line in range(20):
        context = f"Key a{ends}" * 20
        start, expected = line * len(f"Key a{counted}"), line * len(f"Key a{ends}")
        example = Example("q", Question(context, "?", (Answer("Key", start),)), "en")
        (done,), report = transform("recover_answers", [example])
        if not context.startswith("Key", start):
            assert done.content.answers == (Answer("Key", expected),)
            assert report.counts["offsets/newlines"] == 1
            with pytest.raises(InvalidArgument, match=f"CRLF counts as one, or LF as two, {expected} in code points"):
                check_example(example, 0)


def test_offsets_within_line_ends_are_in_no_unit() -> None:
    assert counted_otherwise("a\nb\nb", "b", 2) is None
    assert counted_otherwise("a\nb\nb", "b", 6) == Counted("newlines", 4)
    assert counted_otherwise("a\r\nb\r\nb", "\r\nb", 1) == Counted("newlines", 1)
    assert counted_otherwise("a\rb", "b", 3) is None


def test_one_unknown_offset_beside_one_in_bytes_says_so() -> None:
    example = Example("q", Question(TOKYO, "?", (Answer("首都", -1), Answer("東京", 27))), "ja")
    with pytest.raises(InvalidArgument, match="27 is right in bytes") as raised:
        check_example(example, 0)
    assert raised.value.field == "examples[q].question.answers[1].start"


def test_offsets_that_are_right_in_code_points_are_those_of_code_points() -> None:
    example = Example("q", Question(TOKYO, "?", (Answer("東京", 9),)), "ja")
    (done,), report = transform("recover_answers", [example])
    assert done == example
    assert "offsets/bytes" not in report.counts


@given(st.text(max_size=20), st.integers(0, 20), st.integers(1, 5))
def test_every_offset_is_found_in_the_unit_it_was_counted_in(text: str, start: int, length: int) -> None:
    answer = text[start : start + length]
    before = text[:start].encode()
    if not answer or text.isascii():
        assert counted_otherwise(text, answer or "x", -1) is None
        return
    assert counted_otherwise(text, answer, len(before)) == Counted("bytes", start)
    found = counted_otherwise(text, answer, len(text[:start].encode("utf-16-le")) // 2)
    assert found is not None
    assert text.startswith(answer, found.start)
