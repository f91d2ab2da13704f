"""Sentences, parts that fit, batches within their budget."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.datagen.translation.languages import code
from services.datagen.translation.pieces import Piece, batches, halves, join, sentences, windows
from tests.support.datagen_corpora import texts


def test_sentences_end_at_their_signs() -> None:
    found = sentences(' He said "no." Why?  It costs 3.5 euros…\nEnd')
    assert [piece.text for piece in found] == ['He said "no."', "Why?", "It costs 3.5 euros…", "End"]
    assert [piece.before for piece in found] == [" ", " ", "  ", "\n"]
    assert [piece.text for piece in sentences("我吃。你呢？好")] == ["我吃。", "你呢？", "好"]


@given(texts)
def test_nothing_of_a_text_is_lost(text: str) -> None:
    pieces = sentences(text)
    assert "".join(piece.before + piece.text for piece in pieces) == text.rstrip()
    cut = [part for piece in pieces for part in halves(piece, lambda part: len(part) <= 4)]
    assert "".join(piece.before + piece.text for piece in cut) == text.rstrip()
    assert all(1 <= len(piece.text) <= 4 for piece in cut)


def test_sentences_are_joined_as_the_target_writes_them() -> None:
    assert join([Piece("我。"), Piece("你。")], ["I.", "You."], spaced=True) == "I. You."
    assert join([Piece("I."), Piece("You.", " ")], ["我。", "你。"], spaced=False) == "我。你。"
    assert join([Piece("I."), Piece("You.", "\n")], ["我。", "你。"], spaced=False) == "我。\n你。"


@given(st.lists(st.integers(1, 50)), st.integers(1, 100))
def test_batches_keep_their_budget(lengths: list[int], budget: int) -> None:
    found = list(batches(lengths, budget))
    assert sorted(i for batch in found for i in batch) == list(range(len(lengths)))
    assert all(len(batch) == 1 or len(batch) * max(lengths[i] for i in batch) <= budget for batch in found)


def test_windows_read_no_further_than_they_must() -> None:
    read = []

    def numbered() -> object:
        for i in range(100):
            read.append(i)
            yield [Piece(str(i))], 8

    first = next(windows(numbered(), 4))  # type: ignore[arg-type]
    assert len(first) == len(read) == 8


@pytest.mark.parametrize(
    ("tag", "tokens", "expected"),
    [
        ("zh", {"__zh__", "__en__"}, "__zh__"),
        ("zh", {"zho_Hans", "eng_Latn"}, "zho_Hans"),
        ("zh-TW", {"zho_Hans", "zho_Hant"}, "zho_Hant"),
        ("pt-BR", {"por_Latn"}, "por_Latn"),
        ("fr", {">>fra<<", ">>ron<<"}, ">>fra<<"),
        ("zh", {">>cmn<<"}, ">>cmn<<"),
        ("de", {"the"}, ""),
        ("xx", {"eng_Latn"}, ""),
    ],
)
def test_models_call_languages_by_their_own_codes(tag: str, tokens: set[str], expected: str) -> None:
    assert code(tag, tokens.__contains__) == expected


@pytest.mark.parametrize("part", [".", "?!", '."', "\n", " ", "\n.", "。", ". "])
def test_signs_in_a_row_are_looked_at_once(part: str) -> None:
    """A search anew from each of them, with Python's lock held, would take days and stop the whole server."""
    text = part * (1_000_000 // len(part))
    assert "".join(piece.before + piece.text for piece in sentences(text)) == text.rstrip()
