"""Pearson, Spearman and Kendall, each with an interval and a permutation test.

Intervals come from Fisher's z, `tanh(atanh(r) +- 1.96 s)`, with the standard error of each coefficient: Pearson
`1 / sqrt(n - 3)` (Fisher 1921); Spearman `sqrt((1 + r^2 / 2) / (n - 3))` (Bonett and Wright 2000); Kendall
`sqrt(0.437 / (n - 4))` (Fieller, Hartley and Pearson 1957). Kendall is tau-b, which corrects for ties (Kendall 1945).

The p-value is two-sided: the share of random pairings whose |r| is no smaller, the observed pairing among them,
`(b + 1) / (m + 1)` (Phipson and Smyth 2010), so that it is never 0. Where all n! pairings are no more than the draws
asked for, every one is taken once and the p-value is exact.
"""

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy import stats

from services.metrics.arrays import F64
from services.metrics.estimates.estimates import Check
from services.metrics.estimates.intervals import LEVEL, Interval
from services.metrics.estimates.signature import signature
from services.metrics.statistics.samples import centred_and_scaled, draws, sample
from services.runtime.errors import InvalidArgument

DEFAULT_PERMUTATIONS: Final = 10_000
MAX_PERMUTATIONS: Final = 1_000_000
MAX_WORK: Final = 2_000_000_000
"""Most products of all permutations of a method; beyond it the request is refused before any work."""

_COST: Final = {"pearson": 1, "spearman": 1, "kendall": 20}
_TOLERANCE: Final = 1e-12
_SIGNS: Final = 60
_BLOCK: Final = 1 << 22


@dataclass(frozen=True)
class Correlation:
    """One correlation.

    Args:
        method: `pearson`, `spearman` or `kendall`.
        value: The coefficient.
        low: Lower end of the 95 % interval.
        high: Upper end.
        p_value: Two-sided, by permutation.
        n: Pairs of numbers.
        signature: All settings behind the number, in one line.
    """

    method: str
    value: float
    low: float
    high: float
    p_value: float
    n: int
    signature: str


@dataclass(frozen=True)
class _Scores:
    """Scores of which a product is the coefficient: [n], a pairing orders `right`.

    For Kendall in small samples they are signs of differences, [n, n], and a pairing moves rows and columns; in
    larger ones ranks, counted in n log n.
    """

    left: F64
    right: F64
    ranks: bool = False


def correlate(
    x: Sequence[float] | F64,
    y: Sequence[float] | F64,
    methods: Sequence[str] = (),
    *,
    permutations: int = DEFAULT_PERMUTATIONS,
    seed: int = 0,
    check: Check = lambda: None,
) -> tuple[Correlation, ...]:
    """Correlations of two samples.

    Args:
        x: [n] first sample, n >= 3.
        y: [n] second sample.
        methods: `pearson`, `spearman`, `kendall`; all where empty.
        permutations: Random pairings of the test.
        seed: Seed of the random pairings.
        check: Called between blocks of pairings; raises to stop.

    Raises:
        InvalidArgument: The samples differ in length, are too short, constant or not finite; a method is unknown; the
            permutations are too many for samples of this length.
    """
    chosen = tuple(dict.fromkeys(methods)) or tuple(METHODS)
    for index, method in enumerate(chosen):
        if method not in METHODS:
            raise InvalidArgument(
                f"methods[{index}]", f"Expected a method of {', '.join(METHODS)}, but got {method[:80]!r}"
            )
    left, right = sample(x, "x", 3), sample(y, "y", 3)
    n = len(left)
    if len(right) != n:
        raise InvalidArgument("y", f"Expected as many numbers as in `x`, n = {n}, but got {len(right)}")
    draws(permutations, "permutations", MAX_PERMUTATIONS)
    for name, values in (("x", left), ("y", right)):
        if values.min() == values.max():
            raise InvalidArgument(
                name, f"Expected numbers that vary, but all n = {n} are {values[0]:g}: no correlation is defined"
            )
    work = permutations * n * max(_COST[method] for method in chosen)
    if work > MAX_WORK:
        raise InvalidArgument(
            "permutations",
            f"Expected at most {MAX_WORK // (work // permutations)} permutations for n = {n}, but got {permutations}",
        )
    return tuple(_one(method, left, right, permutations=permutations, seed=seed, check=check) for method in chosen)


def _one(method: str, x: F64, y: F64, *, permutations: int, seed: int, check: Check) -> Correlation:
    n = len(x)
    scores = METHODS[method](x, y)
    value = float(np.clip(_products(scores, np.arange(n)[None])[0], -1.0, 1.0))
    interval = _interval(method, value, n)
    p_value, test = _p_value(scores, value, permutations, seed, check)
    line = signature(
        {"stat": "kendall-b" if method == "kendall" else method, "n": n, "ci": interval.name, "test": test, "sided": 2}
    )
    return Correlation(method, value, interval.low, interval.high, p_value, n, line)


def _interval(method: str, value: float, n: int) -> Interval:
    """Fisher's z; the whole range where n is too small for it to say anything."""
    free = n - (4 if method == "kendall" else 3)
    if free < 1:
        return Interval(-1.0, 1.0, "none-n-too-small")
    if abs(value) >= 1.0 - _TOLERANCE:
        return Interval(value, value, "fisher-z")
    spread = {"pearson": 1.0, "spearman": 1.0 + value * value / 2, "kendall": 0.437}[method]
    reach = float(stats.norm.ppf(0.5 + LEVEL / 2)) * math.sqrt(spread / free)
    centre = math.atanh(value)
    return Interval(math.tanh(centre - reach), math.tanh(centre + reach), "fisher-z")


def _p_value(scores: _Scores, value: float, permutations: int, seed: int, check: Check) -> tuple[float, str]:
    """The p-value and the name of its test."""
    n = len(scores.left)
    exact = n <= 12 and math.factorial(n) <= permutations
    no_smaller = total = 0
    for orders in _every(n) if exact else _random(n, permutations, seed):
        check()
        found = np.abs(_products(scores, orders))
        no_smaller += int(np.count_nonzero(found >= abs(value) - _TOLERANCE))
        total += len(orders)
    if exact:
        return no_smaller / total, f"permutation-all-{total}"
    return (no_smaller + 1) / (total + 1), f"permutation-{total}-seed-{seed}"


def _every(n: int) -> Iterator[np.ndarray]:
    orders = itertools.permutations(range(n))
    while block := list(itertools.islice(orders, 4096)):
        yield np.array(block)


def _random(n: int, count: int, seed: int) -> Iterator[np.ndarray]:
    rng = np.random.default_rng(seed % (1 << 64))
    size = max(1, min(256, _BLOCK // n))
    for start in range(0, count, size):
        yield rng.permuted(np.tile(np.arange(n), (min(size, count - start), 1)), axis=1)


def _products(scores: _Scores, orders: np.ndarray) -> F64:
    """[m] the coefficient under each order of y's rows."""
    left, right = scores.left, scores.right
    if scores.ranks:
        return np.array([stats.kendalltau(left, right[order], method="asymptotic").statistic for order in orders])
    if left.ndim == 1:
        found: F64 = right[orders] @ left
        return found
    return np.array([np.vdot(left, right[np.ix_(order, order)]) for order in orders], dtype=np.float64)


def _unit(values: F64) -> F64:
    """Centred and of norm 1; scaled first, so that no square overflows or vanishes."""
    centred = centred_and_scaled(values)
    unit: F64 = centred / np.linalg.norm(centred)
    return unit


def _pearson(x: F64, y: F64) -> _Scores:
    return _Scores(_unit(x), _unit(y))


def _spearman(x: F64, y: F64) -> _Scores:
    """Pearson of mid-ranks (Spearman 1904)."""
    return _Scores(_unit(stats.rankdata(x)), _unit(stats.rankdata(y)))


def _kendall(x: F64, y: F64) -> _Scores:
    """tau-b is the cosine of the signs of all differences (Daniels 1944)."""
    if len(x) > _SIGNS:
        return _Scores(stats.rankdata(x), stats.rankdata(y), ranks=True)
    left, right = (np.sign(np.subtract.outer(ranks, ranks)) for ranks in (stats.rankdata(x), stats.rankdata(y)))
    return _Scores(left / np.linalg.norm(left), right / np.linalg.norm(right))


METHODS: Final[dict[str, Callable[[F64, F64], _Scores]]] = {
    "pearson": _pearson,
    "spearman": _spearman,
    "kendall": _kendall,
}
"""The scores of each method."""
