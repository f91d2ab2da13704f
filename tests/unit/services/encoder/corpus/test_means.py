"""Sums over the tokens of a corpus."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.encoder.corpus.means import LayerSums


@given(st.lists(st.integers(1, 9), min_size=1, max_size=30), st.integers(0, 99), st.integers(1, 7))
def test_the_mean_is_that_of_all_tokens_however_texts_are_split(counts: list[int], seed: int, step: int) -> None:
    rng = np.random.default_rng(seed)
    tokens = [rng.standard_normal((count, 2, 3)) for count in counts]
    means = np.array([each.mean(0) for each in tokens], np.float32)
    sums = LayerSums(2, 3)
    for start in range(0, len(counts), step):
        sums.add(means[start : start + step], counts[start : start + step])
    np.testing.assert_allclose(sums.means(), np.concatenate(tokens).mean(0), atol=1e-6)
    assert (sums.tokens, sums.texts) == (sum(counts), len(counts))


def test_a_small_difference_survives_a_large_mean() -> None:
    sums = LayerSums(1, 1)
    for _ in range(1000):
        sums.add(np.full((1000, 1, 1), 4096.25, np.float32), [1000] * 1000)
    assert sums.means()[0, 0] == 4096.25


def test_no_tokens_have_no_mean() -> None:
    with pytest.raises(ValueError, match="at least one token"):
        LayerSums(1, 1).means()
