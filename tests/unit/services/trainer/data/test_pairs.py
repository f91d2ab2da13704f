from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer

from services.models.tokens.tokenization import Tokenizer
from services.trainer.data.pairs import pair_within, shares, windows
from services.trainer.data.pieces import bare
from tests.support.lines import LINES


@pytest.mark.parametrize("family", ["bert", "roberta", "xlm-roberta"])
@pytest.mark.parametrize("limit", [200, 30, 17, 8])
def test_a_pair_is_cut_as_transformers_cuts_it(family: str, limit: int, tiny: Callable[[str], Path]) -> None:
    tokenizer = Tokenizer.load(tiny(family), family)
    theirs = AutoTokenizer.from_pretrained(tiny(family))
    for first, second in ((LINES[0], LINES[2]), (LINES[1], "river"), ("a", LINES[3])):
        texts = tokenizer.tokenize([first, second], 10_000)
        text, segments = pair_within(bare(texts[0]), bare(texts[1]), tokenizer.frame(2), limit)
        whole = theirs(first, second)
        assert text.full_length == len(whole["input_ids"])
        assert text.truncated == (len(whole["input_ids"]) > limit)
        assert len(text) == min(limit, len(whole["input_ids"]))
        expected = theirs(first, second, truncation="longest_first", max_length=limit, return_token_type_ids=True)
        mine, other = [0] * len(text) if segments is None else segments.tolist(), expected["token_type_ids"]
        # Who keeps the odd token of a room that both fill differs between versions of the tokenizers package.
        assert mine == other or (text.truncated and abs(sum(mine) - sum(other)) == 1)
        if not text.truncated:
            assert text.ids.tolist() == whole["input_ids"]


@given(st.integers(0, 50), st.integers(0, 50), st.integers(0, 60))
def test_the_longer_text_is_shortened_first(first: int, second: int, room: int) -> None:
    kept = shares(first, second, room)
    assert sum(kept) == min(first + second, room)
    assert kept[0] <= first
    assert kept[1] <= second
    if kept[0] < first and kept[1] < second:
        assert abs(kept[0] - kept[1]) <= 1


@given(st.integers(0, 200), st.integers(1, 50), st.integers(0, 80))
def test_windows_cover_all_and_overlap(tokens: int, room: int, overlap: int) -> None:
    found = windows(tokens, room, overlap)
    assert found[0][0] == 0
    assert found[-1][1] == tokens
    assert all(stop - start <= room for start, stop in found)
    for (_, stop), (start, later) in pairwise(found):
        assert start <= stop < later
        assert stop - start == min(overlap, room // 2)
    if tokens <= room:
        assert found == [(0, tokens)]
