"""Correlation, analysis of variance and paired bootstrap: tables by hand, scipy as an independent reference."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from services.metrics.statistics import anova, compare_systems, correlate
from services.runtime.errors import InvalidArgument

SCIPY = {"pearson": stats.pearsonr, "spearman": stats.spearmanr, "kendall": stats.kendalltau}


def one(x, y, method, **options):
    (found,) = correlate(x, y, [method], **options)
    return found


@pytest.mark.parametrize(
    ("method", "x", "y", "value"),
    [
        # x = -1.5 -0.5 0.5 1.5 and y = -2 -1 0 3: 8 / sqrt(5 * 14)
        ("pearson", [1, 2, 3, 4], [1, 2, 3, 6], 8 / np.sqrt(70)),
        ("spearman", [1, 2, 3, 4], [1, 2, 3, 6], 1.0),
        ("kendall", [1, 2, 3, 4], [1, 2, 3, 6], 1.0),
        ("spearman", [1, 2, 3, 4], [2, 1, 4, 3], 1 - 6 * 4 / (4 * 15)),
        ("kendall", [1, 2, 3, 4], [2, 1, 4, 3], (4 - 2) / 6),
        # One tie in y: 5 concordant of sqrt(6 * 5) pairs.
        ("kendall", [1, 2, 3, 4], [1, 1, 2, 3], 5 / np.sqrt(30)),
        ("pearson", [1, 2, 3], [3, 2, 1], -1.0),
    ],
)
def test_correlations_worked_out_by_hand(method, x, y, value):
    assert one(x, y, method).value == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize("method", SCIPY)
@pytest.mark.parametrize(("n", "shift", "scale"), [(4, 0, 1), (30, 1e3, 1), (30, 0, 1e-170), (200, 0, 1e170)])
def test_coefficients_are_scipys(method, n, shift, scale):
    rng = np.random.default_rng(n)
    x, y = rng.integers(0, 12, n).astype(float), rng.standard_normal(n)
    y += 0.1 * x
    expected = SCIPY[method](x, y).statistic
    found = one(x * scale + shift, y * scale + shift, method, permutations=10)
    assert found.value == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_intervals_are_those_of_the_papers():
    rng = np.random.default_rng(1)
    x = rng.standard_normal(40)
    y = x + rng.standard_normal(40)
    found = {each.method: each for each in correlate(x, y, permutations=10)}
    reference = stats.pearsonr(x, y).confidence_interval(0.95)
    assert (found["pearson"].low, found["pearson"].high) == pytest.approx(tuple(reference), rel=1e-9)
    for method, error in (
        ("spearman", np.sqrt((1 + found["spearman"].value ** 2 / 2) / 37)),
        ("kendall", np.sqrt(0.437 / 36)),
    ):
        ends = np.tanh(np.arctanh(found[method].value) + np.array([-1, 1]) * 1.959963984540054 * error)
        assert (found[method].low, found[method].high) == pytest.approx(tuple(ends), rel=1e-9)
        assert "ci:fisher-z" in found[method].signature


@pytest.mark.parametrize("method", SCIPY)
def test_small_samples_have_exact_p_values(method):
    x, y = [1.0, 2, 3, 5, 4], [2.0, 1, 4, 3, 7]
    values = [abs(SCIPY[method](x, order).statistic) for order in itertools.permutations(y)]
    share = np.mean(np.array(values) >= abs(SCIPY[method](x, y).statistic) - 1e-9)
    found = one(x, y, method)
    assert found.p_value == pytest.approx(share, rel=1e-12)
    assert "test:permutation-all-120" in found.signature


@pytest.mark.parametrize("method", SCIPY)
def test_random_p_values_are_near_theory_and_seeded(method):
    rng = np.random.default_rng(5)
    x = rng.standard_normal(40)
    y = 0.35 * x + rng.standard_normal(40)
    found = one(x, y, method, permutations=4000, seed=3)
    assert found.p_value == pytest.approx(SCIPY[method](x, y).pvalue, abs=0.02)
    assert found == one(x, y, method, permutations=4000, seed=3)
    assert found.p_value != 0
    assert "permutation-4000-seed-3" in found.signature


@given(st.lists(st.integers(-50, 50), min_size=4, max_size=12).filter(lambda v: len(set(v)) > 1), st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_rank_correlations_see_only_the_order(values, seed):
    x = np.array(values, float)
    y = np.random.default_rng(seed).standard_normal(len(x))
    for method in ("spearman", "kendall"):
        straight, bent = (one(v, y, method, permutations=5) for v in (x, x**3))
        assert bent.value == pytest.approx(straight.value, abs=1e-12)
        assert one(y, x, method, permutations=5).value == pytest.approx(straight.value, abs=1e-12)
        assert straight.low <= straight.value <= straight.high


@pytest.mark.parametrize(
    ("x", "y", "options", "field"),
    [
        ([1, 2], [1, 2], {}, "x"),
        ([1, 2, 3], [1, 2], {}, "y"),
        ([1, 2, 3], [1, 2, 3, 4], {}, "y"),
        ([1, 2, float("nan")], [1, 2, 3], {}, "x[2]"),
        ([1, 2, 3], [1, float("inf"), 3], {}, "y[1]"),
        ([2, 2, 2], [1, 2, 3], {}, "x"),
        ([1, 2, 3], [0, 0, 0], {}, "y"),
        ([1, 2, 3], [1, 2, 3], {"permutations": -1}, "permutations"),
        ([1, 2, 3], [1, 2, 3], {"permutations": 10**9}, "permutations"),
        (range(50000), range(50000), {}, "permutations"),
        ([1, 2, 3], [1, 2, 3], {"methods": ["pearson", "phi"]}, "methods[1]"),
    ],
)
def test_degenerate_samples_are_typed_errors(x, y, options, field):
    with pytest.raises(InvalidArgument) as error:
        correlate(list(x), list(y), **options)
    assert error.value.field == field


def test_anova_worked_out_by_hand():
    # Means 2, 3, 7 about 4: SSB = 3 (4 + 1 + 9) = 42, SSW = 2 + 2 + 2 = 6, MSW = 1, F = 21.
    found = anova({"a": [1, 2, 3], "b": [2, 3, 4], "c": [6, 7, 8]})
    assert (found.f, found.df_between, found.df_within) == (pytest.approx(21, rel=1e-12), 2, 6)
    assert found.eta_squared == pytest.approx(42 / 48, rel=1e-12)
    assert found.omega_squared == pytest.approx((42 - 2) / (48 + 1), rel=1e-12)


@pytest.mark.parametrize(("shift", "scale"), [(0, 1), (1e3, 1), (1e6, 1e-3), (0, 1e150)])
def test_anova_is_scipys_for_groups_of_unequal_size(shift, scale):
    rng = np.random.default_rng(7)
    groups = {name: rng.standard_normal(size) + 0.3 * size for name, size in (("a", 5), ("b", 3), ("c", 9))}
    found = anova({name: values * scale + shift for name, values in groups.items()})
    expected = stats.f_oneway(*groups.values())
    assert found.f == pytest.approx(expected.statistic, rel=1e-6)
    assert found.p_value == pytest.approx(expected.pvalue, rel=1e-6)


@pytest.mark.parametrize(
    ("groups", "field"),
    [
        ({}, "groups"),
        ({"a": [1, 2]}, "groups"),
        ({"a": [1, 2], "b": []}, "groups[1].values"),
        ({"a": [1], "b": [2]}, "groups"),
        ({"a": [1, 1], "b": [2, 2]}, "groups"),
        ({"a": [1, 1], "b": [2, float("nan")]}, "groups[1].values[1]"),
    ],
)
def test_degenerate_groups_are_typed_errors(groups, field):
    with pytest.raises(InvalidArgument) as error:
        anova(groups)
    assert error.value.field == field


def test_paired_bootstrap_is_near_the_paired_t_test():
    rng = np.random.default_rng(11)
    second = rng.standard_normal(400) * 5
    first = second + 0.1 + rng.standard_normal(400)
    found = compare_systems(first, second, resamples=4000, seed=1)
    expected = stats.ttest_rel(first, second)
    ends = expected.confidence_interval(0.95)
    assert found.difference == pytest.approx((first - second).mean(), rel=1e-12)
    assert (found.low, found.high) == pytest.approx((ends.low, ends.high), abs=0.01)
    assert found.p_value == pytest.approx(expected.pvalue, abs=0.015)
    assert found == compare_systems(first, second, resamples=4000, seed=1)
    mirrored = compare_systems(second, first, resamples=4000, seed=1)
    assert (mirrored.difference, mirrored.p_value) == (pytest.approx(-found.difference), found.p_value)


def test_equal_systems_do_not_differ():
    found = compare_systems([1, 0, 1], [1, 0, 1])
    assert (found.difference, found.low, found.high, found.p_value) == (0, 0, 0, 1)


@pytest.mark.parametrize(
    ("first", "second", "resamples", "field"),
    [
        ([1], [1], 10, "first"),
        ([1, 2], [1], 10, "second"),
        ([1, 2], [1, 2, 3], 10, "second"),
        ([1, float("nan")], [1, 2], 10, "first[1]"),
        ([1, 2], [1, 2], 0, "resamples"),
        ([1, 2], [1, 2], 10**8, "resamples"),
    ],
)
def test_degenerate_systems_are_typed_errors(first, second, resamples, field):
    with pytest.raises(InvalidArgument) as error:
        compare_systems(first, second, resamples=resamples)
    assert error.value.field == field
