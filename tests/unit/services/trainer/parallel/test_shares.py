"""How a batch is shared out."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.trainer.parallel.shares import shares


@pytest.mark.parametrize(
    ("lengths", "workers", "expected"),
    [
        ([5, 4, 3, 3, 3], 1, [[0, 1, 2, 3, 4]]),
        ([5, 4, 3, 3, 3], 2, [[0, 3], [1, 2, 4]]),
        ([1, 9, 1, 9], 2, [[0, 1], [2, 3]]),
        ([7, 7, 7], 3, [[0], [1], [2]]),
        ([2, 8], 3, [[1], [0], []]),
        ([], 2, [[], []]),
    ],
)
def test_the_longest_go_first_to_who_has_least(lengths: list[int], workers: int, expected: list[list[int]]) -> None:
    assert [each.tolist() for each in shares(lengths, workers)] == expected


@given(st.lists(st.integers(1, 512), max_size=60), st.integers(1, 8))
def test_each_place_is_one_workers_and_the_loads_are_balanced(lengths: list[int], workers: int) -> None:
    found = shares(np.array(lengths, dtype=np.int64), workers)
    assert sorted(place for each in found for place in each.tolist()) == list(range(len(lengths)))
    assert all(np.all(np.diff(each) > 0) for each in found)
    loads = [sum(lengths[place] for place in each.tolist()) for each in found]
    # The worker with the most had the least when it got its last piece.
    assert max(loads) - min(loads) <= max(lengths, default=0)
    best = max(sum(lengths) / workers, max(lengths, default=0))
    assert max(loads) <= (4 / 3) * best + max(lengths, default=0) / 3
