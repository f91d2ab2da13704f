"""Intervals against brute-force jackknives and bootstraps, and their coverage."""

import numpy as np
import pytest

from services.metrics.similarity import MEASURES, Options
from services.metrics.similarity.measure import KeptVariance
from services.metrics.sums.accumulate import Accumulator, Needs
from services.metrics.sums.hsic import biased_cka, debiased_cka, without_row
from tests.support import metrics_references as reference

DEBIASED = Options("cka", "debiased")
BIASED = Options("cka", "biased")
SVCCA = Options("svcca", "mean", KeptVariance(0.99))


def pair_of(x, y, hold=None):
    accumulator = Accumulator([x.shape[1], y.shape[1]], [(0, 1)], Needs(), hold=hold)
    accumulator.add([str(i) for i in range(len(x))], [x, y])
    ((_, pair),) = accumulator.finish()
    return pair


@pytest.mark.parametrize("hold", [0, None])
@pytest.mark.parametrize("n", [6, 50])
def test_sums_without_a_row_are_exact(n, hold):
    x, y = reference.related(np.random.default_rng(n), n, 8, 5)
    x += 40
    pair = pair_of(x, y, hold)
    keys = None if hold is None else pair.left.sample
    sums = without_row(pair.hsic(), pair.terms())
    expected = np.array(
        [
            (reference.biased_cka(np.delete(x, i, 0), np.delete(y, i, 0)),
             reference.debiased_cka(np.delete(x, i, 0), np.delete(y, i, 0)))
            for i in range(n)
        ]
    )  # fmt: skip
    found = np.stack([biased_cka(sums), debiased_cka(sums)], axis=1)
    if keys is not None:  # a sample comes in the order of its hashes
        found, expected = np.sort(found, axis=0), np.sort(expected, axis=0)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize(("options", "reach"), [(DEBIASED, 0.1), (BIASED, 0.1), (SVCCA, 0.12)])
@pytest.mark.parametrize("kind", ["normal", "heavy"])
def test_standard_errors_are_those_of_subsampling(options, reach, kind):
    rng = np.random.default_rng(11)
    n = 600
    x, y = reference.related(rng, n, 9, 7, noise=1.2)
    if kind == "heavy":
        scale = rng.gamma(4.0, 0.25, (n, 1))
        x, y = x * scale, y * scale
    measure = {
        "debiased": reference.debiased_cka,
        "biased": reference.biased_cka,
        "mean": lambda a, b: reference.svcca(a, b)[0],
    }[options.estimator]
    values = []
    for _ in range(250):
        # Halves without replacement: repeated rows would count as structure. Their variance about the whole is that
        # of the whole about the population: (1 / (n / 2) - 1 / n) n = 1.
        chosen = rng.choice(n, n // 2, replace=False)
        values.append(measure(x[chosen], y[chosen]))
    error = np.std(values)
    measured = MEASURES[options.name].compute(pair_of(x, y), options)
    half = (measured.interval.high - measured.interval.low) / 2 / 1.96
    assert half == pytest.approx(error, rel=reach + 0.08)


def test_a_sample_of_rows_gives_the_width_of_all_rows():
    x, y = reference.related(np.random.default_rng(2), 4000, 12, 10)
    everything = pair_of(x, y, hold=4000)
    sampled = pair_of(x, y, hold=0)
    for options in (DEBIASED, BIASED, SVCCA):
        full = MEASURES[options.name].compute(everything, options).interval
        part = MEASURES[options.name].compute(sampled, options).interval
        assert (part.high - part.low) == pytest.approx(full.high - full.low, rel=0.15)
        assert part.name.endswith("-512")


@pytest.mark.slow
@pytest.mark.parametrize(("options", "n"), [(DEBIASED, 60), (DEBIASED, 300), (BIASED, 300), (SVCCA, 400)])
def test_intervals_cover(options, n):
    """Of 300 studies of one population about 95 % cover its value."""
    rng = np.random.default_rng(7)
    mix_x, mix_y = rng.standard_normal((4, 8)), rng.standard_normal((4, 6))

    def draw(rows):
        shared = rng.standard_normal((rows, 4))
        return (
            shared @ mix_x + 1.5 * rng.standard_normal((rows, 8)),
            shared @ mix_y + 1.5 * rng.standard_normal((rows, 6)),
        )

    found = [MEASURES[options.name].compute(pair_of(*draw(n)), options) for _ in range(300)]
    # Of a biased estimator the interval is about its own mean at this n.
    truth = np.mean([one.value for one in found])
    if options is DEBIASED:
        truth = MEASURES["cka"].compute(pair_of(*draw(100_000)), options).value
    covered = np.mean([one.interval.low <= truth <= one.interval.high for one in found])
    assert 0.90 <= covered <= 0.99
