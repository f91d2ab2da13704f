"""Masks: shares, what is never predicted, and draws that depend on nothing but their generator."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.trainer.pretraining.masking import Masker
from services.trainer.pretraining.plan import Masking

V, MASK = 50, 4


def _masker(masking: Masking = Masking()) -> Masker:  # noqa: B008 - frozen
    special = np.arange(V) < 5
    return Masker(masking, MASK, np.flatnonzero(~special), special)


@pytest.mark.parametrize(
    ("masking", "masked", "random", "kept"),
    [
        (Masking(), 0.12, 0.015, 0.015),
        (Masking(rate=0.5, masked=0.0, random=0.5), 0.0, 0.25, 0.25),
        (Masking(rate=1.0, masked=1.0, random=0.0), 1.0, 0.0, 0.0),
    ],
)
def test_the_shares_are_those_asked_for(masking: Masking, masked: float, random: float, kept: float) -> None:
    ids = np.random.default_rng(0).integers(5, V, 200_000)
    found = _masker(masking)(ids, np.random.default_rng(1))
    rows = np.zeros(len(ids), dtype=bool)
    rows[found.rows] = True
    # A random token is the old one in one of 45 draws.
    same = 1 / (V - 5)
    assert np.mean(found.ids == MASK) == pytest.approx(masked, abs=0.003)
    assert np.mean(rows & (found.ids != MASK) & (found.ids != ids)) == pytest.approx(random * (1 - same), abs=0.003)
    assert np.mean(rows & (found.ids == ids)) == pytest.approx(kept + random * same, abs=0.003)
    assert np.array_equal(found.ids[~rows], ids[~rows])


def test_random_tokens_are_drawn_evenly_from_those_that_are_not_special() -> None:
    ids = np.full(90_000, 7)
    found = _masker(Masking(1.0, 0.0, 1.0))(ids, np.random.default_rng(2))
    counts = np.bincount(found.ids, minlength=V)
    assert counts[:5].sum() == 0
    # Chi-squared with 44 degrees of freedom lies below 87 in all but one of ten thousand draws.
    assert ((counts[5:] - 2000.0) ** 2 / 2000).sum() < 87


@given(st.lists(st.integers(0, V - 1), min_size=1, max_size=60), st.integers(0, 1000))
def test_special_tokens_are_never_predicted_and_one_other_always_is(tokens: list[int], seed: int) -> None:
    ids = np.array(tokens)
    found = _masker(Masking(rate=0.01))(ids, np.random.default_rng(seed))
    assert (ids[found.rows] >= 5).all()
    assert bool(len(found.rows)) is bool((ids >= 5).any())
    again = _masker(Masking(rate=0.01))(ids, np.random.default_rng(seed))
    assert np.array_equal(found.ids, again.ids)
    assert np.array_equal(found.rows, again.rows)
