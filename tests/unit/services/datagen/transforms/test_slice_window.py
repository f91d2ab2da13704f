import pytest
from babelscope.data.examples import Example, TextPair
from hypothesis import given
from hypothesis import strategies as st

from services.runtime.errors import InvalidArgument
from services.runtime.text.words import units
from tests.support.datagen_corpora import texts, transform


def test_windows_of_words_and_signs() -> None:
    done, report = transform(
        "slice_window", [Example("d", "One two, three. 我吃!", "en", attributes={"a": "b"})], tokens=3
    )
    assert [(one.id, one.content) for one in done] == [("d#0", "One two,"), ("d#1", "three. 我"), ("d#2", "吃!")]
    assert all(one.attributes == {"a": "b", "origin": "d"} and one.language == "en" for one in done)
    assert report.counts == {"read": 1, "kept": 3, "tokens": 8, "empty": 0}


def test_windows_of_sub_words() -> None:
    done, _ = transform("slice_window", [Example("d", "un ##able to ##-day")], tokens=2, unit="spaces")
    assert [one.content for one in done] == ["un ##able", "to ##-day"]


@given(texts, st.integers(1, 5))
def test_no_token_is_lost(text: str, size: int) -> None:
    tokens = [text[start:end] for start, end in units(text, signs_apart=True)]
    done, _ = transform("slice_window", [Example("d", text)], tokens=size)
    counts = [len(list(units(one.content, signs_apart=True))) for one in done]
    assert "".join("".join(one.content.split()) for one in done) == "".join(text.split())
    assert len(done) == -(-len(tokens) // size)
    # A mark that opens a window joined the sign before it: it may be cut from nothing else.
    assert sum(counts) == len(tokens)
    assert all(count <= size for count in counts)


def test_what_is_no_running_text_is_refused() -> None:
    with pytest.raises(InvalidArgument, match=r"examples\[p\]: Expected running text, but got a TextPair"):
        transform("slice_window", [Example("p", TextPair("a", "b"))])
