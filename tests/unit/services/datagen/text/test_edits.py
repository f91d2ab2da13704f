import difflib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.datagen.text.differences import LEAST_WORK, WORK_A_PART, Work, differences
from services.datagen.text.edits import Edit, Edits, between
from services.runtime.errors import LimitExceeded
from services.runtime.work import Stopped, watched
from tests.support.datagen_corpora import texts


@pytest.mark.parametrize(
    ("edits", "span", "result", "widened"),
    [
        ([], (2, 5), "cde", False),
        ([Edit(0, 2, "XYZ")], (2, 5), "cde", False),
        ([Edit(2, 5, "-")], (2, 5), "-", False),
        ([Edit(2, 5, "XYZW")], (3, 4), "XYZW", True),
        ([Edit(1, 3, "X")], (2, 5), "Xde", True),
        ([Edit(4, 6, "X")], (2, 5), "cdX", True),
        ([Edit(2, 2, " ")], (2, 5), "cde", False),
        ([Edit(5, 5, " ")], (2, 5), "cde", False),
        ([Edit(3, 3, " ")], (2, 5), "c de", False),
        ([Edit(2, 2, " "), Edit(2, 3, "X")], (2, 5), "Xde", False),
        ([Edit(4, 5, "X"), Edit(5, 5, " ")], (2, 5), "cdX", False),
        ([Edit(2, 5, "")], (2, 5), "", False),
        ([Edit(2, 5, "")], (2, 6), "f", False),
    ],
)
def test_spans_after_edits(edits: list[Edit], span: tuple[int, int], result: str, widened: bool) -> None:
    changed = Edits("abcdefgh", edits)
    start, end, grown = changed.span(*span)
    assert changed.text[start:end] == result
    assert grown is widened


@pytest.mark.parametrize("edits", [[Edit(3, 5, "x"), Edit(4, 6, "y")], [Edit(5, 4, "")], [Edit(0, 9, "")]])
def test_overlapping_and_strange_edits_are_refused(edits: list[Edit]) -> None:
    with pytest.raises(ValueError, match="Expected edits in order within"):
        Edits("abcdefgh", edits)


@st.composite
def edited(draw: st.DrawFn) -> Edits:
    text = draw(texts)
    borders = sorted(draw(st.lists(st.integers(0, len(text)), max_size=8)))
    pairs = zip(borders[::2], borders[1::2], strict=False)
    return Edits(text, [Edit(start, end, draw(st.text("xyz", max_size=4))) for start, end in pairs])


@given(edited(), st.data())
def test_what_was_not_touched_is_found_again(changed: Edits, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(changed.old)))
    end = data.draw(st.integers(start, len(changed.old)))
    new_start, new_end, widened = changed.span(start, end)
    assert 0 <= new_start <= len(changed.text)
    assert new_end <= len(changed.text)
    inside = [one for one in changed.edits if one.start < end and start < one.end]
    if start < end and not inside and not any(start < one.start < end for one in changed.edits):
        assert changed.text[new_start:new_end] == changed.old[start:end]
        assert not widened
    if start < end and all(start <= one.start and one.end <= end for one in inside):
        # Rebuilt from the edits that lie within the span alone.
        within = [one for one in inside if one.end > start] + [
            one for one in changed.edits if one.start == one.end and start < one.start < end and one not in inside
        ]
        local = sorted((Edit(one.start - start, one.end - start, one.new) for one in within), key=lambda one: one.start)
        assert changed.text[new_start:new_end] == Edits(changed.old[start:end], local).text


@pytest.mark.parametrize(
    ("old", "new", "edits"),
    [
        ("a b", "a b", ()),
        ("the end.", "the end .", (Edit(7, 7, " "),)),
        ("a  «b»", 'a "b"', (Edit(2, 4, '"'), Edit(5, 6, '"'))),
        ("im Jahr (1685) und", "im Jahr ( 1685 ) und", (Edit(9, 9, " "), Edit(13, 13, " "))),
        ("我吃鱼", "我 吃 鱼", (Edit(1, 1, " "), Edit(2, 2, " "))),
        ("\ufeff", "", (Edit(0, 1, ""),)),
    ],
)
def test_edits_between_texts(old: str, new: str, edits: tuple[Edit, ...]) -> None:
    assert between(old, new).edits == edits


@given(texts, st.data())
def test_where_only_spaces_differ_every_word_stays(text: str, data: st.DataObject) -> None:
    new = "".join(character + data.draw(st.sampled_from(["", "", " "])) for character in text)
    edits = between(text, new)
    assert edits.text == new
    for place, character in enumerate(text):
        if not character.isspace():
            start, end, widened = edits.span(place, place + 1)
            assert (new[start:end], widened) == (character, False)


@given(texts, texts)
def test_edits_between_any_texts_make_one_of_the_other(old: str, new: str) -> None:
    assert between(old, new).text == new
    assert between(old, old).edits == ()


# Compared pair by pair, each of these takes minutes to hours; what they have in common is found all the same.
REPEATED = {
    "one word again and again": ("a " * 20_000, "a " * 19_999 + "b ", 1),
    "shifted by one word": ("a " * 20_000, "b " + "a " * 19_999, 2),
    "every second word": (
        "".join(f"x{i} u{i} " for i in range(5_000)),
        "".join(f"x{i} v{i} " for i in range(5_000)),
        5_000,
    ),
    "one letter": ("a" * 50_000 + "b", "c" + "a" * 49_999, 2),
    "nothing in common": ("ab " * 20_000, "cd " * 20_000, 60_000),
}


@pytest.mark.parametrize("name", REPEATED)
def test_work_grows_with_the_text_and_not_with_its_square(name: str) -> None:
    old, new, most = REPEATED[name]
    work = Work(len(old) + len(new))
    given = work.left
    changed = Edits(old, _edits(old, new, work))
    assert changed.text == new == between(old, new).text
    assert len(changed.edits) <= most
    assert given <= LEAST_WORK + WORK_A_PART * (len(old) + len(new))
    assert work.left >= 0


def _edits(old: str, new: str, work: Work) -> list[Edit]:
    """The edits by characters."""
    return [Edit(i, j, new[k:m]) for i, j, k, m in differences(old, new, work)]


@given(st.text("ab «", max_size=40), st.text("ab «", max_size=40))
def test_short_texts_are_compared_as_difflib_compares_them(old: str, new: str) -> None:
    opcodes = difflib.SequenceMatcher(str.isspace, old, new, autojunk=False).get_opcodes()
    expected = [(i, j, k, m) for kind, i, j, k, m in opcodes if kind != "equal"]
    assert [tuple(each) for each in differences(old, new, Work(0))] == expected


@given(st.text("ab «x", max_size=40), st.text("ab «x", max_size=40), st.integers(0, 60))
def test_what_differs_is_right_wherever_the_work_ends(old: str, new: str, left: int) -> None:
    work = Work(0)
    work.left = left
    assert Edits(old, _edits(old, new, work)).text == new


def test_a_comparison_ends_where_nobody_waits_for_it() -> None:
    def gone() -> None:
        raise Stopped

    with watched(gone), pytest.raises(Stopped):
        between("a b c", "a x c")


def test_a_text_that_would_be_far_longer_than_a_message_is_not_made() -> None:
    """Two thousand words of one letter, for each of which a dictionary has ten thousand."""
    old, new = "a " * 2000, "b" * 10_000
    with pytest.raises(LimitExceeded, match="at most 16777216 characters, but one would have 20002000"):
        Edits(old, [Edit(2 * place, 2 * place + 1, new) for place in range(2000)])
    assert len(Edits(old, [Edit(2 * place, 2 * place + 1, new) for place in range(1000)]).text) == 10_003_000
