from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer

from services.models.tokens.tokenization import Tokenizer
from services.trainer.data.words import cut_sentences
from tests.support.lines import LINES
from tests.support.tiny_models import CONFIGURATIONS

WORDS = [word for line in LINES for word in (line.split() if " " in line else [line[:4], line[4:]])]


@pytest.mark.parametrize("family", CONFIGURATIONS)
def test_each_word_stands_at_its_first_sub_word(family: str, tiny: Callable[[str], Path]) -> None:
    tokenizer = Tokenizer.load(tiny(family), family)
    [cut] = cut_sentences([WORDS[:40]], tokenizer, 10_000, split=True)
    [window] = cut.windows
    assert window.words.tolist() == list(range(40))
    assert not cut.over_long
    assert cut.lost == 0
    text, joined = window.text, " ".join(WORDS[:40])
    begin = 0
    for word, row in zip(WORDS[:40], window.rows.tolist(), strict=True):
        start, end = int(text.starts[row]), int(text.ends[row])
        assert not text.special[row]
        assert start <= begin + 1
        assert end > begin
        assert text.ends[row - 1] <= begin or text.special[row - 1]
        assert joined[begin : begin + len(word)] == word
        begin += len(word) + 1
    [whole] = tokenizer.tokenize([joined], 10_000)
    assert text.ids.tolist() == whole.ids.tolist()
    assert text.special.tolist() == whole.special.tolist()


def test_wordpieces_are_those_of_words_cut_one_by_one(tiny: Callable[[str], Path]) -> None:
    theirs = AutoTokenizer.from_pretrained(tiny("bert"))(WORDS, is_split_into_words=True)
    [cut] = cut_sentences([WORDS], Tokenizer.load(tiny("bert"), "tiny"), 10_000, split=True)
    [window] = cut.windows
    assert window.text.ids.tolist() == theirs["input_ids"]
    firsts = {}
    for row, word in enumerate(theirs.word_ids()):
        if word is not None:
            firsts.setdefault(word, row)
    assert dict(zip(window.words.tolist(), window.rows.tolist(), strict=True)) == firsts


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(words=st.lists(st.sampled_from([*WORDS, "\u200b", "", "x y"]), max_size=30), limit=st.integers(3, 40))
def test_a_split_sentence_loses_only_words_without_tokens(tokenizer: Tokenizer, words: list[str], limit: int) -> None:
    [cut] = cut_sentences([words], tokenizer, limit, split=True)
    assert all(len(window.text) <= limit for window in cut.windows)
    found = [word for window in cut.windows for word in window.words.tolist()]
    with_tokens = [place for place, word in enumerate(words) if word not in {"", "\u200b"}]
    assert found == with_tokens
    assert cut.lost == len(words) - len(found)
    for window in cut.windows:
        assert window.text.special.tolist() == [True, *[False] * (len(window.text) - 2), True]
        assert not window.text.special[window.rows].any()
    [short] = cut_sentences([words], tokenizer, limit, split=False)
    assert [window.words.tolist() for window in short.windows] == [window.words.tolist() for window in cut.windows[:1]]
    assert short.lost == len(words) - sum(len(window.words) for window in short.windows)
    assert short.over_long == cut.over_long
