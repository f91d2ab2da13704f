import random
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.datagen.text import spans
from services.datagen.text.spans import Match, closest_span
from tests.support.datagen_corpora import texts


def distance(left: str, right: str) -> int:
    """The edit distance by Wagner and Fischer's table, row by row."""
    row = list(range(len(right) + 1))
    for i, one in enumerate(left, 1):
        last, row[0] = row[0], i
        for j, two in enumerate(right, 1):
            last, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, last + (one != two))
    return row[-1]


def brute_force(text: str, answer: str, position: float) -> Match:
    """Every span, one after the other."""
    near = position * len(text)
    best = min(
        (distance(text[start:end], answer), abs(start - near), start, abs(end - start - len(answer)), end - start)
        for start in range(len(text))
        for end in range(start + 1, len(text) + 1)
    )
    return Match(best[2], best[2] + best[4], best[0])


@pytest.fixture(params=["edlib", "python"])
def aligner(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "python":
        monkeypatch.setattr(spans, "edlib", None)
    else:
        assert spans.edlib is not None
    return request.param


@pytest.mark.usefixtures("aligner")
@pytest.mark.parametrize(
    ("text", "answer", "position", "span", "far"),
    [
        ("the red fox", "red", 0.0, "red", 0),
        ("the rde fox", "red", 0.0, "rd", 1),
        ("天氣很好", "天氣好", 0.0, "天氣很", 1),
        ("xyz", "abc", 0.0, "xyz", 3),
        ("x", "abc", 0.9, "x", 3),
        ("👩 cafe\u0301", "cafe", 0.5, "cafe", 0),
    ],
)
def test_known_spans(text: str, answer: str, position: float, span: str, far: int) -> None:
    match = closest_span(text, answer, position)
    assert (text[match.start : match.end], match.distance) == (span, far)


@pytest.mark.usefixtures("aligner")
def test_the_minimum_and_its_place_are_those_of_all_spans() -> None:
    draw = random.Random(7)
    for _ in range(3000):
        alphabet = "ab語é👩c"[: draw.randint(1, 6)]
        text = "".join(draw.choices(alphabet, k=draw.randint(1, 12)))
        answer = "".join(draw.choices(alphabet + "z", k=draw.randint(1, 6)))
        position = draw.choice([0.0, 0.5, 1.0, draw.random()])
        assert closest_span(text, answer, position) == brute_force(text, answer, position), (text, answer, position)


@pytest.mark.usefixtures("aligner")
@pytest.mark.parametrize(("position", "start"), [(0.0, 0), (0.3, 4), (0.6, 8), (1.0, 8)])
def test_ties_go_to_the_nearest_place(position: float, start: int) -> None:
    assert closest_span("abc abc abc", "abc", position).start == start
    assert closest_span("abd abd abd", "abc", position).start == start


def test_more_characters_than_edlib_takes() -> None:
    answer = "".join(map(chr, range(0x4E00, 0x4E00 + 300)))
    text = "我" * 50 + answer[:150] + "x" + answer[151:] + "你"
    assert closest_span(text, answer) == Match(50, 350, 1)


@given(texts.filter(bool))
def test_normal_forms_are_taken_piece_by_piece(text: str) -> None:
    plain, starts = spans._normalised(text)
    assert plain == unicodedata.normalize("NFKC", text)
    assert len(plain) == len(starts)
    assert starts == sorted(starts)


def test_normal_forms_compare_and_raw_offsets_come_back() -> None:
    text = "In ９８ ﬁnes カ\u3099ス"
    for answer, raw in [("98", "９８"), ("fines", "ﬁnes"), ("i", "ﬁ"), ("ガス", "カ\u3099ス")]:
        match = closest_span(text, answer, nfkc=True, position=0.2)
        assert (text[match.start : match.end], match.distance) == (raw, 0)
    assert closest_span(text, "98").distance == 2


@given(texts.filter(bool), st.text(min_size=1, max_size=6), st.floats(0, 1), st.booleans())
def test_a_span_is_within_the_text(text: str, answer: str, position: float, nfkc: bool) -> None:
    match = closest_span(text, answer, position, nfkc=nfkc)
    assert 0 <= match.start < match.end <= len(text)
    if not nfkc:
        assert match.distance == distance(text[match.start : match.end], answer)


@pytest.mark.parametrize(("text", "answer"), [("", "a"), ("a", "")])
def test_nothing_has_no_span(text: str, answer: str) -> None:
    with pytest.raises(ValueError, match="at least one character"):
        closest_span(text, answer)
