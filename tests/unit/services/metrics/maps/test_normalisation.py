"""Normalisation: fitted on one language's rows, applied to others of the same language by the stored means."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.metrics.errors import Degenerate
from services.metrics.maps.normalisation import SCHEMES, Normalisation


def draw(seed: int, n: int = 40, d: int = 7) -> Any:
    return np.random.default_rng(seed).standard_normal((n, d)) + 2.0


def test_iterative_is_five_rounds_and_one_more_unit() -> None:
    rows = draw(0)
    expected, means = rows.copy(), []
    for _ in range(5):
        expected = expected / np.sqrt((expected**2).sum(axis=1))[:, None]
        means.append(expected.mean(axis=0))
        expected = expected - means[-1]
    expected = expected / np.sqrt((expected**2).sum(axis=1))[:, None]
    fitted, moved = Normalisation.fit(rows, "iterative")
    np.testing.assert_allclose(moved, expected, rtol=0, atol=1e-14)
    np.testing.assert_allclose(fitted.means, means, rtol=0, atol=1e-14)


@given(scheme=st.sampled_from(sorted(SCHEMES)), seed=st.integers(0, 100))
def test_training_rows_and_stored_means_agree(scheme: str, seed: int) -> None:
    rows = draw(seed)
    fitted, moved = Normalisation.fit(rows, scheme)
    np.testing.assert_allclose(fitted.transform(rows), moved, rtol=0, atol=1e-12)
    assert np.array_equal(rows, draw(seed))


@given(scheme=st.sampled_from(sorted(SCHEMES)), seed=st.integers(0, 100))
def test_held_out_rows_do_not_change_one_another(scheme: str, seed: int) -> None:
    fitted, _ = Normalisation.fit(draw(seed), scheme)
    held_out = draw(seed + 1000, 9)
    together = fitted.transform(held_out)
    apart = np.concatenate([fitted.transform(row[None]) for row in held_out])
    np.testing.assert_allclose(together, apart, rtol=0, atol=1e-14)


def test_held_out_rows_are_moved_by_the_training_means_and_not_their_own() -> None:
    fitted, _ = Normalisation.fit(draw(0), "centre")
    held_out = draw(1)
    np.testing.assert_allclose(fitted.transform(held_out), held_out - draw(0).mean(axis=0))
    assert np.abs(fitted.transform(held_out).mean(axis=0)).max() > 0.01


@given(seed=st.integers(0, 100))
def test_a_rotation_of_the_rows_rotates_what_comes_out(seed: int) -> None:
    turn = np.linalg.qr(np.random.default_rng(seed + 1).standard_normal((7, 7)))[0]
    for scheme in SCHEMES:
        _, straight = Normalisation.fit(draw(seed), scheme)
        _, turned = Normalisation.fit(draw(seed) @ turn, scheme)
        np.testing.assert_allclose(turned, straight @ turn, rtol=0, atol=1e-12)


@pytest.mark.parametrize("scheme", ["unit", "unit_centre_unit", "iterative"])
def test_a_row_of_zeros_is_refused_by_number(scheme: str) -> None:
    rows = draw(0)
    rows[3] = 0
    with pytest.raises(Degenerate, match=r"row 3 of 40 is \(n=40, d=7\)"):
        Normalisation.fit(rows, scheme)
    fitted, _ = Normalisation.fit(draw(0), scheme)
    with pytest.raises(Degenerate, match="row 1 of 2"):
        fitted.transform(np.stack([np.ones(7), np.zeros(7)]))


def test_rows_that_are_all_the_same_have_no_direction_left() -> None:
    with pytest.raises(Degenerate, match="row 0 of 5"):
        Normalisation.fit(np.full((5, 4), 2.0), "iterative")
