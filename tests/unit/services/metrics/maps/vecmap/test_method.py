"""VecMap: planted rotations are found, from nothing to known translations; what it refuses and warns of."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from services.metrics.errors import Degenerate
from services.metrics.maps.base import Fitted, Problem
from services.metrics.maps.vecmap.method import VecMap, VecMapOptions
from services.metrics.sums.accumulate import nothing
from tests.support.planted_maps import planted, precision_at_1

NONE = np.empty((0, 2), np.int64)


def silent(done: int, total: int) -> None:
    """Progress that nobody reads."""


def fit(problem: Problem, **options: Any) -> Fitted:
    return VecMap().fit(problem, VecMapOptions(**{"patience": 8, **options}), check=nothing, tell=silent)


@pytest.mark.parametrize("noise", [0.0, 0.1])
def test_unsupervised_it_finds_a_planted_rotation(noise: float) -> None:
    case = planted(1, 1000, 30, noise)
    found = fit(case.problem)
    assert precision_at_1(case, found) >= 0.99
    assert found.warnings == ()
    assert found.settings["rank"] == 30
    assert found.settings["steps"] == len(found.trace)
    # The cosine of a row with its noisy image, but for what centring changes.
    assert found.trace[-1] == pytest.approx(1 / np.sqrt(1 + noise**2), abs=0.01)
    assert np.abs(found.target.matrix - np.eye(30)).max() > 0.1


def test_dropping_leads_out_of_a_poor_start() -> None:
    case = planted(3, 400, 40, 0.7)
    assert precision_at_1(case, fit(case.problem, keep=1.0)) < 0.2
    assert precision_at_1(case, fit(case.problem)) > 0.5


def test_a_few_translations_or_identical_ids_are_enough() -> None:
    case = planted(3, 600, 40, 0.1)
    few = replace(case.problem, pairs=case.pairs(25))
    assert precision_at_1(case, fit(few, supervision="semi_supervised")) >= 0.99
    names = list(case.problem.target_ids)
    for row, target in enumerate(case.gold[:25]):
        names[target] = case.problem.source_ids[row]
    named = replace(case.problem, target_ids=tuple(names))
    found = fit(named, supervision="identical")
    assert precision_at_1(case, found) >= 0.99
    assert found.settings["start"] == 25


def test_supervised_it_is_one_step() -> None:
    case = planted(4, 600, 20, 0.1)
    found = fit(replace(case.problem, pairs=case.pairs(300)), supervision="supervised")
    assert precision_at_1(case, found) >= 0.99
    (cosine,) = found.trace
    assert 0.98 < cosine <= 1
    assert found.settings == {"start": 300, "rank": 20}


def test_pairs_beyond_the_frequent_words_count_in_the_start() -> None:
    case = planted(5, 500, 15, 0.1)
    late = replace(case.problem, pairs=case.pairs(500)[300:])
    found = fit(late, supervision="semi_supervised", frequent=300, neighbours=5)
    assert found.settings["start"] == 200
    assert found.trace[0] > 0.8


def test_directions_that_no_pair_spans_are_told() -> None:
    case = planted(6, 300, 30, 0.1)
    found = fit(replace(case.problem, pairs=case.pairs(12)), supervision="supervised")
    assert found.settings["rank"] == 12
    (warning,) = found.warnings
    assert "spans 12 of d=30 directions" in warning
    assert np.isfinite(found.source.matrix).all()


def test_the_seed_decides_what_is_dropped() -> None:
    case = planted(7, 300, 15, 0.1)
    one, same, other = (fit(replace(case.problem, seed=seed)) for seed in (-3, -3, 4))
    assert one.trace == same.trace
    np.testing.assert_array_equal(one.source.matrix, same.source.matrix)
    assert one.trace != other.trace


def test_restarts_keep_the_best_and_tell_of_all() -> None:
    case, unrelated = planted(8, 150, 15, 0.0), planted(9, 150, 15, 0.0)
    problem = replace(case.problem, target=unrelated.problem.target)
    told: list[tuple[int, int]] = []
    options = VecMapOptions(patience=5, restarts=3)
    found = VecMap().fit(problem, options, check=nothing, tell=lambda *step: told.append(step))
    alone = [fit(problem, patience=5, restarts=count) for count in (1, 2)]
    assert found.trace[-1] >= alone[1].trace[-1] >= alone[0].trace[-1]
    assert found.settings["attempt"] in {0, 1, 2}
    assert [done for done, _ in told] == list(range(1, len(told) + 1))
    assert all(done <= total for done, total in told)
    assert told[-1][0] == told[-1][1]


def test_unrelated_spaces_collapse_and_it_says_so() -> None:
    case, unrelated = planted(8, 500, 30, 0.0), planted(9, 500, 30, 0.0)
    found = fit(replace(case.problem, target=unrelated.problem.target))
    assert any("probably collapsed" in warning for warning in found.warnings)


def test_too_few_rounds_are_told() -> None:
    found = fit(planted(1, 200, 10, 0.1).problem, rounds=3)
    assert len(found.trace) == 3
    assert any("ran out after 3" in warning for warning in found.warnings)


def changed(**sides: Any) -> Problem:
    return replace(planted(0, 40, 5, 0.1).problem, **sides)


REFUSED: dict[str, tuple[Problem, dict[str, Any], str]] = {
    "too few rows": (changed(target=np.eye(5)), {}, "at least k=10 rows on either side for CSLS, but got n=5, m=5"),
    "one row": (changed(source=np.ones((1, 5))), {}, "row 0 of 1 is"),
    "rows all the same": (changed(source=np.full((40, 5), 2.0)), {}, "but row 0 of 40 is"),
    "a row of zeros": (changed(target=np.vstack([np.zeros(5), np.eye(5)])), {}, "row 0 of 6 is"),
    "no rows": (changed(source=np.empty((0, 5))), {}, "n=0"),
    "unequal dimensions": (changed(target=np.ones((40, 4))), {}, "p=5 and q=4"),
    "no translations": (changed(), {"supervision": "supervised"}, "at least 1 pair of translations .*n=40, m=40, d=5"),
    "no few translations": (changed(), {"supervision": "semi_supervised"}, "at least 1 pair of translations"),
    "no identical ids": (changed(), {"supervision": "identical"}, "at least 1 id that both sides have"),
}


@pytest.mark.filterwarnings("ignore:Mean of empty slice:RuntimeWarning", "ignore:invalid value:RuntimeWarning")
@pytest.mark.parametrize("case", REFUSED)
def test_what_determines_no_map_is_refused(case: str) -> None:
    problem, options, message = REFUSED[case]
    with pytest.raises(Degenerate, match=message):
        fit(problem, **options)


def test_it_stops_when_the_caller_has_gone() -> None:
    calls = 0

    def check() -> None:
        nonlocal calls
        calls += 1
        if calls == 20:
            raise ConnectionAbortedError

    with pytest.raises(ConnectionAbortedError):
        VecMap().fit(planted(0, 300, 10, 0.1).problem, VecMapOptions(), check=check, tell=silent)
    assert calls == 20
