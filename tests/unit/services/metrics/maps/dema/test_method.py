"""Density matching: its densities against the formula, its training on data of its own assumptions."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

from services.metrics.errors import Degenerate
from services.metrics.maps.base import Fitted, Problem
from services.metrics.maps.dema.density import DensityMatching, Training, _Mixture
from services.metrics.maps.dema.method import DeMa, DeMaOptions
from services.metrics.maps.normalisation import Normalisation
from services.metrics.maps.orthogonal import rotation
from services.metrics.sums.accumulate import nothing
from services.runtime.errors import InvalidArgument
from tests.support.planted_maps import Planted, planted, precision_at_1

QUICK = {"steps": 600, "learning_rate": 0.02, "batch": 64}


def fit(problem: Problem, **options: Any) -> Fitted:
    return DeMa().fit(problem, DeMaOptions(**{**QUICK, **options}), check=nothing, tell=lambda done, total: None)


@pytest.fixture(scope="module")
def case() -> Planted:
    """800 words, fewer seeds than dimensions."""
    return planted(0, 800, 20, 0.1)


@pytest.fixture(scope="module")
def weak(case: Planted) -> Problem:
    return replace(case.problem, pairs=case.pairs(10))


@pytest.mark.parametrize("zipf", [0.0, 1.0])
def test_densities_are_those_of_the_mixture(zipf: float) -> None:
    rng = np.random.default_rng(0)
    centres, rows = rng.standard_normal((20, 4)), rng.standard_normal((7, 4))
    weights = np.arange(1, 21) ** -zipf
    logs = [multivariate_normal(centre, 0.3 * np.eye(4)).logpdf(rows) for centre in centres]
    expected = logsumexp(np.array(logs) + np.log(weights / weights.sum())[:, None], axis=0)
    mixture = _Mixture(centres, 0.3, zipf, torch.device("cpu"))
    np.testing.assert_allclose(mixture.density(torch.from_numpy(rows).float()).numpy(), expected, rtol=1e-5)


def test_draws_have_the_mixture_s_moments() -> None:
    centres = np.array([[3.0, 0], [-3, 0]])
    rows = _Mixture(centres, 0.25, 1.0, torch.device("cpu")).draw(20_000, torch.Generator().manual_seed(0)).numpy()
    assert np.mean(rows[:, 0] > 0) == pytest.approx(2 / 3, abs=0.02)
    assert rows[:, 1].var() == pytest.approx(0.25, rel=0.05)


def test_the_objective_is_the_sum_of_its_parts() -> None:
    """At the identity both flows are the mixtures themselves, and there and back is where one was."""
    rng = np.random.default_rng(0)
    x, y = (Normalisation.fit(rng.standard_normal((30, 5)), "unit_centre_unit")[1] for _ in range(2))
    pairs = np.stack([np.arange(30)] * 2, axis=1)
    training = Training(4000, 0.1, 0.2, 0.0, 0.5, 10.0, 0.001, 10)
    found = DensityMatching(x, y, pairs, training, seed=0, device=torch.device("cpu")).step()
    device, generator = torch.device("cpu"), torch.Generator().manual_seed(7)
    source, target = _Mixture(x, 0.1, 0.0, device), _Mixture(y, 0.2, 0.0, device)
    densities = (
        source.density(target.draw(40_000, generator)).mean() + target.density(source.draw(40_000, generator)).mean()
    )
    seeds = 1 - np.einsum("ij,ij->i", x, y).mean()
    assert found == pytest.approx(float(-densities) + 10 * 2 * seeds, rel=0.03)


def test_it_finds_the_map_from_fewer_seeds_than_dimensions(case: Planted, weak: Problem) -> None:
    found = fit(weak)
    assert precision_at_1(case, found) >= 0.95
    # What the seeds alone determine is much less.
    _, x = Normalisation.fit(weak.source, "unit_centre_unit")
    _, y = Normalisation.fit(weak.target, "unit_centre_unit")
    alone = rotation(x[weak.pairs[:, 0]], y[weak.pairs[:, 1]]).matrix
    assert precision_at_1(case, replace(found, source=replace(found.source, matrix=alone))) < 0.7
    assert len(found.trace) == 12
    assert found.trace[-1] < found.trace[0] - 10
    assert found.settings == {"seeds": 10}
    assert not found.warnings


def test_the_same_seed_gives_the_same_map_and_another_another(weak: Problem) -> None:
    one, same, other = (fit(replace(weak, seed=seed), steps=20) for seed in (0, 0, 1))
    assert np.array_equal(one.source.matrix, same.source.matrix)
    assert one.trace == same.trace
    assert not np.array_equal(one.source.matrix, other.source.matrix)


def test_nothing_is_drawn_from_the_global_generator(weak: Problem) -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    fit(weak, steps=3)
    assert torch.equal(before, torch.get_rng_state())


def test_refinement_ends_at_a_rotation(case: Planted, weak: Problem) -> None:
    found = fit(weak, refinements=2)
    np.testing.assert_allclose(found.source.matrix @ found.source.matrix.T, np.eye(20), rtol=0, atol=1e-10)
    assert found.settings["cosine"] > 0.99
    assert precision_at_1(case, found) >= 0.99


def test_identical_ids_are_seeds_where_none_are_given(case: Planted, weak: Problem) -> None:
    names = list(case.problem.target_ids)
    for source, target in case.pairs(10):
        names[target] = case.problem.source_ids[source]
    identical = replace(case.problem, target_ids=tuple(names))
    assert fit(identical, steps=5).settings == {"seeds": 10}
    assert np.array_equal(fit(identical, steps=5).source.matrix, fit(weak, steps=5).source.matrix)
    alone = fit(identical, steps=5, seeding="none")
    assert alone.settings == {"seeds": 0}
    assert alone.warnings == ("no seeds: density matching alone seldom finds the map",)


def test_seeds_are_the_most_frequent_ones_among_the_frequent_words(case: Planted) -> None:
    problem = replace(case.problem, pairs=case.pairs(100))
    inside = int((problem.pairs < 200).all(axis=1).sum())
    assert fit(problem, steps=2, frequent=200).settings == {"seeds": inside}
    assert fit(problem, steps=2, most_seeds=5).settings == {"seeds": 5}


def test_progress_counts_steps_and_rounds(weak: Problem) -> None:
    told: list[tuple[int, int]] = []
    options = DeMaOptions(steps=3, refinements=2)
    DeMa().fit(weak, options, check=nothing, tell=lambda done, total: told.append((done, total)))
    assert told == [(1, 5), (2, 5), (3, 5), (4, 5), (5, 5)]


def test_training_stops_when_nobody_waits(weak: Problem) -> None:
    class Gone(Exception):
        pass

    left = iter(range(4))

    def check() -> None:
        if next(left, None) is None:
            raise Gone

    with pytest.raises(Gone):
        DeMa().fit(weak, DeMaOptions(steps=1_000_000), check=check, tell=lambda done, total: None)


def test_no_seeds_at_all_are_refused(case: Planted) -> None:
    with pytest.raises(Degenerate, match=r"identical ids, or seeding=none .*\(n=800, m=800\)"):
        fit(case.problem)


def test_seeds_that_are_all_rare_are_refused(case: Planted) -> None:
    rare = replace(case.problem, pairs=np.array([[400, 450], [420, 3]]))
    with pytest.raises(Degenerate, match=r"first 100 rows .* all 2 lie beyond"):
        fit(rare, frequent=100)


def test_training_that_diverges_is_refused(weak: Problem) -> None:
    with pytest.raises(Degenerate, match=r"converge, but its objective is .* at step \d+ of 200"):
        fit(weak, steps=200, supervision=1e39)


def test_a_device_that_is_not_there_is_refused(weak: Problem) -> None:
    with pytest.raises(InvalidArgument, match="device of cpu") as caught:
        fit(weak, device="cuda:99")
    assert caught.value.field == "spec.options[device]"


def test_one_row_is_too_few() -> None:
    problem = Problem(np.ones((1, 3)), np.ones((4, 3)), np.array([[0, 0]]), ("a",), ("a", "b", "c", "d"))
    with pytest.raises(Degenerate, match=r"2 rows .* n=1, m=4 \(d=3\)"):
        fit(problem)
