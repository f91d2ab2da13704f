"""Self-learning, restarts and the signs of a collapse."""

from typing import Any

import numpy as np
import pytest

from services.metrics.maps.collapse import LEAST_RATIO, confidence
from services.metrics.maps.induction import induce
from services.metrics.maps.normalisation import Normalisation
from services.metrics.maps.restarts import best_of, restart_seeds
from services.metrics.maps.vecmap.self_learning import Dropping, Schedule, self_learn
from services.metrics.sums.accumulate import nothing
from tests.support.planted_maps import planted


def silent(done: int, total: int) -> None:
    """Progress that nobody reads."""


def rows(seed: int, n: int = 400, d: int = 20) -> tuple[Any, Any, Any]:
    """Both sides normalised, and the planted rotation."""
    case = planted(seed, n, d, 0.1)
    source, target = (
        Normalisation.fit(side, "unit_centre_unit")[1] for side in (case.problem.source, case.problem.target)
    )
    return source, target, case.rotation


@pytest.mark.parametrize("keep", [0.1, 0.5, 0.9])
def test_the_share_that_is_kept_is_the_one_asked_for(keep: float) -> None:
    drop = Dropping(keep, 3)
    tile = drop(np.zeros((300, 401), np.float32))
    assert abs((tile == 0).mean() - keep) < 5 * np.sqrt(keep * (1 - keep) / tile.size)
    # Rows and columns alike, and no two tiles the same.
    assert (tile == 0).any(axis=0).all()
    assert ((drop(np.zeros((300, 401), np.float32)) == 0) != (tile == 0)).any()


def test_dropped_scores_lie_below_all_kept_ones_and_kept_ones_are_untouched() -> None:
    scores = np.random.default_rng(0).uniform(-1.5, 1.5, (50, 60)).astype(np.float32)
    dropped = Dropping(0.3, 0)(scores.copy())
    kept = dropped == scores
    assert 0 < kept.mean() < 1
    assert dropped[~kept].max() < scores.min()


def test_nothing_is_dropped_where_all_is_kept() -> None:
    tile = np.ones((5, 7), np.float32)
    assert (Dropping(1.0, 0)(tile) == 1).all()


@pytest.mark.parametrize(
    ("keep", "factor", "patience", "rounds"), [(0.1, 2.0, 50, 255), (1.0, 2.0, 50, 51), (0.5, 2.0, 9, 20)]
)
def test_rounds_expected(keep: float, factor: float, patience: int, rounds: int) -> None:
    assert Schedule(keep=keep, keep_factor=factor, patience=patience).expected == rounds


def test_the_right_rotation_stays_and_the_trace_is_the_mean_greatest_cosine() -> None:
    source, target, rotation = rows(0)
    learnt = self_learn(source, target, rotation, Schedule(keep=1.0), seed=0, check=nothing, tell=silent)
    cos = (source @ rotation) @ target.T
    assert learnt.trace[0] == pytest.approx((cos.max(axis=1).mean() + cos.max(axis=0).mean()) / 2, abs=1e-6)
    assert learnt.ceased
    # The dictionary came back as it was: rounds to no purpose are left out.
    assert len(learnt.trace) < 10
    assert len(learnt.found.mutual()) == len(source)


def test_gains_cease_after_so_many_rounds_for_each_share() -> None:
    source, target, rotation = rows(1)
    schedule = Schedule(keep=0.3, keep_factor=4.0, patience=7, gain=2.0)
    learnt = self_learn(source, target, rotation, schedule, seed=0, check=nothing, tell=silent)
    # No gain is ever large enough but the first, from nothing: 1 + 7 rounds at 0.3; at 1.0 until nothing changes.
    assert 8 < len(learnt.trace) <= 15
    assert learnt.ceased


def test_rounds_are_limited() -> None:
    source, target, rotation = rows(1)
    told: list[tuple[int, int]] = []
    schedule = Schedule(rounds=5)
    learnt = self_learn(source, target, rotation, schedule, seed=0, check=nothing, tell=lambda *step: told.append(step))
    assert not learnt.ceased
    assert told == [(step, 5) for step in range(1, 6)]
    assert learnt.criterion == learnt.trace[-1]


def test_seeds_of_restarts_are_distinct_and_do_not_depend_on_their_number() -> None:
    many = restart_seeds(-5, 20)
    assert len(set(many)) == 20
    assert restart_seeds(-5, 3) == many[:3]
    assert restart_seeds(-4, 1) != many[:1]
    assert all(0 <= seed < 2**63 for seed in many)


class Scored:
    def __init__(self, criterion: float) -> None:
        self.criterion = criterion


@pytest.mark.parametrize(
    ("criteria", "best"),
    [([0.3], 0), ([0.1, 0.4, 0.2], 1), ([0.4, 0.4], 0), ([float("nan"), 0.1], 1), ([0.1, float("nan")], 0)],
)
def test_the_best_attempt_is_kept(criteria: list[float], best: int) -> None:
    seeds: list[int] = []

    def attempt(number: int, seed: int) -> Scored:
        seeds.append(seed)
        return Scored(criteria[number])

    number, found = best_of(attempt, 7, len(criteria))
    assert number == best
    assert found.criterion == criteria[best]
    assert seeds == restart_seeds(7, len(criteria))


@pytest.mark.parametrize("noise", [0.1, 1.0])
def test_a_right_map_stands_out_and_a_random_one_does_not(noise: float) -> None:
    case = planted(2, 800, 30, noise)
    source, target = (
        Normalisation.fit(side, "unit_centre_unit")[1] for side in (case.problem.source, case.problem.target)
    )
    right = confidence(source, target, induce(source @ case.rotation, target), k=10, seed=-1, check=nothing)
    assert right.margin > LEAST_RATIO * right.chance
    assert not right.warnings
    turn = np.linalg.qr(np.random.default_rng(0).standard_normal((30, 30)))[0]
    wrong = confidence(source, target, induce(source @ turn, target), k=10, seed=-1, check=nothing)
    assert wrong.chance == right.chance
    (warning,) = wrong.warnings
    assert "probably collapsed" in warning
    assert f"{wrong.margin:.3g}" in warning


def test_a_space_in_which_the_right_map_is_easy_to_find_has_a_chance_level_all_the_same() -> None:
    """From this random dictionary ten rounds lead to the right map."""
    case = planted(2, 5000, 50, 0.1)
    source, target = case.problem.source, case.problem.target
    found = confidence(source, target, induce(source @ case.rotation, target), k=10, seed=2, check=nothing)
    assert found.margin > 4 * found.chance
