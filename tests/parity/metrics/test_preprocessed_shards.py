"""Rows that are preprocessed after they were summed: the numbers of rows that were preprocessed first."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.metrics.errors import Degenerate
from services.metrics.rows.treatments import NO_PREPROCESSING, Preprocessing, Spread, Treatment
from services.metrics.similarity import MEASURES, Options
from services.metrics.similarity.measure import KeptVariance, SubSample
from services.metrics.sums.accumulate import Accumulator, Needs
from tests.support import metrics_references as reference

OPTIONS = (
    Options("cka", "debiased"),
    Options("cka", "biased"),
    Options("svcca", "mean", KeptVariance(0.99)),
    Options("cca", "mean"),
    Options("pwcca", "mean", KeptVariance(0.99)),
    Options("procrustes", "distance"),
    Options("rbf", "debiased", SubSample(60, 3)),
)
NEEDS = Needs(squares=True, samples=((60, 3),))
STANDARDISED = Preprocessing(standardise=True)
DROPPED = Preprocessing(drop_top_variance=2)
BOTH = Preprocessing(standardise=True, drop_top_variance=3)


def views(seed, n, p=9, q=7, decades=4):
    """Columns of very unlike spread, far from 0, one of them constant."""
    rng = np.random.default_rng(seed)
    x, y = reference.related(rng, n, p, q)
    x = x * np.logspace(-decades, decades, p)[rng.permutation(p)] + 1e3
    y = y * np.logspace(decades / 2, -decades, q)[rng.permutation(q)] - 50
    y[:, 4] = 0.1
    return x, y


def treated(rows, preprocessing):
    """As its definition says, in as many words."""
    exact = rows.astype(np.longdouble)
    spread = np.sqrt(((exact - exact.mean(0)) ** 2).sum(0) / (len(rows) - 1)).astype(float)
    kept = [j for j in range(rows.shape[1]) if j not in np.argsort(-spread)[: preprocessing.drop_top_variance]]
    centred = (exact - exact.mean(0)).astype(float)
    if not preprocessing.standardise:
        return centred[:, kept]
    return np.stack([centred[:, j] / spread[j] for j in kept if spread[j] > 1e-12], axis=1)


def shard(x, y, ids, *, hold=None, needs=NEEDS):
    accumulator = Accumulator([x.shape[1], y.shape[1]], [(0, 1)], needs, hold=hold)
    for part in np.array_split(ids, 3):
        accumulator.add([f"s{i}" for i in part], [x[part], y[part]])
    return accumulator


def numbers(accumulator, preprocessing):
    ((_, pair),) = accumulator.finish(preprocessing)
    found = [MEASURES[options.name].compute(pair, options) for options in OPTIONS]
    return np.array([(one.value, one.interval.low, one.interval.high, one.null.mean) for one in found])


@pytest.mark.parametrize("preprocessing", [NO_PREPROCESSING, STANDARDISED, DROPPED, BOTH])
@pytest.mark.parametrize("n", [60, 900])
def test_numbers_are_those_of_rows_that_were_preprocessed_first(n, preprocessing):
    x, y = views(n, n)
    first = treated(x, preprocessing), treated(y, preprocessing)
    whole = Accumulator([rows.shape[1] for rows in first], [(0, 1)], Needs(exact=True, samples=((60, 3),)), hold=0)
    whole.add([f"s{i}" for i in range(n)], first)
    expected = numbers(whole, NO_PREPROCESSING)
    assert expected[0, 0] == pytest.approx(reference.debiased_cka(*first), rel=1e-9)
    assert expected[1, 0] == pytest.approx(reference.biased_cka(*first), rel=1e-9)
    for hold in (0, n):
        found = numbers(shard(x, y, np.arange(n), hold=hold), preprocessing)
        # Without `standardise` the columns keep their unlike spreads, and CCA inverts them.
        np.testing.assert_allclose(found[:, 0], expected[:, 0], rtol=1e-6)
        if hold == 0:
            np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-9)


@given(st.integers(0, 10_000), st.permutations(range(4)), st.sampled_from([STANDARDISED, DROPPED, BOTH]))
def test_shards_merge_in_any_order_and_grouping(seed, order, preprocessing):
    # CCA keeps all directions: their squares must be within the digits that doubles have.
    x, y = views(seed, 240, decades=1)
    cuts = np.sort(np.random.default_rng(seed).choice(np.arange(1, 240), 3, replace=False))

    def shards():
        return [shard(x, y, ids, hold=40) for ids in np.split(np.arange(240), cuts)]

    chained = shards()
    for one in order[1:]:
        chained[order[0]].merge(chained[one])
    paired = shards()
    paired[1].merge(paired[0])
    paired[3].merge(paired[2])
    paired[3].merge(paired[1])
    expected = numbers(shard(x, y, np.arange(240), hold=0), preprocessing)
    for merged in (chained[order[0]], paired[3]):
        np.testing.assert_allclose(numbers(merged, preprocessing), expected, rtol=1e-9, atol=1e-9)


def test_dimensions_that_were_left_out_do_not_count():
    x, y = views(1, 300)
    ((_, pair),) = shard(x, y, np.arange(300), hold=0).finish(BOTH)
    # Three of largest variance each, and of the right the constant one.
    assert (pair.p, pair.q) == (6, 3)


@pytest.mark.parametrize("hold", [0, 50])
def test_what_leaves_nothing_is_refused(hold):
    x, y = views(1, 50)
    with pytest.raises(Degenerate, match=r"of d=9 none is, with drop_top_variance=9 \(n=50\)"):
        list(shard(x, y, np.arange(50), hold=hold).finish(Preprocessing(drop_top_variance=9)))
    with pytest.raises(Degenerate, match=r"of d=7 none is.*constant dimensions left out \(n=50\)"):
        list(shard(x, np.full((50, 7), 0.1), np.arange(50), hold=hold).finish(STANDARDISED))


def test_sums_without_squares_do_not_serve():
    x, y = views(1, 50)
    for needs in (Needs(), Needs(squares=True, cosines=True)):
        with pytest.raises(ValueError, match="moments of squares and no cosines"):
            list(shard(x[:, :7], y, np.arange(50), needs=needs).finish(STANDARDISED))


@pytest.mark.parametrize("scale", [1e-200, 1.0, 1e200])
def test_treatment_is_that_of_its_definition(scale):
    x, _ = views(5, 40)
    x = (x - x.mean(0)) * scale
    found = Treatment.by(STANDARDISED, Spread.of(x)).apply(x)
    np.testing.assert_allclose(found.std(axis=0, ddof=1), 1.0, rtol=1e-12)
    np.testing.assert_allclose(found, treated(x / scale, STANDARDISED), rtol=1e-9, atol=1e-9)
