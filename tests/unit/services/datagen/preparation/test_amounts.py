"""Budgets add up, sampling is by exponent, streams have one length."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.datagen.preparation.sampling import budgets, probabilities
from services.datagen.preparation.streams import streams
from services.runtime.errors import InvalidArgument

SIZES = st.dictionaries(st.sampled_from(["en", "de", "zh", "sw", "ar"]), st.integers(1, 10**6), min_size=1)


def test_shares_follow_the_power() -> None:
    found = probabilities({"en": 900, "sw": 100}, 0.7)
    assert found["sw"] == pytest.approx(0.1**0.7 / (0.1**0.7 + 0.9**0.7))
    assert sum(found.values()) == pytest.approx(1.0)
    assert probabilities({"en": 900, "sw": 100}, 0.0)["sw"] == pytest.approx(0.5)


@given(SIZES, st.integers(1, 10**5), st.floats(0, 1))
def test_budgets_add_up(available: dict[str, int], total: int, exponent: float) -> None:
    found = budgets(available, total, exponent)
    assert sum(one.sentences for one in found.values()) == total
    assert all(abs(one.sentences - total * one.probability) < 1 for one in found.values())


@given(SIZES, st.floats(0, 1), st.floats(0, 1))
def test_without_repetition_no_language_gives_more_than_it_has(
    available: dict[str, int], exponent: float, part: float
) -> None:
    total = max(1, int(sum(available.values()) * part))
    found = budgets(available, total, exponent, repeat=False)
    assert sum(one.sentences for one in found.values()) == total
    assert all(one.sentences <= one.available for one in found.values())


@given(st.lists(st.integers(0, 9), max_size=30), st.integers(1, 12))
def test_streams_hold_every_token_in_order(sizes: list[int], length: int) -> None:
    lines = [np.arange(size, dtype=np.int32) + 10 for size in sizes]
    expected = [token for line in lines for token in (*line.tolist(), 2)]
    found = list(streams(iter(lines), length, separator=2, padding=0))
    assert all(len(stream.ids) == length for stream in found)
    assert [token for stream in found for token in stream.ids[: stream.tokens].tolist()] == expected
    cut = list(streams(iter(lines), length, separator=2))
    assert len(cut) == len(expected) // length


def test_bad_input_is_named() -> None:
    with pytest.raises(InvalidArgument, match="sizes above 0"):
        probabilities({"en": 0})
    with pytest.raises(InvalidArgument, match=r"within 1\.\.5, but got 6"):
        budgets({"en": 5}, 6, repeat=False)
    with pytest.raises(InvalidArgument, match="at least 1"):
        list(streams([], 0))
