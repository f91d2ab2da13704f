"""The length of texts in tokens, and what is remembered of it."""

import sys

import pytest

from services.datagen.translation.tokenizing import SourceTokenizer
from tests.support.models import make_root


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> SourceTokenizer:
    return SourceTokenizer(make_root(tmp_path_factory.mktemp("models")) / "tiny")


def test_lengths_have_a_token_for_each_language(tokenizer: SourceTokenizer) -> None:
    assert tokenizer.length("the cat") == len(tokenizer.encode(["the cat"], "en", "de")[0][0]) + 2


@pytest.mark.parametrize(("words", "kept"), [(3, True), (5000, False)])
def test_long_texts_are_not_kept(tokenizer: SourceTokenizer, words: int, kept: bool) -> None:
    """Sixteen thousand texts of a megabyte each would be."""
    text = "the cat " * words
    before = sys.getrefcount(text)
    assert tokenizer.length(text) == tokenizer.length(text) > words
    assert (sys.getrefcount(text) > before) is kept
