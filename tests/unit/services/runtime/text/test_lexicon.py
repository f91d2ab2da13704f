from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.runtime.text.lexicon import Lexicon
from services.runtime.text.words import segment
from services.runtime.work import Stopped, watched
from tests.support.datagen_corpora import texts


def _found(lexicon: Lexicon, text: str) -> list[tuple[str, int]]:
    return [(text[slice(*span)], count) for span, count, known in lexicon.matches(text) if known]


def test_the_longest_entry_wins_in_scripts_without_spaces() -> None:
    lexicon = Lexicon(["蘋", "蘋果", "蘋果樹", "吃", "ภาษา", "ไทย"], "zh")
    assert _found(lexicon, "我吃蘋果樹蘋果。") == [("吃", 1), ("蘋果樹", 1), ("蘋果", 1)]
    assert _found(lexicon, "ภาษาไทย") == [("ภาษา", 1), ("ไทย", 1)]


def test_entries_of_several_words() -> None:
    lexicon = Lexicon(["New York", "new", "well-known", "york city", "T恤"], "en")
    assert _found(lexicon, "a NEW  york, New city; Well-known well known T恤") == [
        ("NEW  york", 2), ("New", 1), ("Well-known", 2), ("T恤", 2)
    ]  # fmt: skip
    assert lexicon.spans_spaces
    assert not Lexicon(["well-known"]).spans_spaces


def test_an_entry_never_cuts_a_character_from_its_marks() -> None:
    assert _found(Lexicon(["น"]), "น้น") == [("น", 1)]


@given(texts, st.lists(st.sampled_from(["a", "b c", "我", "我吃", "吃蘋", "ไท", "é", "i"])))
def test_matches_cover_the_words(text: str, entries: list[str]) -> None:
    spans = [span for span, _, _ in Lexicon(entries).matches(text)]
    assert all(one[1] <= two[0] for one, two in pairwise(spans))
    covered = {i for start, end in spans for i in range(start, end)}
    assert covered >= {i for start, end in segment(text) for i in range(start, end)}
    if not entries:
        assert spans == list(segment(text))


@pytest.mark.parametrize("left", [1, 6, 11])
def test_it_stops_amid_its_entries_where_nobody_waits_for_it(left: int) -> None:
    """Five entries are looked at once as they come, and again by what they are: one of spaces, one without."""
    asked = 0

    def check() -> None:
        nonlocal asked
        asked += 1
        if asked == left:
            raise Stopped

    entries = ["a", "b", "c d", "蘋果", "吃"]
    if left > 2 * len(entries):
        with watched(check):
            lexicon = Lexicon(entries)
        assert len(_found(lexicon, "a c d")) == 2
        return
    with watched(check), pytest.raises(Stopped):
        Lexicon(entries)
    assert asked == left


@pytest.mark.parametrize("text", ["a " * 9, "蘋果" * 9])
def test_it_stops_amid_a_text_where_nobody_waits_for_it(text: str) -> None:
    lexicon, left = Lexicon(["a b", "蘋果樹"]), 5

    def check() -> None:
        nonlocal left
        left -= 1
        if not left:
            raise Stopped

    found = lexicon.matches(text)
    with watched(check), pytest.raises(Stopped):
        list(found)
    assert left == 0
