"""What each measure declares not to see, and that sums of shards add up, whatever the data."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.metrics.similarity import MEASURES, Options
from services.metrics.similarity.compare import needs_of
from services.metrics.similarity.measure import KeptVariance, SubSample
from services.metrics.sums.accumulate import Accumulator
from tests.support import metrics_references as reference

CKA = (Options("cka", "debiased"), Options("cka", "biased"))
DIRECTIONS = (Options("svcca", "mean", KeptVariance(0.9)), Options("pwcca", "mean", KeptVariance(0.9)))
CCA = Options("cca", "mean")
PROCRUSTES = (Options("procrustes", "distance"), Options("procrustes", "similarity"))
NEURONS = Options("neuron_correlation", "mean")
COSINE = Options("cosine", "mean")
RBF = Options("rbf", "debiased", SubSample(30, 2))
ALL = (*CKA, *DIRECTIONS, CCA, *PROCRUSTES, NEURONS, COSINE, RBF)

N = 90
seeds = st.integers(0, 10_000)
holds = st.sampled_from([0, N])
WHOLE = np.arange(N)


def accumulated(x, y, measures, *, hold, rows=WHOLE):
    accumulator = Accumulator([x.shape[1], y.shape[1]], [(0, 1)], needs_of(measures), hold=hold)
    for part in np.array_split(rows, 2):
        accumulator.add([f"s{i}" for i in part], [x[part], y[part]])
    return accumulator


def values(accumulator, measures):
    ((_, pair),) = accumulator.finish()
    return np.array([MEASURES[options.name].compute(pair, options).value for options in measures])


def check(before, after, measures, hold):
    expected, found = (values(accumulated(x, y, measures, hold=hold), measures) for x, y in (before, after))
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-9)


def orthogonal(rng, d):
    return np.linalg.qr(rng.standard_normal((d, d)))[0]


@given(seeds, holds, st.floats(1e-3, 1e3))
def test_rotation_scale_and_shift_of_either_side(seed, hold, scale):
    rng = np.random.default_rng(seed)
    x, y = reference.related(rng, N, 7, 5)
    moved = scale * x @ orthogonal(rng, 7) + 3, y @ orthogonal(rng, 5) / scale - 8
    check((x, y), moved, (*CKA, *PROCRUSTES, CCA, RBF, DIRECTIONS[0]), hold)


@given(seeds, holds)
def test_invertible_maps_of_either_side(seed, hold):
    rng = np.random.default_rng(seed)
    x, y = reference.related(rng, N, 7, 5)
    maps = [orthogonal(rng, d) * rng.uniform(0.3, 3, d) @ orthogonal(rng, d) for d in (7, 5)]
    check((x, y), (x @ maps[0] + 1, y @ maps[1] - 2), (CCA, Options("svcca", "mean", KeptVariance(1.0))), hold)


@given(seeds, holds)
def test_scale_of_the_left_and_rotation_of_the_right_leave_pwcca(seed, hold):
    rng = np.random.default_rng(seed)
    x, y = reference.related(rng, N, 7, 5)
    check((x, y), (40 * x + 2, 0.1 * y @ orthogonal(rng, 5)), DIRECTIONS, hold)


@given(seeds, holds)
def test_joint_rotation_and_the_lengths_of_rows_leave_the_cosine(seed, hold):
    rng = np.random.default_rng(seed)
    x, y = reference.related(rng, N, 6, 6)
    turn = orthogonal(rng, 6)
    lengths = rng.uniform(1e-6, 1e6, (N, 1))
    check((x, y), (x @ turn * lengths, 7 * y @ turn), (COSINE,), hold)


@given(seeds, holds)
def test_joint_order_scale_and_sign_of_columns_leave_neuron_correlation(seed, hold):
    rng = np.random.default_rng(seed)
    x, y = reference.related(rng, N, 6, 6)
    order, signs = rng.permutation(6), rng.choice([-1, 1], 6)
    moved = (x * signs * rng.uniform(0.1, 10, 6))[:, order] + 4, (y * signs * rng.uniform(0.1, 10, 6))[:, order]
    check((x, y), moved, (NEURONS,), hold)


@given(seeds, holds)
def test_joint_order_of_rows_leaves_all(seed, hold):
    rng = np.random.default_rng(seed)
    x, y = reference.related(rng, N, 6, 6)
    measures = tuple(options for options in ALL if options is not RBF)  # whose sub-sample goes by the ids
    order = rng.permutation(N)
    check((x, y), (x[order], y[order]), measures, hold)


@given(seeds, st.permutations(range(4)), st.sampled_from([np.float32, np.float64]), st.sampled_from([0, 25]))
def test_shards_add_up_in_any_order_and_grouping(seed, order, dtype, hold):
    rng = np.random.default_rng(seed)
    x, y = ((rows + 1e3 * rng.standard_normal(6)).astype(dtype) for rows in reference.related(rng, N, 6, 6))
    cuts = np.sort(rng.choice(np.arange(1, N), 3, replace=False))

    def shards():
        return [accumulated(x, y, ALL, hold=hold, rows=rows) for rows in np.split(WHOLE, cuts)]

    chained, paired = shards(), shards()
    for one in order[1:]:
        chained[order[0]].merge(chained[one])
    paired[0].merge(paired[3])
    paired[2].merge(paired[1])
    paired[2].merge(paired[0])
    whole = values(accumulated(x, y, ALL, hold=0), ALL)
    for merged in (chained[order[0]], paired[2]):
        assert values(merged, ALL) == pytest.approx(whole, rel=1e-9, abs=1e-9)
