"""RBF CKA: the formulas, the sub-sample and its merging, invariances, chance levels, degenerate rows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.metrics.errors import Degenerate
from services.metrics.rows.sample import hashes
from services.metrics.similarity import MEASURES, Options
from services.metrics.similarity.measure import SubSample
from services.metrics.sums.accumulate import Accumulator, Needs
from tests.support import metrics_references as reference


def options(estimator="debiased", sample=2000, seed=0):
    return Options("rbf", estimator, SubSample(sample, seed))


def accumulated(x, y, chosen, *, hold=None, ids=None):
    needs = Needs(moments=False, samples=((chosen.settings.sample, chosen.settings.seed),))
    accumulator = Accumulator([x.shape[1], y.shape[1]], [(0, 1)], needs, hold=hold)
    names = [f"s{i}" for i in range(len(x))] if ids is None else ids
    for start in range(0, len(x), 70):
        part = slice(start, start + 70)
        accumulator.add(names[part], [x[part], y[part]])
    return accumulator


def measured(x, y, chosen, **more):
    ((_, pair),) = accumulated(x, y, chosen, **more).finish()
    return MEASURES["rbf"].compute(pair, chosen)


@pytest.mark.parametrize("n", [4, 5, 60, 400])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rbf_cka_is_that_of_the_formulas(n, dtype):
    x, y = reference.related(np.random.default_rng(n), n, 8, 5)
    x, y = (1e3 + x).astype(dtype), (1e-3 * y).astype(dtype)
    for hold in (0, n):
        debiased = measured(x, y, options(), hold=hold)
        assert debiased.value == pytest.approx(reference.rbf_cka(x, y)[0], rel=1e-6, abs=1e-9)
        biased = measured(x, y, options("rbf_biased"), hold=hold)
        assert biased.value == pytest.approx(reference.rbf_cka(x, y)[1], rel=1e-6)
        assert biased.rows == n


def test_the_sub_sample_depends_on_ids_and_seed_only():
    rng = np.random.default_rng(0)
    x, y = reference.related(rng, 500, 6, 6)
    ids = [f"id {i}" for i in range(500)]
    chosen = options(sample=80, seed=3)
    kept = np.argsort(hashes(ids, 3))[:80]
    expected = reference.rbf_cka(x[kept], y[kept])[0]
    order = rng.permutation(500)
    for hold in (0, 100, 500):
        found = measured(x, y, chosen, hold=hold, ids=ids)
        assert found.value == pytest.approx(expected, rel=1e-9)
        assert found.rows == 80
        assert (found.settings["rows"], found.settings["seed"]) == (80, 3)
        assert found.warnings[-1] == "measured on 80 of n=500 rows"
        shuffled = measured(x[order], y[order], chosen, hold=hold, ids=[ids[i] for i in order])
        assert shuffled.value == pytest.approx(expected, rel=1e-9)
    assert measured(x, y, options(sample=80, seed=4), ids=ids).value != pytest.approx(expected, rel=1e-6)


def test_shards_merge_in_any_order():
    rng = np.random.default_rng(1)
    x, y = reference.related(rng, 300, 6, 9)
    ids = [str(i) for i in range(300)]
    chosen = options(sample=90)
    whole = measured(x, y, chosen, ids=ids).value

    def shards(hold):
        parts = (slice(0, 40), slice(40, 200), slice(200, 300))
        return [accumulated(x[part], y[part], chosen, hold=hold, ids=ids[part]) for part in parts]

    for order in ((0, 1, 2), (2, 0, 1), (1, 2, 0)):
        for hold in (0, 60, 300):
            made = shards(hold)
            first = made[order[0]]
            for other in order[1:]:
                first.merge(made[other])
            ((_, pair),) = first.finish()
            assert MEASURES["rbf"].compute(pair, chosen).value == pytest.approx(whole, rel=1e-9)


@given(st.integers(0, 10_000), st.sampled_from(["debiased", "rbf_biased"]))
def test_rotations_shifts_and_scale_change_nothing(seed, estimator):
    rng = np.random.default_rng(seed)
    x, y = reference.related(rng, 40, 6, 9)
    moved = 1e-3 * x @ np.linalg.qr(rng.standard_normal((6, 6)))[0] + 2
    chosen = options(estimator)
    value = measured(x, y, chosen).value
    assert measured(moved, y, chosen).value == pytest.approx(value, rel=1e-7, abs=1e-9)
    assert measured(y, x, chosen).value == pytest.approx(value, rel=1e-9, abs=1e-12)
    assert measured(x, 5 * x, chosen).value == pytest.approx(1.0)


@pytest.mark.parametrize(("position", "estimator"), [(0, "debiased"), (1, "rbf_biased")])
def test_null_is_that_of_permuted_rows(position, estimator):
    rng = np.random.default_rng(5)
    x, y = reference.related(rng, 30, 5, 7)
    draws = np.array([reference.rbf_cka(x, y[rng.permutation(30)])[position] for _ in range(1500)])
    null = measured(x, y, options(estimator)).null
    assert null.mean == pytest.approx(draws.mean(), abs=4.5 * draws.std() / np.sqrt(1500))
    assert null.sd == pytest.approx(draws.std(), rel=0.12)


def test_the_published_scripts_chance_level_is_high_and_the_debiased_one_is_not():
    rng = np.random.default_rng(7)
    x, y = rng.standard_normal((2, 200, 768))
    biased, debiased = measured(x, y, options("rbf_biased")), measured(x, y, options())
    # 0.87 by definitions.md.
    assert biased.value == pytest.approx(0.87, abs=0.01)
    assert biased.null.mean == pytest.approx(biased.value, abs=4 * biased.null.sd)
    assert abs(debiased.value) < 4 * debiased.null.sd


def test_interval_is_the_jackknife_at_fixed_bandwidth():
    x, y = reference.related(np.random.default_rng(9), 25, 4, 3)
    left_out = [reference.rbf_cka(x, y, without=row)[0] for row in range(25)]
    found = measured(x, y, options())
    error = 24 / np.sqrt(25) * np.std(left_out, ddof=1)
    assert (found.interval.high - found.interval.low) / 2 == pytest.approx(2.0639 * error, rel=1e-4)
    assert found.interval.name == "jackknife-25"


def test_degenerate_rows_are_refused():
    rng = np.random.default_rng(0)
    for hold in (0, 9):
        with pytest.raises(Degenerate, match=r"all are equal \(n=9, d=3\)"):
            measured(np.full((9, 3), 0.1), rng.standard_normal((9, 4)), options(), hold=hold)
    with pytest.raises(Degenerate, match=r"at least 4 rows for RBF CKA, but got n=3 \(d=2 and 5\)"):
        measured(rng.standard_normal((3, 2)), rng.standard_normal((3, 5)), options())


def test_items_are_counted_where_no_moments_are_kept():
    x, y = reference.related(np.random.default_rng(0), 400, 5, 5)
    accumulator = Accumulator([5, 5], [(0, 1)], Needs(moments=False, cosines=True), hold=0)
    accumulator.add([str(i) for i in range(400)], [x, y])
    ((_, pair),) = accumulator.finish()
    assert pair.n == 400
