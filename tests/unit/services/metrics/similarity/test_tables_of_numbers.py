"""Numbers worked out by hand, and the invariances that each measure declares."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.metrics.errors import Degenerate
from services.metrics.estimates.intervals import mean_reciprocal, wilson
from services.metrics.retrieval import hits, reciprocal, retrieve
from services.metrics.similarity import MEASURES, Options
from services.metrics.similarity.measure import KeptVariance
from services.metrics.sums.pairs import HeldPair
from services.metrics.sums.views import HeldView, kept_directions

BIASED = Options("cka", "biased")
DEBIASED = Options("cka", "debiased")
SVCCA = Options("svcca", "mean", KeptVariance(1.0))
COSINE = Options("cosine", "mean")


def measured(x, y, options):
    pair = HeldPair(HeldView(np.asarray(x, float)), HeldView(np.asarray(y, float)))
    return MEASURES[options.name].compute(pair, options)


LINE = [[1.0], [2.0], [3.0], [4.0]]
BENT = [[1.0], [2.0], [3.0], [6.0]]


@pytest.mark.parametrize(
    ("x", "y", "options", "value"),
    [
        # x = -1.5 -0.5 0.5 1.5 and y = -2 -1 0 3: (x'y)^2 / (x'x y'y) = 64 / (5 * 14)
        (LINE, BENT, BIASED, 64 / 70),
        (LINE, LINE, BIASED, 1.0),
        (LINE, BENT, SVCCA, 8 / np.sqrt(70)),
        ([[1, 0], [0, 1]], [[1, 1], [0, -2]], COSINE, (np.sqrt(0.5) - 1) / 2),
    ],
)
def test_values_worked_out_by_hand(x, y, options, value):
    assert measured(x, y, options).value == pytest.approx(value, rel=1e-12)


def test_debiased_cka_worked_out_by_hand():
    # x = +-1 twice: k = 1, <K, K> = 16, so HSIC_1 n(n-3) = 16 - 4 * 4 / 2 + 16 / 6 = 32 / 3.
    # y = +-1 in another order, orthogonal to x: <K, L> = 0, so 0 - 8 + 16 / 6 = -16 / 3.
    assert measured([[1], [1], [-1], [-1]], [[1], [-1], [1], [-1]], DEBIASED).value == pytest.approx(-0.5, rel=1e-12)


@pytest.mark.parametrize(
    ("squares", "variance", "kept"),
    [
        ([50.0, 30, 15, 4, 1], 0.99, 4),
        ([50.0, 30, 15, 4, 1], 0.991, 5),
        ([50.0, 30, 15, 4, 1], 0.5, 1),
        ([50.0, 30, 15, 4, 1], 1.0, 5),
        ([1.0] * 100, 0.99, 99),
        ([4.0, 1e-20, 0.0], 1.0, 1),
    ],
)
def test_directions_kept(squares, variance, kept):
    assert kept_directions(np.array(squares), variance, 1e-15)[0] == kept


def test_ranks_worked_out_by_hand():
    angle = np.deg2rad([0, 10, 30, 90])
    x = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    y = np.stack([np.cos(angle + np.deg2rad(16)), np.sin(angle + np.deg2rad(16))], axis=1)
    # Candidates lie at 16, 26, 46, 106 degrees: the third query, at 30, is nearest to the second, then to the first.
    found = retrieve(x, y, ("cosine",))["cosine"]
    assert found.forward.tolist() == [1, 2, 3, 1]
    assert hits(found.forward, 1) == 2
    assert hits(found.forward, 2) == 3
    assert reciprocal(found.forward).tolist() == [1, 0.5, 1 / 3, 1]


def test_intervals_of_rates():
    # Wilson's interval of 8 of 10, as in every table of it.
    interval = wilson(8, 10)
    assert (interval.low, interval.high) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert (wilson(0, 20).low, wilson(20, 20).high) == (0.0, 1.0)
    assert mean_reciprocal(np.ones(100)).low == wilson(100, 100).low
    assert mean_reciprocal(np.array([1.0])).high == 1.0


@pytest.mark.parametrize("n", [2, 3])
def test_too_few_rows_for_the_debiased_estimator(n):
    x = np.random.default_rng(0).standard_normal((n, 7))
    with pytest.raises(Degenerate, match=rf"at least 4 rows for debiased CKA, but got n={n} \(d=7 and 7\)"):
        measured(x, x, DEBIASED)


def test_rows_without_structure_for_their_number():
    simplex = np.eye(5)
    with pytest.raises(Degenerate, match=r"unbiased HSIC of the left rows with themselves above 0.*n=5, d=5"):
        measured(simplex, np.random.default_rng(0).standard_normal((5, 3)), DEBIASED)


def test_warnings_tell_the_chance_level():
    x, y = np.random.default_rng(0).standard_normal((2, 60, 80))
    assert "n=60 is below d=80: biased CKA of unrelated rows is 0.56" in measured(x, y, BIASED).warnings[0]
    assert "n=60 is below 10 k" in measured(x, y, Options("svcca", "mean", KeptVariance(0.99))).warnings[-1]


@pytest.mark.parametrize("n", [2, 3, 4, 5])
@pytest.mark.parametrize("options", [BIASED, DEBIASED, SVCCA, COSINE])
def test_the_smallest_data_give_finite_numbers_or_a_cause(n, options):
    x, y = np.random.default_rng(n).standard_normal((2, n, 3))
    if options is DEBIASED and n < 4:
        with pytest.raises(Degenerate, match=f"n={n}"):
            measured(x, y, options)
        return
    found = measured(x, y, options)
    numbers = (found.value, found.interval.low, found.interval.high, found.null.mean, found.null.sd)
    assert np.all(np.isfinite(numbers))


seeds = st.integers(0, 2**32 - 1)
shapes = st.tuples(st.integers(6, 30), st.integers(1, 8), st.integers(1, 8))


def drawn(seed, shape):
    rng = np.random.default_rng(seed)
    n, p, q = shape
    x = rng.standard_normal((n, p))
    y = x[:, :1] + rng.standard_normal((n, q))
    return rng, x, y


def orthogonal(rng, d):
    return np.linalg.qr(rng.standard_normal((d, d)))[0]


@settings(max_examples=40, deadline=None)
@given(seeds, shapes, st.floats(1e-3, 1e3), st.floats(-100, 100))
def test_cka_is_invariant_to_rotation_scale_and_shift(seed, shape, scale, shift):
    rng, x, y = drawn(seed, shape)
    moved = scale * x @ orthogonal(rng, x.shape[1]) + shift
    for options in (BIASED, DEBIASED):
        assert measured(moved, y, options).value == pytest.approx(measured(x, y, options).value, rel=1e-6, abs=1e-8)


@settings(max_examples=40, deadline=None)
@given(seeds, shapes)
def test_cca_is_invariant_to_invertible_maps(seed, shape):
    rng, x, y = drawn(seed, shape)
    d = x.shape[1]
    change = orthogonal(rng, d) @ np.diag(rng.uniform(0.1, 10, d)) @ orthogonal(rng, d)
    before, after = measured(x, y, SVCCA), measured(x @ change + 5, y, SVCCA)
    assert after.value == pytest.approx(before.value, rel=1e-7)


@settings(max_examples=40, deadline=None)
@given(seeds, shapes)
def test_similarities_are_symmetric_and_blind_to_the_order_of_rows(seed, shape):
    rng, x, y = drawn(seed, shape)
    order = rng.permutation(len(x))
    for options in (BIASED, DEBIASED, SVCCA):
        value = measured(x, y, options).value
        assert measured(y, x, options).value == pytest.approx(value, rel=1e-9, abs=1e-12)
        assert measured(x[order], y[order], options).value == pytest.approx(value, rel=1e-9, abs=1e-12)


@settings(max_examples=30, deadline=None)
@given(seeds, st.integers(12, 60), st.integers(2, 9))
def test_retrieval_is_blind_to_joint_order_rotation_and_lengths(seed, n, d):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, d))
    y = x + rng.standard_normal((n, d))
    order, turn = rng.permutation(n), orthogonal(rng, d)
    plain = retrieve(x, y)
    moved = retrieve(x[order] @ turn * rng.uniform(0.1, 9, (n, 1)), y[order] @ turn)
    for name, ranks in plain.items():
        np.testing.assert_array_equal(moved[name].forward, ranks.forward[order])
        np.testing.assert_array_equal(moved[name].backward, ranks.backward[order])
    other = retrieve(y, x)
    for name, ranks in plain.items():
        np.testing.assert_array_equal(other[name].forward, ranks.backward)
