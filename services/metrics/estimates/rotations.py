"""Chance level of the Procrustes distance: the nuclear norm of views whose rows are paired at random.

In the coordinates of its singular vectors a view is U S V', and a random pairing turns the left singular vectors of the
two sides against each other: the nuclear norm becomes that of S_x B S_y, where B is a block of a random orthogonal
matrix O of order N = n - 1. So it needs the singular values only, not the rows.

With D and E the squared singular values and J(t) = log det(I + D O E O' / t), the nuclear norm is the integral of
J(t) t^(-1/2) dt over t > 0, divided by 2 pi. For large N the expectation of J is the stationary value over a and b of

    V = sum_i log(1 + b d_i) + sum_j log(1 + a e_j) - N log(1 + t a b),

the free multiplicative convolution of the two spectra (Voiculescu 1987), and its covariance at t and t' is twice

    C = -log(1 - c_D c_E g^2 g'^2 / (t t')),    g = 1 + t a b,

where c_D is the covariance over the N coordinates of d / (1 + b d) at t and at t', and c_E that of e / (1 + a e). The
expectation comes with a term of order 1, -C(t, t) / 2. For n far above the dimensions this is the expansion of Hachem
et al. (2008, theorem 1) for the capacity of correlated Gaussian channels, for real entries; for rotations it is held
against draws. From 8 directions, for spectra flat or dominated by one direction, the mean is within 0.2 standard
deviations and the standard deviation within 15 % (`tests/parity/metrics/test_rotations.py`); twenty draws know them to
0.22 and 16 %.
"""

import math
from typing import Final

import numpy as np

from services.metrics.arrays import F64
from services.metrics.estimates.nulls import Null
from services.metrics.sums.products import row_gram

_LEAST_EXPANDED: Final = 8
"""Directions below which rotations are drawn."""

_DRAWS: Final = 400

_STEP: Final = 1.0
"""In log t: J is analytic within pi of the real axis, so that the trapezoid rule errs by exp(-2 pi^2 / step)."""

_REACH: Final = 44.0
"""In log t, either way of a typical squared singular value: what lies beyond is below exp(-_REACH / 2)."""


def procrustes_null(n: int, left: F64, right: F64, *, distance: bool) -> Null:
    """Mean and spread of the Procrustes similarity or distance of unrelated rows.

    Args:
        n: Rows, at least 2.
        left: [kx] squared singular values of the left view, kx <= n - 1.
        right: [ky] of the right view.
        distance: Whether the distance sqrt(2 - 2 s) is meant in place of the similarity s.
    """
    if len(left) > len(right):
        left, right = right, left
    left, right = left / left.sum(), right / right.sum()
    if len(left) < _LEAST_EXPANDED:
        return _drawn(n, left, right, distance=distance)
    mean, sd = nuclear_moments(n - 1, left, right)
    mean = min(mean, 1.0)
    if distance:
        # To second order in the spread.
        reach = math.sqrt(2 - 2 * mean)
        mean, sd = (reach - sd * sd / (2 * reach**3), sd / reach) if reach**2 > sd else (reach, math.sqrt(sd))
    return Null(mean, sd, "rotations-expansion")


def nuclear_moments(order: int, left: F64, right: F64) -> tuple[float, float]:
    """Mean and standard deviation of the nuclear norm of D^(1/2) O E^(1/2) for a random orthogonal O.

    Args:
        order: N, of O.
        left: [kx] diagonal of D, kx <= N; positive, adding up to 1.
        right: [ky] diagonal of E.
    """
    centre = -math.log(order * min(len(left), len(right)))
    grid = centre + np.arange(-_REACH, _REACH + _STEP / 2, _STEP)
    t = np.exp(grid)
    a, b = _stationary(order, t, left, right)
    by_left, by_right = 1 + np.multiply.outer(b, left), 1 + np.multiply.outer(a, right)
    rest = _rest(order, by_left)
    value = np.log(by_left).sum(axis=1) + np.log(by_right).sum(axis=1) + order * np.log(rest)
    scale = 1 / (rest * rest * t)
    share = _covariance(order, left / by_left) * _covariance(order, right / by_right) * np.multiply.outer(scale, scale)
    covariance = -np.log1p(-np.clip(share, 0.0, 1 - 1e-15))
    weight = _STEP / (2 * math.pi) * np.sqrt(t)
    mean = float(weight @ (value - np.diagonal(covariance) / 2))
    return mean, math.sqrt(max(2 * float(weight @ (covariance @ weight)), 0.0))


def _rest(order: int, by_left: F64) -> F64:
    """[Q]: the mean over all coordinates of 1 / (1 + b d), 1 beyond the spectrum; by stationarity 1 / (1 + t a b)."""
    return np.asarray(((1 / by_left).sum(axis=1) + (order - by_left.shape[1])) / order)


def _covariance(order: int, values: F64) -> F64:
    """[Q, Q]: covariance of rows of values over `order` coordinates, of which those not given are 0."""
    means = values.sum(axis=1) / order
    beyond = (order - values.shape[1]) * np.multiply.outer(means, means)
    return np.asarray((row_gram(values - means[:, None]) + beyond) / order)


def _stationary(order: int, t: F64, left: F64, right: F64) -> tuple[F64, F64]:
    """Where V is stationary: [Q] a and [Q] b.

    By `sum d / (1 + b d) = N t a / (1 + t a b)`, b gives a; the other equation is solved for log b by halving steps,
    then by Newton's method.
    """

    def sides(b: F64) -> tuple[F64, F64, F64, F64, F64]:
        by_left = 1 + np.multiply.outer(b, left)
        rest, terms = _rest(order, by_left), left / by_left
        a = terms.sum(axis=1) / (order * t * rest)
        return by_left, rest, terms, a, right / (1 + np.multiply.outer(a, right))

    low, high = np.full_like(t, -100.0), np.full_like(t, 100.0)
    for _ in range(12):
        middle = (low + high) / 2
        b = np.exp(middle)
        _, rest, _, _, others = sides(b)
        below = others.sum(axis=1) > order * t * b * rest
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    log_b = (low + high) / 2
    for _ in range(6):
        b = np.exp(log_b)
        by_left, rest, terms, _, others = sides(b)
        first, second = terms.sum(axis=1) / order, np.einsum("ij,ij->i", terms, terms) / order
        slope_a = b * (first * first - second) / (t * rest * rest)
        slope = -np.einsum("ij,ij->i", others, others) / order * slope_a - t * b * _rest(order, by_left * by_left)
        log_b = np.clip(log_b - (others.sum(axis=1) / order - t * b * rest) / slope, low, high)
    b = np.exp(log_b)
    return sides(b)[3], b


def _drawn(n: int, left: F64, right: F64, *, distance: bool) -> Null:
    """By seeded draws of rotations."""
    rng = np.random.default_rng((n, len(left), len(right)))
    blocks = random_blocks(rng, _DRAWS, n - 1, len(left), len(right))
    blocks *= np.sqrt(left)[:, None] * np.sqrt(right)
    # The squares lose what is below 1e-8 of the largest: nothing beside the spread.
    squares = np.linalg.eigvalsh(np.einsum("nij,nkj->nik", blocks, blocks))
    values = np.minimum(np.sqrt(np.maximum(squares, 0.0)).sum(axis=1), 1.0)
    if distance:
        values = np.sqrt(2 - 2 * values)
    return Null(float(values.mean()), float(values.std(ddof=1)), f"rotations-{_DRAWS}")


def random_blocks(rng: np.random.Generator, count: int, order: int, rows: int, columns: int) -> F64:
    """The upper left blocks of random (Haar) orthogonal matrices.

    G C^-T has orthonormal columns for normal G and C C' = G'G; only the rows of G that are wanted are drawn, the
    product of the others is a Wishart matrix, drawn by its factor (Bartlett 1933).

    Args:
        rng: Source of the draws.
        count: Matrices.
        order: Order of the matrices.
        rows: Rows of a block, at most `order`.
        columns: Columns of a block, at most `order`.

    Returns:
        [count, rows, columns].
    """
    wanted = rng.standard_normal((count, rows, columns))
    rest = order - columns
    if rest >= rows:
        others = np.tril(rng.standard_normal((count, rows, rows)), -1)
        diagonal = np.arange(rows)
        others[:, diagonal, diagonal] = np.sqrt(rng.chisquare(rest - diagonal, (count, rows)))
    else:
        others = rng.standard_normal((count, rows, rest))
    products = np.einsum("nij,nkj->nik", wanted, wanted) + np.einsum("nij,nkj->nik", others, others)
    return np.asarray(np.linalg.solve(np.linalg.cholesky(products), wanted))
