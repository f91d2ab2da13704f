"""The order of streams: exponent sampling in whole numbers, and epochs that depend on seed and number alone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.trainer.pretraining.order import LanguageOrder, budgets


@pytest.mark.parametrize(
    ("sizes", "exponent", "expected"),
    [
        ((90, 10), 1.0, (90, 10)),
        ((90, 10), 0.0, (50, 50)),
        # 0.9^0.7 : 0.1^0.7 = 0.92890 : 0.19953
        ((90, 10), 0.7, (82, 18)),
        # sqrt(900), sqrt(90), sqrt(10) = 30, 9.48683, 3.16228 of 42.64911
        ((900, 90, 10), 0.5, (703, 223, 74)),
        ((7,), 0.7, (7,)),
    ],
)
def test_budgets(sizes: tuple[int, ...], exponent: float, expected: tuple[int, ...]) -> None:
    assert tuple(budgets(sizes, exponent)) == expected


@given(st.lists(st.integers(1, 400), min_size=1, max_size=5), st.floats(0, 1))
def test_budgets_add_up_and_never_turn_the_order_of_sizes(sizes: list[int], exponent: float) -> None:
    found = budgets(sizes, exponent)
    assert found.sum() == sum(sizes)
    for one, other in zip(*np.triu_indices(len(sizes), 1), strict=True):
        if sizes[one] > sizes[other]:
            assert found[one] >= found[other] - 1


def _order(exponent: float = 0.7, seed: int = 3, accumulation: int = 2) -> LanguageOrder:
    return LanguageOrder(np.full(100, 32), (90, 10), exponent, 128, accumulation, seed)


def test_each_language_repeats_its_streams_equally_often() -> None:
    times = np.bincount(_order().drawn(0), minlength=100)
    assert times[:90].sum() == 82
    assert times[:90].max() == 1
    assert times[90:].sum() == 18
    assert set(times[90:]) == {1, 2}


def test_with_exponent_one_each_stream_is_seen_once() -> None:
    steps = _order(exponent=1.0).epoch(4)
    assert sorted(np.concatenate([np.concatenate(step) for step in steps])) == list(range(100))
    assert [len(step) for step in steps] == [2] * 12 + [1]
    assert all(len(batch) == 4 for step in steps for batch in step)


def test_epochs_differ_and_are_the_same_each_time() -> None:
    assert np.array_equal(_order().drawn(1), _order().drawn(1))
    assert not np.array_equal(_order().drawn(0), _order().drawn(1))
    assert not np.array_equal(_order(seed=1).drawn(0), _order(seed=2).drawn(0))
    assert _order().steps(2.5, 0) == [13, 13, 6]
    assert _order().steps(9.0, 20) == [13, 7]
