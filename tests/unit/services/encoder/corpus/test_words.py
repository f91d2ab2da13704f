"""Words found in texts as literal tables, and their sums against plain lists."""

import tracemalloc
from collections import defaultdict
from itertools import islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.encoder.corpus.words import WordFinder, WordSums
from services.runtime.errors import LimitExceeded
from services.runtime.memory import Account, Memory, weight


def _account() -> Account:
    return Account(Memory(1 << 20, "word_bytes"))


@pytest.mark.parametrize(
    ("wanted", "options", "text", "found"),
    [
        ((), {}, "The cat, the CAT.", ["The", "cat", "the", "CAT"]),
        ((), {"ignore_case": True}, "The cat, the CAT.", ["the", "cat", "the", "cat"]),
        (("cat", "sat"), {}, "The cat, the CAT concat sat.", ["cat", "sat"]),
        (("Cat",), {"ignore_case": True}, "The cat, the CAT.", ["Cat", "Cat"]),
        (("New York", "York"), {}, "In New  York or York, new York", ["New York", "York", "York"]),
        (("北京", "北京大学", "大"), {}, "我在北京大学和北京。大", ["北京大学", "北京", "大"]),
        ((), {}, "北京 abc", ["北", "京", "abc"]),
        (("ฝน", "ฝนตก"), {}, "เมื่อวานฝนตกหนัก", ["ฝนตก"]),
        (("I",), {"ignore_case": True, "language": "tr"}, "I ı i İ", ["I", "I"]),
        (("caf\u00e9",), {}, "cafe\u0301 caf\u00e9", ["caf\u00e9", "caf\u00e9"]),
        (("absent",), {}, "The cat", []),
    ],
)
def test_words_are_found(wanted: tuple[str, ...], options: dict[str, object], text: str, found: list[str]) -> None:
    assert [word for word, _ in WordFinder(wanted, **options).find(text)] == found  # type: ignore[arg-type]


def test_spans_are_of_the_text_as_it_is() -> None:
    text = "cafe\u0301 na\u00efve"
    assert [text[start:end] for _, (start, end) in WordFinder().find(text)] == ["cafe\u0301", "na\u00efve"]


def test_given_words_are_taken_as_they_are() -> None:
    text, spans = "don't stop", [(0, 2), (2, 5), (6, 10)]
    assert [word for word, _ in WordFinder().pick(text, spans)] == ["do", "n't", "stop"]
    assert list(WordFinder(("STOP",), ignore_case=True).pick(text, spans)) == [("STOP", (6, 10))]
    assert list(WordFinder(("STOP",)).pick(text, spans)) == []


@given(
    st.lists(st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=12), min_size=1, max_size=12),
    st.integers(0, 4),
    st.integers(1, 3),
)
def test_means_are_those_of_plain_lists(batches: list[list[str]], least: int, at_once: int) -> None:
    rng = np.random.default_rng(len(batches))
    sums, plain = WordSums(2, 3, 1 << 20, _account(), _account()), defaultdict(list)
    computed = []
    for number, batch in enumerate(batches):
        rows = rng.standard_normal((len(batch), 2, 3)).astype(np.float32)
        computed.append((batch, 12 * number + np.arange(len(batch)), rows))
        for word, row in zip(batch, rows, strict=True):
            plain[word].append(row)
    for place in rng.permutation(len(computed)):
        batch, places, rows = computed[place]
        sums.add(np.array([sums.number(word) for word in batch]), places, rows)
    expected = {word: rows for word, rows in plain.items() if len(rows) >= least}
    parts = list(sums.means(least, at_once * (2 * 3 * 4 + 1)))
    assert [word for part in parts for word in part.words] == list(expected)
    assert all(len(part.words) <= at_once for part in parts)
    assert [count for part in parts for count in part.counts] == [len(rows) for rows in expected.values()]
    for part in parts:
        for word, vector in zip(part.words, part.vectors, strict=True):
            np.testing.assert_allclose(vector, np.mean(expected[word], 0, dtype=np.float64), atol=1e-6)
    assert sums.occurrences == sum(map(len, plain.values()))
    assert sums.words == len(plain)


def test_the_table_grows_with_the_vocabulary_and_no_further() -> None:
    account = _account()
    sums = WordSums(2, 8, 1 << 14, account, _account())
    numbers = np.array([sums.number(str(word)) for word in range(128)])
    sums.add(numbers, numbers, np.ones((128, 2, 8), np.float32))
    sums.add(numbers, numbers, np.ones((128, 2, 8), np.float32))
    assert sums._sums.nbytes <= 1 << 14
    assert sums._sums.nbytes == account.held
    with pytest.raises(LimitExceeded, match="more than 128 words of 128 bytes each; name the words wanted"):
        sums.number("one more")


def test_words_without_occurrences_are_not_answered() -> None:
    sums = WordSums(1, 1, 1 << 20, _account(), _account())
    sums.number("empty")
    sums.add(np.array([sums.number("cat")]), np.zeros(1, np.int64), np.ones((1, 1, 1), np.float32))
    assert [part.words for part in sums.means(0, 1000)] == [("cat",)]


def test_the_sums_of_all_requests_share_one_limit() -> None:
    memory = Memory(1 << 14, "word_bytes")
    one, other = Account(memory), Account(memory)
    for account, count in ((one, 100), (other, 20)):
        sums = WordSums(2, 8, 1 << 14, account, _account())
        numbers = np.array([sums.number(str(word)) for word in range(count)])
        if account is other:
            with pytest.raises(LimitExceeded, match="are held and this one needs") as caught:
                sums.add(numbers, numbers, np.ones((count, 2, 8), np.float32))
            assert caught.value.subject == "word_bytes"
        else:
            sums.add(numbers, numbers, np.ones((count, 2, 8), np.float32))


def test_a_word_larger_than_the_limit_is_refused() -> None:
    with pytest.raises(LimitExceeded, match="more than 0 words of 128 bytes each"):
        WordSums(2, 8, 100, _account(), _account()).number("cat")


def test_words_are_held_once_each() -> None:
    names = _account()
    sums = WordSums(1, 1, 1 << 20, _account(), names)
    assert [sums.number(word) for word in ("cat", "dog", "cat")] == [0, 1, 0]
    assert names.held == weight("cat") + weight("dog")


def test_long_words_are_told_in_parts_of_their_own() -> None:
    """Vectors of 4 bytes beside words of 100: what bounds a message is both."""
    sums = WordSums(1, 1, 1 << 20, _account(), _account())
    words = [f"{number:0100}" for number in range(10)]
    sums.add(np.array([sums.number(word) for word in words]), np.arange(10), np.ones((10, 1, 1), np.float32))
    parts = list(sums.means(0, 320))
    assert [len(part.words) for part in parts] == [3, 3, 3, 1]
    assert [word for part in parts for word in part.words] == words


def test_no_more_of_a_text_is_looked_at_than_is_asked_for() -> None:
    """A run without spaces of a million characters: its first words are told at once."""
    text = "蘋果" * 500_000
    tracemalloc.start()
    found = list(islice(WordFinder(("蘋果",)).find(text), 3))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found == [("蘋果", (0, 2)), ("蘋果", (2, 4)), ("蘋果", (4, 6))]
    assert peak < 8 * len(text)
