import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.runtime.errors import InvalidArgument
from services.trainer.data import order as orders
from services.trainer.data.order import Order, by_length, evaluation_steps

LENGTHS = st.lists(st.integers(1, 40), min_size=1, max_size=60)


@given(LENGTHS, st.integers(1, 60), st.integers(1, 4), st.integers(-5, 1 << 62))
def test_each_piece_is_in_one_batch_of_each_epoch_and_batches_keep_the_budget(
    lengths: list[int], budget: int, accumulation: int, seed: int
) -> None:
    order = Order(tuple(lengths), budget, accumulation, seed)
    for number in range(3):
        steps = order.epoch(number)
        assert all(1 <= len(step) <= accumulation for step in steps)
        batches = [batch for step in steps for batch in step]
        assert sorted(np.concatenate(batches).tolist()) == list(range(len(lengths)))
        assert all(len(batch) == 1 or sum(lengths[piece] for piece in batch) <= budget for batch in batches)


def test_epochs_differ_and_do_not_depend_on_one_another() -> None:
    lengths = tuple(range(1, 30))
    one, other = Order(lengths, 60, 1, 3), Order(lengths, 60, 1, 3)
    first = [batch.tolist() for step in one.epoch(0) for batch in step]
    second = [batch.tolist() for step in one.epoch(1) for batch in step]
    assert first != second
    assert [batch.tolist() for step in other.epoch(1) for batch in step] == second
    assert [batch.tolist() for step in Order(lengths, 60, 1, 4).epoch(0) for batch in step] != first


def test_steps_of_whole_and_broken_epochs() -> None:
    order = Order((10,) * 20, 20, 1, 0)
    assert order.steps(2.0, 0) == [10, 10]
    assert order.steps(1.5, 0) == [10, 5]
    assert order.steps(0.01, 0) == [1]
    assert order.steps(3.0, 14) == [10, 4]
    assert order.steps(1.0, 14) == [10]


def test_steps_that_need_more_passes_than_a_run_may_have(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orders, "MOST_EPOCHS", 50)
    order = Order((10,) * 20, 200, 1, 0)
    assert order.steps(1e9, 50) == [1] * 50
    with pytest.raises(InvalidArgument, match="at most 50, which are 50 passes over the data, but got 1000") as told:
        order.steps(1e9, 100_000_000)
    assert told.value.field == "optimisation.max_steps"


@given(st.integers(1, 500), st.integers(1, 1 << 62))
def test_evaluations_are_spread_over_an_epoch_and_end_with_it(size: int, evaluations: int) -> None:
    found = sorted(evaluation_steps(size, evaluations))
    assert len(found) == min(size, evaluations)
    assert (found[0] >= 1, found[-1]) == (True, size)
    gaps = np.diff([0, *found])
    assert gaps.max() - gaps.min() <= 2


@given(LENGTHS, st.integers(1, 60))
def test_batches_for_prediction_hold_each_piece_once(lengths: list[int], budget: int) -> None:
    batches = by_length(lengths, budget)
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(lengths)))
    assert all(len(batch) == 1 or sum(lengths[piece] for piece in batch) <= budget for batch in batches)
