"""Procrustes distance and neuron-wise correlation: references, invariances, chance levels, degenerate rows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.metrics.errors import Degenerate
from services.metrics.similarity import MEASURES, Options
from services.metrics.sums.accumulate import Accumulator, Needs
from tests.support import metrics_references as reference

DISTANCE = Options("procrustes", "distance")
SIMILARITY = Options("procrustes", "similarity")
NEURONS = Options("neuron_correlation", "mean")


def measured(x, y, options, hold=None):
    accumulator = Accumulator([x.shape[1], y.shape[1]], [(0, 1)], Needs(), hold=hold)
    for start in range(0, len(x), 333):
        part = slice(start, start + 333)
        accumulator.add([str(i) for i in range(start, min(start + 333, len(x)))], [x[part], y[part]])
    ((_, pair),) = accumulator.finish()
    return MEASURES[options.name].compute(pair, options)


@pytest.mark.parametrize("n", [4, 30, 500, 6000])
@pytest.mark.parametrize(("p", "q"), [(5, 5), (60, 33), (20, 70)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_procrustes_is_that_of_the_formulas(n, p, q, dtype):
    x, y = reference.related(np.random.default_rng(n), n, p, q, noise=0.3)
    x, y = (1e3 * x.std() + x).astype(dtype), (1e-3 * y).astype(dtype)
    expected = reference.procrustes(x, y)
    for hold in (0, n):
        assert measured(x, y, DISTANCE, hold).value == pytest.approx(expected, rel=1e-6)
        assert measured(x, y, SIMILARITY, hold).value == pytest.approx(1 - expected**2 / 2, rel=1e-6)


@pytest.mark.parametrize("n", [4, 30, 500, 6000])
@pytest.mark.parametrize("d", [3, 60])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_neuron_correlation_is_that_of_the_formulas(n, d, dtype):
    rng = np.random.default_rng(n)
    x = rng.standard_normal((n, d))
    y = 0.5 * x + rng.standard_normal((n, d))
    x, y = (1e3 + x).astype(dtype), (1e-3 * y).astype(dtype)
    expected = reference.neuron_correlation(x.astype(float), y.astype(float))
    for hold in (0, n):
        assert measured(x, y, NEURONS, hold).value == pytest.approx(expected, rel=1e-6, abs=1e-9)


@given(st.integers(0, 10_000), st.sampled_from([0, 40]))
def test_procrustes_is_a_metric_up_to_rotation_scale_and_shift(seed, hold):
    rng = np.random.default_rng(seed)
    x, y = reference.related(rng, 40, 6, 9)
    z = rng.standard_normal((40, 7))
    between = measured(x, y, DISTANCE, hold).value
    moved = measured(3 * x @ np.linalg.qr(rng.standard_normal((6, 6)))[0] + 5, y, DISTANCE, hold).value
    assert moved == pytest.approx(between, rel=1e-9)
    assert measured(y, x, DISTANCE, hold).value == pytest.approx(between, rel=1e-9)
    assert between <= measured(x, z, DISTANCE, hold).value + measured(z, y, DISTANCE, hold).value + 1e-9
    assert measured(x, x @ np.linalg.qr(rng.standard_normal((6, 6)))[0], DISTANCE, hold).value < 1e-6


@given(st.integers(0, 10_000), st.sampled_from([0, 40]))
def test_neuron_correlation_does_not_change_under_scale_and_shift_of_columns(seed, hold):
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((2, 40, 5))
    moved = measured(x * rng.uniform(0.1, 10, 5) + rng.standard_normal(5), y * 4 - 1, NEURONS, hold)
    assert moved.value == pytest.approx(measured(x, y, NEURONS, hold).value, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("hold", [0, 60])
@pytest.mark.parametrize("n", [20, 60])
def test_neuron_null_is_that_of_permuted_rows(hold, n):
    rng = np.random.default_rng(3)
    x, y = reference.related(rng, n, 30, 30)
    draws = np.array([reference.neuron_correlation(x, y[rng.permutation(n)]) for _ in range(1500)])
    null = measured(x, y, NEURONS, hold).null
    assert abs(draws.mean()) < 4.5 * null.sd / np.sqrt(1500)
    assert null.sd == pytest.approx(draws.std(), rel=0.08)


@pytest.mark.parametrize("options", [SIMILARITY, NEURONS])
def test_standard_errors_are_those_of_fresh_rows(options):
    rng = np.random.default_rng(6)
    maps = rng.standard_normal((2, 3, 5))
    values, widths = [], []
    for _ in range(200):
        shared = rng.standard_normal((500, 3))
        x, y = shared @ maps[0] + rng.standard_normal((500, 5)), shared @ maps[1] + rng.standard_normal((500, 5))
        found = measured(x, y, options)
        values.append(found.value)
        widths.append((found.interval.high - found.interval.low) / 2 / 1.96)
    assert np.mean(widths) == pytest.approx(np.std(values), rel=0.2)


def test_unrelated_rows_are_near_their_chance_level():
    rng = np.random.default_rng(4)
    x, y = rng.standard_normal((2, 300, 40))
    for options in (DISTANCE, SIMILARITY, NEURONS):
        for hold in (0, 300):
            found = measured(x, y, options, hold)
            assert abs(found.value - found.null.mean) < 4 * found.null.sd


def test_constant_columns_are_left_out_and_counted():
    rng = np.random.default_rng(5)
    x, y = rng.standard_normal((2, 400, 6))
    x[:, 2] = 0.1
    for hold in (0, 400):
        found = measured(x, y, NEURONS, hold)
        kept = [0, 1, 3, 4, 5]
        assert found.value == pytest.approx(reference.neuron_correlation(x[:, kept], y[:, kept]), rel=1e-9)
        assert "1 of d=6 columns are constant" in found.warnings[-1]


def test_degenerate_rows_are_refused():
    rng = np.random.default_rng(0)
    with pytest.raises(Degenerate, match=r"equal dimensions for neuron correlation, but got p=3 and q=4"):
        measured(rng.standard_normal((9, 3)), rng.standard_normal((9, 4)), NEURONS)
    with pytest.raises(Degenerate, match=r"at least 3 rows for neuron correlation, but got n=2 \(d=3\)"):
        measured(rng.standard_normal((2, 3)), rng.standard_normal((2, 3)), NEURONS)
    with pytest.raises(Degenerate, match=r"at least 2 rows for Procrustes, but got n=1 \(d=3 and 4\)"):
        measured(np.ones((1, 3)), np.ones((1, 4)), DISTANCE)
    for hold in (0, 9):
        with pytest.raises(Degenerate, match=r"none of d=3 does \(n=9\)"):
            measured(np.full((9, 3), 0.1), rng.standard_normal((9, 3)), NEURONS, hold)
        with pytest.raises(Degenerate, match=r"the right rows are all equal \(n=9, d=3\)"):
            measured(rng.standard_normal((9, 4)), np.ones((9, 3)), DISTANCE, hold)
