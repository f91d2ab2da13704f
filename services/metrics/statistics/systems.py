"""Paired bootstrap between two systems scored on the same items (Efron 1979; Koehn 2004).

Items are drawn with replacement, both systems' scores together, and the difference of means is taken each time. The
interval is the central 95 % of those differences. The p-value is two-sided, from the differences shifted to the null
hypothesis of no difference: the share with `|d* - d| >= |d|`, the observed among them, `(b + 1) / (m + 1)`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from services.metrics.arrays import F64
from services.metrics.estimates.estimates import Check
from services.metrics.estimates.intervals import LEVEL
from services.metrics.estimates.signature import signature
from services.metrics.statistics.samples import draws, sample
from services.runtime.errors import InvalidArgument

DEFAULT_RESAMPLES: Final = 10_000
MAX_RESAMPLES: Final = 1_000_000
MAX_WORK: Final = 5_000_000_000
"""Most draws of a request: items times resamples."""

_BLOCK: Final = 1 << 21


@dataclass(frozen=True)
class Difference:
    """How two systems differ.

    Args:
        difference: Mean of the first minus mean of the second.
        low: Lower end of the 95 % interval.
        high: Upper end.
        p_value: Two-sided.
        n: Items.
        signature: All settings behind the number, in one line.
    """

    difference: float
    low: float
    high: float
    p_value: float
    n: int
    signature: str


def compare_systems(
    first: Sequence[float] | F64,
    second: Sequence[float] | F64,
    *,
    resamples: int = DEFAULT_RESAMPLES,
    seed: int = 0,
    check: Check = lambda: None,
) -> Difference:
    """Paired bootstrap of the difference of two means.

    Args:
        first: [n] the first system's score of each item, n >= 2.
        second: [n] the second's, in the same order.
        resamples: Samples drawn.
        seed: Seed of the bootstrap samples.
        check: Called between blocks of samples; raises to stop.

    Raises:
        InvalidArgument: The lists differ in length, are too short or not finite, there are too many resamples, or the
            difference is beyond the largest double.
    """
    left, right = sample(first, "first", 2), sample(second, "second", 2)
    n = len(left)
    if len(right) != n:
        raise InvalidArgument("second", f"Expected as many scores as in `first`, n = {n}, but got {len(right)}")
    draws(resamples, "resamples", min(MAX_RESAMPLES, max(1, MAX_WORK // n)))
    # By a power of two, which is exact: neither a difference nor a sum of differences overflows.
    exponent = int(np.frexp(max(np.abs(left).max(), np.abs(right).max()))[1])
    differences = np.ldexp(left, -exponent) - np.ldexp(right, -exponent)
    value = float(differences.mean())
    means = _means(differences, resamples, seed, check)
    tail = (1 - LEVEL) / 2
    low, high = (float(end) for end in np.quantile(means, (tail, 1 - tail)))
    # A tolerance, so that equal differences summed in another order count as equal.
    near = abs(value) * (1 - 1e-12)
    p_value = (int(np.count_nonzero(np.abs(means - value) >= near)) + 1) / (resamples + 1)
    line = signature({"stat": "paired-bootstrap", "n": n, "ci": "percentile", "resamples": resamples, "seed": seed})
    found = [_scaled(each, exponent) for each in (value, min(low, value), max(high, value))]
    if not all(map(math.isfinite, found)):
        raise InvalidArgument(
            "first", "Expected scores whose difference of means is a double, but it is beyond the largest one"
        )
    return Difference(found[0], found[1], found[2], p_value, n, line)


def _scaled(value: float, exponent: int) -> float:
    """A number times a power of two; infinite where it is beyond the largest double."""
    try:
        return math.ldexp(value, exponent)
    except OverflowError:
        return math.inf


def _means(values: F64, resamples: int, seed: int, check: Check) -> F64:
    """[resamples] means of values drawn with replacement."""
    rng = np.random.default_rng(seed % (1 << 64))
    n = len(values)
    size = max(1, _BLOCK // n)
    means = np.empty(resamples)
    for start in range(0, resamples, size):
        check()
        stop = min(start + size, resamples)
        means[start:stop] = values[rng.integers(0, n, (stop - start, n))].mean(axis=1)
    return means
