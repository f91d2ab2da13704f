"""CKA, SVCCA and cosine against float64 references, whatever n, p, q, scale and shift."""

import numpy as np
import pytest

from services.metrics.similarity import MEASURES, Options
from services.metrics.similarity.measure import KeptVariance
from services.metrics.sums.accumulate import Accumulator, Needs
from services.metrics.sums.moments import Frame
from tests.support import metrics_references as reference

DEBIASED = Options("cka", "debiased")
BIASED = Options("cka", "biased")
SVCCA = Options("svcca", "mean", KeptVariance(0.99))
COSINE = Options("cosine", "mean")


def pair_of(x, y, *, step=333, hold=None, needs=None, frames=None):
    accumulator = Accumulator(
        [x.shape[1], y.shape[1]], [(0, 1)], needs or Needs(cosines=x.shape[1] == y.shape[1]), hold=hold, frames=frames
    )
    for start in range(0, len(x), step):
        part = slice(start, start + step)
        accumulator.add([f"s{i}" for i in range(start, min(start + step, len(x)))], [x[part], y[part]])
    ((_, pair),) = accumulator.finish()
    return pair


def value(pair, options):
    return MEASURES[options.name].compute(pair, options).value


@pytest.mark.parametrize("n", [4, 5, 17, 60, 300, 1500, pytest.param(4200, marks=pytest.mark.slow)])
@pytest.mark.parametrize(("p", "q"), [(3, 3), (40, 17), (200, 90)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_cka_is_that_of_the_formulas(n, p, q, dtype):
    x, y = reference.related(np.random.default_rng(n + p), n, p, q)
    x, y = x.astype(dtype), y.astype(dtype)
    grams = reference.grams(x, y)
    debiased, biased = reference.debiased_cka_of_grams(*grams), reference.biased_cka_of_grams(*grams)
    for hold in (0, None, n):
        pair = pair_of(x, y, hold=hold)
        assert value(pair, DEBIASED) == pytest.approx(debiased, rel=1e-6, abs=1e-9)
        assert value(pair, BIASED) == pytest.approx(biased, rel=1e-6)


@pytest.mark.parametrize(
    ("scale", "shift"), [(1e-12, 0), (1e12, 0), (1, 1e3), (1, -1e6), (1e-3, 1), (1e150, 0), (1e-150, 0), (1e-8, 1e-5)]
)
@pytest.mark.parametrize("n", [30, 2500])
def test_scale_and_shift_change_nothing(n, scale, shift):
    x, y = reference.related(np.random.default_rng(3), n, 24, 31)
    k, l = reference.grams(x, y)  # noqa: E741
    svcca = reference.svcca(x, y)[0]
    expected = reference.debiased_cka_of_grams(k, l), reference.biased_cka_of_grams(k, l), svcca
    moved = x * scale + shift
    for hold in (0, None):
        pair = pair_of(moved, y, hold=hold)
        # The shifted data themselves have lost digits.
        slack = 1e-9 + 1e-13 * abs(shift) / scale
        assert value(pair, DEBIASED) == pytest.approx(expected[0], rel=slack)
        assert value(pair, BIASED) == pytest.approx(expected[1], rel=slack)
        assert value(pair, SVCCA) == pytest.approx(expected[2], rel=slack)


@pytest.mark.parametrize("n", [5000, 20000])
def test_float32_blocks_keep_seven_digits(n):
    rng = np.random.default_rng(1)
    x, y = reference.related(rng, n, 64, 48)
    x[:, 3] *= 25  # one dominating dimension, as BERT-family models have: nothing averages its rounding
    x, y = (x + 1000).astype(np.float32), (y - 3).astype(np.float32)
    exact = pair_of(x, y, needs=Needs(exact=True))
    quick = pair_of(x, y)
    assert value(quick, DEBIASED) == pytest.approx(value(exact, DEBIASED), rel=2e-7)
    assert value(quick, BIASED) == pytest.approx(value(exact, BIASED), rel=2e-7)
    assert value(quick, SVCCA) == pytest.approx(value(exact, SVCCA), rel=1e-6)


def test_a_first_block_unlike_the_rest_costs_no_digits():
    rng = np.random.default_rng(5)
    x, y = reference.related(rng, 3000, 20, 30)
    order = np.argsort(x[:, 0])  # sorted: the first rows' mean is far from the mean of all
    x, y = x[order] + 50, y[order]
    pair = pair_of(x, y, hold=0, step=100)
    assert value(pair, DEBIASED) == pytest.approx(reference.debiased_cka(x, y), rel=1e-9)


@pytest.mark.parametrize("n", [3, 12, 40, 500, 3000])
@pytest.mark.parametrize(("p", "q"), [(5, 5), (60, 33)])
@pytest.mark.parametrize("variance", [0.5, 0.99, 1.0])
def test_svcca_is_that_of_the_formulas(n, p, q, variance):
    x, y = reference.related(np.random.default_rng(n), n, p, q, noise=0.3)
    expected, kx, ky = reference.svcca(x, y, variance)
    for hold in (0, n):
        if hold == 0 and n <= max(p, q) and variance == 1.0:
            continue  # squared singular values cannot tell the last directions from nothing
        pair = pair_of(x, y, hold=hold, needs=Needs(exact=True))
        measured = MEASURES["svcca"].compute(pair, Options("svcca", "mean", KeptVariance(variance)))
        assert (measured.left_kept, measured.right_kept) == (kx, ky)
        assert measured.value == pytest.approx(expected, rel=1e-6)


def test_svcca_of_small_directions_comes_from_the_rows():
    rng = np.random.default_rng(0)
    spread = np.logspace(0, -9, 12)
    x, y = rng.standard_normal((200, 12)) * spread, rng.standard_normal((200, 12)) * spread
    x = x @ np.linalg.qr(rng.standard_normal((12, 12)))[0]
    pair = pair_of(x, y, hold=200)
    whole = Options("svcca", "mean", KeptVariance(1.0))
    assert value(pair, whole) == pytest.approx(reference.svcca(x, y, 1.0)[0], rel=1e-6)


@pytest.mark.parametrize("n", [1, 7, 900, 3000])
def test_cosine_is_that_of_the_formulas(n):
    x, y = reference.related(np.random.default_rng(n), n, 20, 20)
    expected = reference.cosines(x, y)
    for hold in (0, n):
        measured = MEASURES["cosine"].compute(pair_of(x * 1e200, y * 1e-200, hold=hold), COSINE)
        assert measured.value == pytest.approx(expected.mean(), rel=1e-12)


@pytest.mark.parametrize("n", [60, 1300, 7000])
def test_shards_merge_in_any_order(n):
    rng = np.random.default_rng(9)
    x, y = reference.related(rng, n, 32, 32)
    x, y = x.astype(np.float32) + 100, y.astype(np.float32)
    cuts = np.sort(rng.choice(np.arange(1, n), 3, replace=False))

    def shards(frames=None):
        made = []
        for ids in np.split(np.arange(n), cuts):
            accumulator = Accumulator([32, 32], [(0, 1)], Needs(cosines=True), hold=100, frames=frames)
            for part in np.array_split(ids, 5):
                accumulator.add([str(i) for i in part], [x[part], y[part]])
            made.append(accumulator)
        return made

    def numbers(accumulator):
        ((_, pair),) = accumulator.finish()
        found = [MEASURES[options.name].compute(pair, options) for options in (DEBIASED, BIASED, SVCCA, COSINE)]
        return [(one.value, one.interval.low, one.null.mean, one.null.sd) for one in found]

    whole = pair_of(x, y, hold=100, needs=Needs(cosines=True))
    at_once = [MEASURES[o.name].compute(whole, o).value for o in (DEBIASED, BIASED, SVCCA, COSINE)]
    shared = [Frame.around(x[:50]), Frame.around(y[:50])]
    results = []
    for order, frames in (([0, 1, 2, 3], None), ([3, 1, 0, 2], None), ([2, 3, 1, 0], shared)):
        made = shards(frames)
        first = made[order[0]]
        for other in order[1:]:
            first.merge(made[other])
        results.append(numbers(first))
    made = shards()
    made[0].merge(made[1])
    made[2].merge(made[3])
    made[0].merge(made[2])
    results.append(numbers(made[0]))
    for result in results[1:]:
        np.testing.assert_allclose(result, results[0], rtol=1e-7, atol=1e-9)
    for result in (results[0], results[1], results[3]):
        np.testing.assert_allclose([one[0] for one in result], [one[0] for one in results[0]], rtol=1e-9)
    np.testing.assert_allclose([one[0] for one in results[0]], at_once, rtol=1e-6)
