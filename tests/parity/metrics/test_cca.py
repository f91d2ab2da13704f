"""CCA and PWCCA: references, invariances, chance levels, degenerate rows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.metrics.errors import Degenerate
from services.metrics.similarity import MEASURES, Options
from services.metrics.similarity.measure import KeptVariance
from services.metrics.sums.accumulate import Accumulator, Needs
from tests.support import metrics_references as reference

CCA = Options("cca", "mean")
PWCCA = Options("pwcca", "mean", KeptVariance(0.99))


def pair_of(x, y, hold=None):
    accumulator = Accumulator([x.shape[1], y.shape[1]], [(0, 1)], Needs(exact=True), hold=hold)
    accumulator.add([str(i) for i in range(len(x))], [x, y])
    ((_, pair),) = accumulator.finish()
    return pair


def measured(x, y, options, hold=None):
    return MEASURES[options.name].compute(pair_of(x, y, hold), options)


@pytest.mark.parametrize("n", [4, 30, 500, 3000])
@pytest.mark.parametrize(("p", "q"), [(5, 5), (60, 33), (20, 70)])
def test_cca_and_pwcca_are_those_of_the_formulas(n, p, q):
    x, y = reference.related(np.random.default_rng(n), n, p, q, noise=0.3)
    x = 1e3 * x.std() + x
    for hold in (0, n):
        if hold == n or n > max(p, q):
            assert measured(x, y, CCA, hold).value == pytest.approx(reference.svcca(x, y, 1.0)[0], rel=1e-6)
        for left, right in ((x, y), (y, x)):
            found = measured(left, right, PWCCA, hold).value
            assert found == pytest.approx(reference.pwcca(left, right), rel=1e-6)


@given(st.integers(0, 10_000), st.sampled_from([0, 80]))
def test_cca_does_not_change_under_invertible_maps(seed, hold):
    rng = np.random.default_rng(seed)
    x, y = reference.related(rng, 80, 6, 9)
    maps = [np.linalg.qr(rng.standard_normal((d, d)))[0] * rng.uniform(0.1, 10, d) for d in (6, 9)]
    moved = measured(x @ maps[0] + 5, y @ maps[1] - 3, CCA, hold)
    assert moved.value == pytest.approx(measured(x, y, CCA, hold).value, rel=1e-9)
    assert measured(y, x, CCA, hold).value == pytest.approx(moved.value, rel=1e-9)


@given(st.integers(0, 10_000))
def test_pwcca_does_not_change_under_maps_of_the_right_and_scale_of_the_left(seed):
    rng = np.random.default_rng(seed)
    x, y = reference.related(rng, 60, 6, 9)
    whole = Options("pwcca", "mean", KeptVariance(1.0))
    right = np.linalg.qr(rng.standard_normal((9, 9)))[0] * rng.uniform(0.5, 2, 9)
    moved = measured(7 * x + 1, y @ right, whole)
    assert moved.value == pytest.approx(measured(x, y, whole).value, rel=1e-9)


def test_pwcca_weighs_by_the_left():
    rng = np.random.default_rng(2)
    x, y = reference.related(rng, 200, 8, 12, rank=2)
    x[:, :2] *= 20
    found = measured(x, y, PWCCA)
    assert found.value != pytest.approx(measured(y, x, PWCCA).value, rel=1e-3)
    assert found.settings["weights"] == "left"
    assert found.interval.low <= found.value <= found.interval.high


@pytest.mark.parametrize(("p", "q"), [(9, 14), (14, 9), (10, 10)])
def test_pwcca_null_is_that_of_permuted_rows(p, q):
    rng = np.random.default_rng(8)
    x, y = reference.related(rng, 120, p, q)
    x[:, 0] *= 5
    null = measured(x, y, PWCCA).null
    draws = [reference.pwcca(x, y[rng.permutation(120)]) for _ in range(400)]
    assert null.mean == pytest.approx(np.mean(draws), abs=0.4 * np.std(draws))
    assert null.sd == pytest.approx(np.std(draws), rel=0.25)


def test_unrelated_rows_are_near_their_chance_level():
    rng = np.random.default_rng(4)
    x, y = rng.standard_normal((300, 40)), rng.standard_normal((300, 50))
    for options in (CCA, PWCCA):
        found = measured(x, y, options)
        assert abs(found.value - found.null.mean) < 4 * found.null.sd


def test_few_rows_give_one_and_say_so():
    x, y = np.random.default_rng(1).standard_normal((2, 20, 30))
    found = measured(x, y, CCA)
    assert found.value == pytest.approx(1.0)
    assert found.null.mean == 1.0
    assert "n=20 is below 10 k" in found.warnings[-1]


@pytest.mark.parametrize(("options", "name"), [(CCA, "CCA"), (PWCCA, "PWCCA")])
def test_degenerate_rows_are_refused(options, name):
    with pytest.raises(Degenerate, match=rf"at least 2 rows for {name}, but got n=1 \(d=3 and 4\)"):
        measured(np.ones((1, 3)), np.ones((1, 4)), options)
    for hold in (0, 9):
        with pytest.raises(Degenerate, match="features that vary"):
            measured(np.ones((9, 3)), np.random.default_rng(0).standard_normal((9, 4)), options, hold)


WHOLE = (CCA, Options("svcca", "mean", KeptVariance(1.0)), Options("pwcca", "mean", KeptVariance(1.0)))


@pytest.mark.parametrize("factor", [1e7, 1e-7, 1e12, 1e-30, 1e30])
@pytest.mark.parametrize("hold", [0, 400])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_cca_does_not_depend_on_the_units_of_columns(factor, hold, dtype):
    x, y = reference.related(np.random.default_rng(3), 400, 6, 9)
    x, y = x.astype(dtype), y.astype(dtype)
    plain = measured(x, y, CCA, hold)
    x[:, 2] *= dtype(factor)
    y[:, :4] *= dtype(1 / factor)
    found = measured(x, y, CCA, hold)
    assert found.value == pytest.approx(plain.value, abs=1e-9 if dtype is np.float64 else 1e-6)
    assert (found.left_kept, found.right_kept, found.warnings) == (6, 9, ())


@pytest.mark.parametrize("hold", [0, 500])
@pytest.mark.parametrize("shape", [(20, 20), (64, 32), (96, 96)])
def test_one_large_column_leaves_the_correlations_of_an_orthonormal_basis(shape, hold):
    """QR in float64 of the columns as they were, which no unit of a column changes."""
    x, y = reference.related(np.random.default_rng(7), 500, *shape, noise=0.5)
    left, right = (np.linalg.qr(rows - rows.mean(axis=0))[0] for rows in (x, y))
    expected = np.linalg.svd(left.T @ right, compute_uv=False).mean()
    x[:, 0] *= 1e7
    assert measured(x, y, CCA, hold).value == pytest.approx(expected, abs=1e-8)
    assert measured(y, x, CCA, hold).value == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize("hold", [0, 400])
@pytest.mark.parametrize("options", WHOLE, ids=lambda options: options.name)
def test_directions_that_rounding_hides_are_said(options, hold):
    x, y = reference.related(np.random.default_rng(3), 400, 6, 9)
    dependent = np.column_stack([x, x[:, 0] + x[:, 1]])
    found = measured(dependent, y, options, hold)
    assert (found.left_kept, found.right_kept) == (6, 9)
    assert f"{options.name.upper()} uses 6 of 7 directions of the left view" in found.warnings[0]
    found = measured(y, dependent, options, hold)
    assert f"{options.name.upper()} uses 6 of 7 directions of the right view" in found.warnings[0]
    assert measured(x, y, options, hold).warnings == ()


@pytest.mark.parametrize("hold", [0, 400])
def test_svcca_of_all_the_variance_says_what_a_large_unit_hides(hold):
    x, y = reference.related(np.random.default_rng(3), 400, 6, 9)
    x[:, 2] *= 1e9
    for options in WHOLE[1:]:
        assert "1 of 6 directions of the left view" in measured(x, y, options, hold).warnings[0]


@pytest.mark.parametrize("hold", [0, 400])
@pytest.mark.parametrize("options", WHOLE, ids=lambda options: options.name)
def test_constant_columns_are_no_directions(options, hold):
    x, y = reference.related(np.random.default_rng(3), 400, 6, 9)
    found = measured(np.column_stack([x, np.full(400, 0.1)]), y, options, hold)
    plain = measured(x, y, options, hold)
    assert found.value == pytest.approx(plain.value, rel=1e-9)
    assert found.warnings == plain.warnings == ()
