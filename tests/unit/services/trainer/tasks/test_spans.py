import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.trainer.tasks.spans import best_span


@given(
    st.lists(st.tuples(st.integers(-3, 3), st.integers(-3, 3)), min_size=1, max_size=9),
    st.integers(1, 10),
)
def test_the_span_is_the_best_of_all(pairs: list[tuple[int, int]], longest: int) -> None:
    starts, ends = (np.array(side, dtype=np.float32) for side in zip(*pairs, strict=True))
    spans = [(i, j) for i in range(len(pairs)) for j in range(i, min(i + longest, len(pairs)))]
    best = max(spans, key=lambda span: (starts[span[0]] + ends[span[1]], -span[0], -span[1]))
    first, last, score = best_span(starts, ends, longest)
    assert (first, last) == best
    assert score == starts[first] + ends[last]


@pytest.mark.parametrize(
    ("starts", "ends", "longest", "expected"),
    [
        ([0, 5, 0], [9, 0, 1], 30, (0, 0)),  # the best end lies before the best start
        ([5, 0, 0, 0], [0, 0, 0, 9], 4, (0, 3)),
        ([5, 0, 0, 0], [0, 0, 0, 9], 3, (1, 3)),  # too long
    ],
)
def test_the_end_is_not_before_the_start_nor_too_far(
    starts: list[float], ends: list[float], longest: int, expected: tuple[int, int]
) -> None:
    assert best_span(np.array(starts, np.float32), np.array(ends, np.float32), longest)[:2] == expected
