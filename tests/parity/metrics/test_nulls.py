"""Chance levels against drawn permutations, and against the levels measured for definitions.md."""

import numpy as np
import pytest

from services.metrics.estimates.nulls import (
    biased_cka_null,
    cosine_null,
    debiased_cka_null,
    mrr_null,
    precision_null,
    svcca_null,
)
from services.metrics.similarity import MEASURES, Options
from services.metrics.similarity.measure import KeptVariance
from services.metrics.sums.cosines import CosineSums, unit_rows
from services.metrics.sums.pairs import HeldPair
from services.metrics.sums.views import HeldView
from tests.support import metrics_references as reference

PERMUTATIONS = 2000


def permuted(measure, x, y, seed=0, count=PERMUTATIONS):
    rng = np.random.default_rng(seed)
    return np.array([measure(x, y[rng.permutation(len(y))]) for _ in range(count)])


def assert_null(null, draws):
    error = draws.std(ddof=1) / np.sqrt(len(draws))
    assert null.mean == pytest.approx(draws.mean(), abs=4.5 * error)
    assert null.sd == pytest.approx(draws.std(ddof=1), rel=0.12)


@pytest.mark.parametrize("n", [4, 5, 9, 40])
@pytest.mark.parametrize("kind", ["normal", "outlier", "heavy"])
def test_cka_nulls_are_those_of_permutations(n, kind):
    rng = np.random.default_rng(n)
    x, y = reference.related(rng, n, 7, 12)
    if kind == "outlier":
        x[0] *= 20
    if kind == "heavy":
        x, y = x**3, y**3
    sums = HeldPair(HeldView(x), HeldView(y)).hsic()
    assert_null(biased_cka_null(sums), permuted(reference.biased_cka, x, y))
    debiased = permuted(reference.debiased_cka, x, y)
    null = debiased_cka_null(n)
    assert null.mean == 0.0
    assert_null(null, debiased)


def test_cosine_null_is_that_of_permutations():
    x, y = reference.related(np.random.default_rng(1), 30, 6, 6)
    x, y = x + 1.5, y + 1.0
    u, v = unit_rows(x), unit_rows(y)
    draws = permuted(lambda a, b: reference.cosines(a, b).mean(), x, y)
    assert_null(cosine_null(CosineSums.of(u, v), u, v), draws)


@pytest.mark.parametrize(
    ("n", "kx", "ky"), [(40, 3, 8), (40, 8, 3), (30, 20, 20), (25, 20, 8), (12, 1, 1), (9, 8, 3), (60, 10, 50)]
)
def test_svcca_null_is_that_of_random_subspaces(n, kx, ky):
    rng = np.random.default_rng(3)
    draws = []
    for _ in range(600):
        a, b = rng.standard_normal((n - 1, kx)), rng.standard_normal((n - 1, ky))
        product = np.linalg.qr(a)[0].T @ np.linalg.qr(b)[0]
        draws.append(np.linalg.svd(product, compute_uv=False).mean())
    null = svcca_null(n, kx, ky)
    spread = np.std(draws)
    assert null.mean == pytest.approx(np.mean(draws), abs=0.25 * spread + 1e-12)
    assert null.sd == pytest.approx(spread, rel=0.25, abs=1e-12)
    assert null == svcca_null(n, kx, ky)


def test_svcca_null_is_that_of_permuted_rows():
    x, y = reference.related(np.random.default_rng(8), 120, 9, 14)
    pair = HeldPair(HeldView(x), HeldView(y))
    measured = MEASURES["svcca"].compute(pair, Options("svcca", "mean", KeptVariance(0.99)))
    draws = permuted(lambda a, b: reference.svcca(a, b)[0], x, y, count=400)
    assert measured.null.mean == pytest.approx(draws.mean(), abs=0.3 * draws.std())
    assert measured.null.sd == pytest.approx(draws.std(), rel=0.25)


@pytest.mark.parametrize(("n", "level"), [(25, 0.970), (100, 0.884), (200, 0.793), (1000, 0.434)])
def test_chance_levels_of_independent_rows(n, level):
    rng = np.random.default_rng(n)
    x, y = rng.standard_normal((n, 768)), rng.standard_normal((n, 768))
    pair = HeldPair(HeldView(x), HeldView(y))
    biased = MEASURES["cka"].compute(pair, Options("cka", "biased"))
    debiased = MEASURES["cka"].compute(pair, Options("cka", "debiased"))
    assert biased.value == pytest.approx(level, abs=0.004)
    assert biased.null.mean == pytest.approx(level, abs=0.002)
    assert abs(biased.value - biased.null.mean) < 4 * biased.null.sd
    assert abs(debiased.value) < 4 * debiased.null.sd


@pytest.mark.parametrize(("n", "level"), [(800, 0.97), (1600, 0.62), (7680, 0.27)])
def test_chance_levels_of_svcca(n, level):
    # 768 independent dimensions of equal variance: 99 % keeps about 760 of them.
    assert svcca_null(n, 760, 760).mean == pytest.approx(level, abs=0.012)


def test_one_shared_outlier_dimension_makes_everything_alike():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((400, 768)), rng.standard_normal((400, 768))
    shared = 25 * rng.standard_normal(400)
    x[:, 5], y[:, 9] = shared, shared
    pair = HeldPair(HeldView(x), HeldView(y))
    assert MEASURES["cka"].compute(pair, Options("cka", "debiased")).value == pytest.approx(0.995, abs=0.004)


def test_retrieval_nulls_are_those_of_uniform_ranks():
    rng = np.random.default_rng(5)
    n = 50
    ranks = rng.integers(1, n + 1, (20000, n))
    for k in (1, 5, 50):
        rates = (ranks <= k).mean(axis=1)
        null = precision_null(n, k)
        assert null.mean == pytest.approx(rates.mean(), rel=0.02)
        assert null.sd == pytest.approx(rates.std(), rel=0.05, abs=1e-12)
    mrr = (1 / ranks).mean(axis=1)
    assert mrr_null(n).mean == pytest.approx(mrr.mean(), rel=0.01)
    assert mrr_null(n).sd == pytest.approx(mrr.std(), rel=0.03)


@pytest.mark.parametrize("n", [7, 50])
def test_retrieval_nulls_of_several_right_answers_are_those_of_random_orders(n):
    rng = np.random.default_rng(6)
    answers = np.array([1, 1, 3, 2, 5])
    best = np.stack(
        [rng.permuted(np.tile(np.arange(1, n + 1), (20000, 1)), axis=1)[:, :m].min(axis=1) for m in answers]
    )
    for k in (1, 4, n):
        rates = (best <= k).mean(axis=0)
        null = precision_null(n, k, answers)
        assert null.mean == pytest.approx(rates.mean(), rel=0.04)
        assert null.sd == pytest.approx(rates.std(), rel=0.04, abs=1e-12)
    mrr = (1 / best).mean(axis=0)
    assert mrr_null(n, answers).mean == pytest.approx(mrr.mean(), rel=0.01)
    assert mrr_null(n, answers).sd == pytest.approx(mrr.std(), rel=0.03)


def test_the_null_of_mrr_is_the_harmonic_number_over_n_for_many_candidates():
    n = 200_000
    assert mrr_null(n, np.ones(10, int)).mean == pytest.approx((np.log(n) + np.euler_gamma) / n, rel=1e-5)
    every = precision_null(4, 2, np.array([4, 4]))
    assert (every.mean, every.sd) == (1.0, 0.0)
