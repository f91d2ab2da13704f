"""Procrustes: planted rotations come back, and what the pairs do not determine is said."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.metrics.errors import Degenerate
from services.metrics.maps.base import Fitted, Problem
from services.metrics.maps.normalisation import SCHEMES
from services.metrics.maps.orthogonal import rotation
from services.metrics.maps.procrustes import Procrustes, ProcrustesOptions
from services.metrics.sums.accumulate import nothing
from tests.support.planted_maps import planted, precision_at_1


def fit(problem: Problem, **options: Any) -> Fitted:
    return Procrustes().fit(problem, ProcrustesOptions(**options), check=nothing, tell=lambda done, total: None)


def problem(x: Any, y: Any, pairs: Any = None) -> Problem:
    pairs = np.stack([np.arange(len(x))] * 2, axis=1) if pairs is None else np.asarray(pairs)
    ids = tuple(map(str, range(max(len(x), len(y)))))
    return Problem(x, y, pairs, ids[: len(x)], ids[: len(y)])


def turn(seed: int, d: int) -> Any:
    return np.linalg.qr(np.random.default_rng(seed).standard_normal((d, d)))[0]


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 1000), scheme=st.sampled_from(sorted(SCHEMES)), reflect=st.booleans())
def test_a_rotation_or_a_reflection_without_noise_comes_back_exactly(seed: int, scheme: str, reflect: bool) -> None:
    x = np.random.default_rng(seed).standard_normal((40, 6)) + 1.0
    planted_turn = turn(seed, 6)
    planted_turn[0] *= -1 if reflect else 1
    found = fit(problem(x, x @ planted_turn), normalisation=scheme)
    np.testing.assert_allclose(found.source.matrix, planted_turn, rtol=0, atol=1e-10)
    assert np.array_equal(found.target.matrix, np.eye(6))
    assert found.trace == pytest.approx([1.0])
    assert found.settings == {"pairs": 40, "rank": 6}
    assert not found.warnings


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 1000))
def test_rotating_one_side_rotates_the_map(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((50, 5)), rng.standard_normal((50, 5))
    left, right = turn(seed, 5), turn(seed + 1, 5)
    straight = fit(problem(x, y)).source.matrix
    np.testing.assert_allclose(fit(problem(x, y @ right)).source.matrix, straight @ right, rtol=0, atol=1e-9)
    np.testing.assert_allclose(fit(problem(x @ left, y)).source.matrix, left.T @ straight, rtol=0, atol=1e-9)
    np.testing.assert_allclose(straight @ straight.T, np.eye(5), rtol=0, atol=1e-12)


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 1000), scale=st.floats(1e-6, 1e6))
def test_the_scale_of_a_side_does_not_matter(seed: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((50, 5)), rng.standard_normal((50, 5))
    np.testing.assert_allclose(
        fit(problem(x, y)).source.matrix, fit(problem(scale * x, y)).source.matrix, rtol=0, atol=1e-9
    )


def test_only_the_pairs_count_and_their_order_does_not() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((60, 5)), rng.standard_normal((80, 5))
    pairs = np.stack([rng.permutation(60)[:30], rng.permutation(80)[:30]], axis=1)
    found = fit(problem(x, y, pairs), normalisation="none").source.matrix
    alone = fit(problem(x[pairs[:, 0]], y[pairs[:, 1]]), normalisation="none").source.matrix
    np.testing.assert_allclose(found, alone, rtol=0, atol=1e-12)
    shuffled = fit(problem(x, y, rng.permutation(pairs)), normalisation="none").source.matrix
    np.testing.assert_allclose(found, shuffled, rtol=0, atol=1e-12)


def test_either_side_is_normalised_by_its_own_means() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((60, 5))
    found = fit(problem(x + 3, (x + 3) @ turn(0, 5) - 7), normalisation="centre")
    np.testing.assert_allclose(found.source.normalisation.means[0], x.mean(axis=0) + 3)
    np.testing.assert_allclose(found.source.matrix, turn(0, 5), rtol=0, atol=1e-10)


@pytest.mark.parametrize(("noise", "least"), [(0.0, 0.99), (0.1, 0.99), (0.5, 0.9)])
def test_planted_rotations_of_5000_clustered_points_are_recovered(noise: float, least: float) -> None:
    case = planted(0, 5000, 50, noise)
    found = fit(replace(case.problem, pairs=case.pairs(2500)))
    assert precision_at_1(case, found) >= least


def test_refinement_goes_on_from_too_few_pairs() -> None:
    case = planted(1, 800, 20, 0.1)
    few = replace(case.problem, pairs=case.pairs(14))
    start, refined = fit(few), fit(few, refinements=5)
    assert start.settings["rank"] == 14
    assert start.warnings == ("14 pairs determine the map in 14 of d=20 directions: it is arbitrary in the other 6",)
    assert not refined.warnings
    assert len(refined.trace) == 6
    assert refined.settings["rank"] == 20
    assert precision_at_1(case, start) < 0.9
    assert precision_at_1(case, refined) > 0.99


def test_refinement_looks_at_frequent_words_only() -> None:
    case = planted(2, 400, 10, 0.1)
    few = replace(case.problem, pairs=case.pairs(30))
    found = fit(few, refinements=2, frequent=60)
    assert found.settings["induced"] <= 60


def test_progress_counts_rotations() -> None:
    case, told = planted(3, 100, 5, 0.0), []
    given_pairs = replace(case.problem, pairs=case.pairs(50))
    options = ProcrustesOptions(refinements=2)
    Procrustes().fit(given_pairs, options, check=nothing, tell=lambda done, total: told.append((done, total)))
    assert told == [(1, 3), (2, 3), (3, 3)]


DEGENERATE = {
    "no pairs": (np.ones((5, 3)), np.ones((6, 3)), np.empty((0, 2), int), r"1 pair .* got 0 \(n=5, m=6, d=3\)"),
    "unequal dimensions": (np.ones((5, 3)), np.ones((5, 4)), None, "p=3 and q=4"),
    "a row of zeros": (np.eye(4, 3), np.ones((4, 3)), None, r"row 3 of 4 is \(n=4, d=3\)"),
    "rows all equal": (np.ones((5, 3)), np.ones((5, 3)), None, "rows that are not zero"),
}


@pytest.mark.parametrize("case", DEGENERATE)
def test_degenerate_problems_are_refused(case: str) -> None:
    x, y, pairs, message = DEGENERATE[case]
    with pytest.raises(Degenerate, match=message):
        fit(problem(x, y, pairs))


def test_sides_that_have_nothing_in_common_are_refused() -> None:
    x = np.array([[1.0, 0], [-1, 0], [1, 0], [-1, 0]])
    y = np.array([[0, 1.0], [0, 1], [0, -1], [0, -1]])
    with pytest.raises(Degenerate, match=r"X'Y is zero over all 4 pairs \(d=2\)"):
        fit(problem(x, y), normalisation="none")


def test_rounding_does_not_count_as_rank() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((200, 3)) @ rng.standard_normal((3, 8))
    assert rotation(x, x @ turn(0, 8)).rank == 3
