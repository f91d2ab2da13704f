import pytest
from babelscope.data.examples import Answer, Example, Question

from services.datagen.transforms.recover_answers import POSITIONS, positions
from services.runtime.errors import InvalidArgument
from tests.support.datagen_corpora import transform

CONTEXT = "The quick brown fox jumps over the lazy dog. The brown dog sleeps."


def _question(*answers: Answer, context: str = CONTEXT, places: str | None = None) -> Example:
    attributes = {"split": "train"} | ({} if places is None else {POSITIONS: places})
    return Example("q1", Question(context, "?", answers), "en", attributes=attributes)


def _recover(example: Example, **options: object) -> tuple[tuple[Answer, ...] | None, dict[str, int]]:
    done, report = transform("recover_answers", [example], **options)
    return (done[0].content.answers if done else None), dict(report.counts)


def test_exact_fuzzy_and_dropped() -> None:
    example = _question(Answer("brown", -1), Answer("lasy dog", -1), Answer("7777", -1), places="0.9,0.5,0")
    answers, counts = _recover(example)
    assert answers == (Answer("brown", 49), Answer("lazy dog", 35))
    assert counts == {
        "read": 1, "kept": 1, "answers": 3, "exact": 1, "fuzzy": 1, "answers_dropped": 1, "distance/0": 1,
        "distance/1": 1, "distance/4": 1,
    }  # fmt: skip


def test_the_attribute_is_used_up_and_the_others_stay() -> None:
    done, _ = transform("recover_answers", [_question(Answer("fox", -1), places="0.2")])
    assert done[0].attributes == {"split": "train"}


@pytest.mark.parametrize(
    ("answer", "distance", "kept"),
    [("ab", 1, True), ("ax", 1, True), ("xy", 2, False), ("x", 1, False), ("abcdefghijkl" + "z" * 10, 10, True),
     ("abcdefghijkl" + "z" * 11, 11, False)],
)  # fmt: skip
def test_the_drop_rule_of_the_paper(answer: str, distance: int, kept: bool) -> None:
    example = _question(Answer(answer, -1), context="a-cdefghijkl" if len(answer) < 3 else "abcdefghijkl")
    answers, counts = _recover(example)
    assert counts[f"distance/{distance}"] == 1
    assert (answers is not None) == kept
    assert counts.get("dropped", 0) == (not kept)
    noise, counts = _recover(example, mode="test")
    assert noise
    assert counts.get("noise", 0) == (not kept)


def test_what_is_right_stays_whatever_the_attribute_says() -> None:
    assert _recover(_question(Answer("brown", 10), places="1"))[0] == (Answer("brown", 10),)


def test_a_stale_start_tells_the_place() -> None:
    assert _recover(_question(Answer("brown", 52)))[0] == (Answer("brown", 49),)
    assert _recover(_question(Answer("brown", -1)))[0] == (Answer("brown", 10),)


def test_positions_are_those_of_the_original() -> None:
    example = _question(Answer("fox", 16), Answer("dog", 55))
    assert [float(one) for one in positions(example.content).split(",")] == pytest.approx(
        [16 / len(CONTEXT), 55 / len(CONTEXT)], abs=1e-8
    )


def test_widths_and_compositions_do_not_count() -> None:
    example = _question(Answer("98 %", -1), context="About ９８ ％ of it")
    assert _recover(example)[0] == (Answer("９８ ％", 6),)
    assert _recover(example, compare="raw")[1]["distance/3"] == 1


def test_no_answers_and_other_content_pass() -> None:
    done, report = transform("recover_answers", [_question(), Example("t", "text", "en")])
    assert len(done) == 2
    assert report.counts == {"read": 2, "kept": 2}


@pytest.mark.parametrize("example", [_question(Answer("", -1)), _question(Answer("a", -1), context="")])
def test_nothing_to_find_is_dropped_with_a_warning(example: Example) -> None:
    done, report = transform("recover_answers", [example], mode="test")
    assert not done
    assert report.counts["answers_dropped"] == report.counts["dropped"] == 1
    assert report.warnings == ["Some answers or contexts are empty: their answers were dropped"]


@pytest.mark.parametrize("places", ["0.5", "0.1,x", "0.1,2", "0.1,nan", ""])
def test_bad_places_name_the_example(places: str) -> None:
    with pytest.raises(InvalidArgument, match="Expected 2 numbers") as raised:
        _recover(_question(Answer("a", -1), Answer("b", -1), places=places))
    assert raised.value.field == "examples[q1].attributes[answer_positions]"
