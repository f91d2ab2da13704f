"""The chance level of Procrustes against permuted rows and drawn rotations."""

from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.metrics.estimates.rotations import nuclear_moments, procrustes_null, random_blocks
from services.metrics.similarity import MEASURES, Options
from services.metrics.sums.accumulate import Accumulator, Needs
from tests.support import metrics_references as reference

DISTANCE = Options("procrustes", "distance")
SIMILARITY = Options("procrustes", "similarity")


def measured(x, y, options, hold=None):
    accumulator = Accumulator([x.shape[1], y.shape[1]], [(0, 1)], Needs(), hold=hold)
    accumulator.add([str(i) for i in range(len(x))], [x, y])
    ((_, pair),) = accumulator.finish()
    return MEASURES[options.name].compute(pair, options)


def spectrum(kind, k):
    found = {
        "flat": np.ones(k),
        "falling": np.arange(1, k + 1) ** -1.2,
        "steep": np.logspace(0, -12, k),
        "dominated": np.append(k, np.ones(k - 1)),
        "all but one direction": np.append(1e3 * k, np.ones(k - 1)),
    }[kind]
    return found / found.sum()


@cache
def rotations(order, rows, columns, count):
    """Blocks of whole orthogonal matrices, by QR: the same for all spectra."""
    rng = np.random.default_rng(3)
    blocks = []
    for _ in range(count):
        rotation, triangle = np.linalg.qr(rng.standard_normal((order, order)))
        blocks.append((rotation * np.sign(np.diag(triangle)))[:rows, :columns].copy())
    return np.stack(blocks)


def drawn(order, left, right, count):
    """Nuclear norms under drawn rotations."""
    scaled = np.sqrt(left)[:, None] * rotations(order, len(left), len(right), count) * np.sqrt(right)
    return np.linalg.svd(scaled, compute_uv=False).sum(axis=1)


@pytest.mark.parametrize(("n", "p", "q"), [(120, 9, 14), (60, 30, 25), (30, 40, 35), (90, 2, 30), (12, 6, 5)])
@pytest.mark.parametrize("hold", [0, 120])
def test_null_is_that_of_permuted_rows(n, p, q, hold):
    rng = np.random.default_rng(8)
    x, y = reference.related(rng, n, p, q)
    x[:, 0] *= 5
    draws = np.array([reference.procrustes(x, y[rng.permutation(n)]) for _ in range(400)])
    for options, expected in ((DISTANCE, draws), (SIMILARITY, 1 - draws**2 / 2)):
        null = measured(x, y, options, hold).null
        assert null.mean == pytest.approx(expected.mean(), abs=0.35 * expected.std())
        assert null.sd == pytest.approx(expected.std(), rel=0.25)
        assert null.name == ("rotations-expansion" if min(p, q) >= 8 else "rotations-400")
        assert null == measured(x, y, options, hold).null


@pytest.mark.parametrize(("order", "p", "q"), [(400, 30, 60), (70, 30, 30), (59, 30, 40), (40, 39, 40), (50, 8, 20)])
@pytest.mark.parametrize("left", ["flat", "falling", "steep", "dominated", "all but one direction"])
@pytest.mark.parametrize("right", ["flat", "falling", "dominated"])
def test_expansion_is_that_of_drawn_rotations(order, p, q, left, right):
    spectra = spectrum(left, p), spectrum(right, q)
    mean, sd = nuclear_moments(order, *spectra)
    draws = drawn(order, *spectra, 120)
    # The draws themselves know their mean to 0.09 standard deviations and their spread to 6.5 %.
    assert mean == pytest.approx(draws.mean(), abs=0.45 * draws.std() + 1e-4)
    assert sd == pytest.approx(draws.std(), rel=0.32, abs=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["flat", "falling", "dominated"])
def test_expansion_is_that_of_drawn_rotations_at_the_width_of_encoders(kind):
    spectra = spectrum(kind, 256), spectrum(kind, 256)
    mean, sd = nuclear_moments(1000, *spectra)
    blocks = random_blocks(np.random.default_rng(0), 60, 1000, 256, 256)
    scaled = np.sqrt(spectra[0])[:, None] * blocks * np.sqrt(spectra[1])
    values = np.linalg.svd(scaled, compute_uv=False).sum(axis=1)
    assert mean == pytest.approx(np.mean(values), abs=0.55 * np.std(values))
    assert sd == pytest.approx(np.std(values), rel=0.4)


def test_complete_flat_spectra_leave_nothing_to_chance():
    mean, sd = nuclear_moments(200, spectrum("flat", 200), spectrum("flat", 200))
    assert mean == pytest.approx(1.0, abs=1e-7)
    assert sd == pytest.approx(0.0, abs=1e-7)
    assert procrustes_null(201, np.full(200, 7.0), np.full(200, 2.0), distance=True).mean < 1e-3


@given(st.integers(0, 10_000), st.sampled_from([1e-200, 1e-3, 1e200]))
def test_scale_and_sides_change_nothing(seed, scale):
    rng = np.random.default_rng(seed)
    left, right = rng.uniform(0.01, 1, 12), rng.uniform(0.01, 1, 9)
    null = procrustes_null(40, left, right, distance=True)
    for one, other in ((left * scale, right), (right, left)):
        same = procrustes_null(40, one, other, distance=True)
        assert (same.mean, same.sd) == pytest.approx((null.mean, null.sd), rel=1e-9)
    assert 0 < null.mean < np.sqrt(2)
    assert 0 < null.sd < 0.5


@pytest.mark.parametrize(("order", "rows", "columns"), [(9, 3, 4), (9, 6, 7), (5, 5, 5), (30, 4, 2)])
def test_blocks_are_those_of_random_orthogonal_matrices(order, rows, columns):
    rng = np.random.default_rng(0)
    found = random_blocks(rng, 3000, order, rows, columns)
    expected = [np.linalg.qr(rng.standard_normal((order, rows)))[0][:columns].T for _ in range(3000)]
    norms = [np.linalg.svd(each, compute_uv=False).sum(axis=1) for each in (found, np.array(expected))]
    assert norms[0].mean() == pytest.approx(norms[1].mean(), rel=0.01)
    assert norms[0].std() == pytest.approx(norms[1].std(), rel=0.1, abs=1e-9)
    assert (found**2).mean() == pytest.approx(1 / order, rel=0.05)
