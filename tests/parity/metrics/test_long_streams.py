"""Every measure that streams against float64 references at n = 100,000: in chunks, merged from shards, at once."""

from itertools import pairwise

import numpy as np
import pytest

from services.metrics.similarity import MEASURES, Options
from services.metrics.similarity.compare import needs_of
from services.metrics.similarity.measure import KeptVariance
from services.metrics.sums.accumulate import Accumulator
from tests.support import metrics_references as reference

N = 100_000
CKA = (Options("cka", "debiased"), Options("cka", "biased"))
OTHERS = (
    Options("svcca", "mean", KeptVariance(0.99)),
    Options("procrustes", "distance"),
    Options("procrustes", "similarity"),
)
EXACT = (Options("cca", "mean"), Options("pwcca", "mean", KeptVariance(0.99)))
SAME_WIDTH = (Options("neuron_correlation", "mean"), Options("cosine", "mean"))


def biased_cka(x, y):
    product = [np.linalg.norm(a.T @ b) for a, b in ((x, y), (x, x), (y, y))]
    return product[0] ** 2 / (product[1] * product[2])


def expected(x, y):
    """By measure and estimator."""
    x, y = (np.asarray(rows, float) for rows in (x, y))
    a, b = ((rows - rows.mean(0, dtype=np.longdouble)).astype(float) for rows in (x, y))
    distance = reference.procrustes(a, b)
    found = {
        ("cka", "debiased"): reference.debiased_cka_by_sums(a, b),
        ("cka", "biased"): biased_cka(a, b),
        ("svcca", "mean"): reference.svcca(a, b)[0],
        ("cca", "mean"): reference.svcca(a, b, 1.0)[0],
        ("pwcca", "mean"): reference.pwcca(a, b),
        ("procrustes", "distance"): distance,
        ("procrustes", "similarity"): 1 - distance**2 / 2,
    }
    if x.shape[1] == y.shape[1]:
        found["neuron_correlation", "mean"] = reference.neuron_correlation(a, b)
        found["cosine", "mean"] = reference.cosines(x, y).mean()
    return found


def views(p, q, dtype):
    """Means of 1,000 spreads, columns of unlike scale, one view in a unit of its own."""
    rng = np.random.default_rng(p)
    x, y = reference.related(rng, N, p, q, noise=0.5)
    if p == q:
        y += 0.5 * x
    x, y = x * np.logspace(-1, 1, p), 1e-6 * y * np.logspace(1, -1, q)
    x, y = x + 1e3 * x.std(axis=0), y - 1e3 * y.std(axis=0)
    return x.astype(dtype), y.astype(dtype)


def accumulated(x, y, measures, *, start=0, stop=N, step=N):
    accumulator = Accumulator([x.shape[1], y.shape[1]], [(0, 1)], needs_of(measures))
    for first in range(start, stop, step):
        last = min(first + step, stop)
        accumulator.add([f"s{i}" for i in range(first, last)], [x[first:last], y[first:last]])
    return accumulator


def ways(x, y, measures):
    """The same stream in chunks, as seven shards of unlike sizes merged out of order, and in one piece."""
    yield accumulated(x, y, measures, step=1777)
    cuts = [0, 50, 900, 30_000, 31_000, 64_000, 99_990, N]
    shards = [accumulated(x, y, measures, start=a, stop=b, step=1024) for a, b in pairwise(cuts)]
    first = shards[3]
    for number in (6, 0, 2, 5, 1, 4):
        first.merge(shards[number])
    yield first
    yield accumulated(x, y, measures)


@pytest.mark.parametrize(("p", "q", "dtype"), [(24, 17, np.float32), (20, 20, np.float32), (20, 20, np.float64)])
def test_measures_of_a_long_stream_are_those_of_the_formulas(p, q, dtype):
    x, y = views(p, q, dtype)
    truth = expected(x, y)
    for measures in (CKA + OTHERS, EXACT, *([SAME_WIDTH] if p == q else [])):
        for accumulator in ways(x, y, measures):
            ((_, pair),) = accumulator.finish()
            assert pair.n == N
            for options in measures:
                found = MEASURES[options.name].compute(pair, options)
                assert found.value == pytest.approx(truth[options.name, options.estimator], rel=1e-6), options
                assert found.interval.low <= found.value <= found.interval.high


@pytest.mark.parametrize("n", [4, 7, 300])
def test_the_reference_by_sums_is_the_one_by_gram_matrices(n):
    x, y = reference.related(np.random.default_rng(n), n, 5, 9)
    assert reference.debiased_cka_by_sums(x + 40, y) == pytest.approx(reference.debiased_cka(x, y), rel=1e-9)
