import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.datagen.text import chunks
from services.datagen.text.chunks import ChunkRewriter, Piece
from services.datagen.text.edits import Edit, Edits
from services.runtime.errors import LimitExceeded
from services.runtime.text.words import segment
from tests.support.datagen_corpora import texts


def _doubled(text: str) -> Piece:
    """Doubles every word of even length."""
    words = list(segment(text))
    edits = [Edit(s, e, text[s:e] * 2) for s, e in words if (e - s) % 2 == 0]
    return Piece(Edits(text, edits), len(words), len(edits))


@given(st.lists(texts, min_size=1, max_size=4), st.data())
def test_piece_by_piece_is_the_whole_at_once(some: list[str], data: st.DataObject) -> None:
    rewriter = ChunkRewriter(_doubled)
    for text in [*some, *some]:
        new, words, replaced = rewriter(text)
        whole = _doubled(text)
        assert (new.text, words, replaced) == (whole.edits.text, whole.words, whole.replaced)
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(start, len(text)))
        if start < end:
            assert new.span(start, end) == whole.edits.span(start, end)


def test_memory_does_not_grow(monkeypatch) -> None:
    monkeypatch.setattr(chunks, "MEMORY", 2000)
    calls = []
    rewriter = ChunkRewriter(lambda piece: calls.append(piece) or _doubled(piece))
    for i in range(500):
        rewriter(f"word{i} same")
    assert len(rewriter._memory) < 60
    assert rewriter("same word1")[0].text == "samesame word1"
    assert 1 < calls.count("same") < 100


def test_a_text_that_would_be_far_longer_than_a_message_is_not_made() -> None:
    """Of a piece that comes again and again there is one new form, until all are put together."""
    rewriter = ChunkRewriter(lambda text: Piece(Edits(text, [Edit(0, 1, "b" * 10_000)]), 1, 1))
    with pytest.raises(LimitExceeded, match="at most 16777216 characters, but one would have 20001999"):
        rewriter(" ".join("a" * 2000))
    assert len(rewriter(" ".join("a" * 1000))[0].text) == 10_000_999
