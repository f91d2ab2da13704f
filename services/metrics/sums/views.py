"""One view at one layer, ready to be measured: from its rows in memory, or from its moments.

Both forms answer the same questions. Rows in memory are cheaper while n is small (Gram matrices are n x n and are made
once a view, so that a further pair costs O(n^2) additions), moments are bounded whatever n. `prefers_rows` chooses by
cost.
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Final

import numpy as np
import scipy.linalg

from services.metrics.arrays import F64, Floats
from services.metrics.errors import all_equal
from services.metrics.rows.treatments import Spread
from services.metrics.sums.cosines import unit_rows
from services.metrics.sums.moments import Frame, ViewMoments
from services.metrics.sums.products import gram, inner, row_gram, times

_SAFE_RATIO: Final = 1e-7
"""Smallest kept eigenvalue over the largest down to which covariances give the directions to 1e-8."""

_ROW_PAIR_COST: Final = 110
"""Multiplications of a matrix product that take the time of one entry in the sums over two Gram matrices."""


@dataclass(frozen=True, eq=False)
class Directions:
    """Principal directions that hold a share of the variance, largest first.

    All directions, where no share is asked for, are those of the columns divided by their norms: which of them rounding
    hides must not depend on the units of the columns.

    Args:
        basis: [d, k]: `Xc @ basis` is orthonormal. None where rows are held.
        rows: [n, k] orthonormal coordinates of the rows. None where moments are held.
        lost: Number of wanted directions that rounding hides: linear combinations of the others.
    """

    basis: F64 | None = None
    rows: F64 | None = None
    lost: int = 0


def kept_directions(squares: F64, variance: float | None, floor: float) -> tuple[int, int]:
    """How many of the directions are kept, and how many more are asked for.

    Args:
        squares: [r] s^2, largest first.
        variance: Share of the sum of squares to keep, in (0, 1]; all of `squares` where None.
        floor: Directions with s^2 <= floor * s_max^2 are dropped whatever the share.

    Raises:
        ValueError: All of `squares` are zero.
    """
    positive = squares[squares > floor * squares[0]] if squares[0] > 0 else squares[:0]
    if not len(positive):
        raise ValueError(f"Expected a direction that varies, but all {len(squares)} have a variance of 0")
    if variance is None:
        return len(positive), len(squares) - len(positive)
    share = np.cumsum(positive) / np.sum(np.maximum(squares, 0.0))
    needed = int(np.searchsorted(share, variance * (1 - 1e-12))) + 1
    kept = min(needed, len(positive))
    return kept, (len(squares) if variance == 1 else min(needed, len(squares))) - kept


def positive_spectrum(product: F64, n: int, d: int) -> F64:
    """Eigenvalues of a Gram or covariance matrix, largest first, at most n - 1 and those of 0 left out.

    Args:
        product: [k, k].
        n: Rows behind it.
        d: Dimensions of a row.
    """
    values = scipy.linalg.eigvalsh(product, check_finite=False)[::-1]
    floor = max(n, d) * float(np.finfo(np.float64).eps) * float(values[0])
    return np.asarray(values[: max(n - 1, 1)][values[: max(n - 1, 1)] > floor])


def _rank(spread: Spread) -> int:
    """Number of directions that rows can have at most, at least 1."""
    return max(min(spread.n - 1, int(np.count_nonzero(spread.varies))), 1)


def _reciprocal_norms(spread: Spread, exponent: int) -> F64:
    """[d]: what the columns of a frame are multiplied by to have norm 1, 0 for constant ones."""
    found = np.zeros(len(spread.norm))
    varies = spread.varies
    found[varies] = np.ldexp(1.0 / spread.norm[varies], exponent)
    return found


def _eigenvectors(product: F64) -> tuple[F64, F64]:
    """Eigenvalues of a Gram or covariance matrix, largest first and at least 0, and their vectors as columns."""
    # Divide and conquer: where nearly all vectors are wanted it takes half the time of the default.
    values, vectors = scipy.linalg.eigh(product, driver="evd", check_finite=False)
    return np.maximum(values[::-1], 0.0), vectors[:, ::-1]


class HeldView:
    """A view whose rows are in memory.

    Args:
        rows: [n, d], finite, n >= 1.
    """

    def __init__(self, rows: Floats) -> None:
        frame = self.frame = Frame.around(rows)
        moved = frame.apply(rows, np.float64)
        moved -= moved.mean(axis=0)
        self.centred: F64 = np.asarray(moved, dtype=np.float64)
        self.squares: F64 = np.einsum("ij,ij->i", self.centred, self.centred)
        self._rows = rows
        self._directions: dict[float | None, Directions] = {}
        self.n, self.d = self.centred.shape

    @cached_property
    def gram(self) -> F64:
        """[n, n]: Xc Xc'."""
        return np.asarray(row_gram(self.centred))

    @cached_property
    def products(self) -> F64:
        """[n]: x' Xc'Xc x of each row, whose sum is |Xc'Xc|^2."""
        return np.asarray(np.einsum("ij,ij->i", self.gram, self.gram))

    @cached_property
    def cubes(self) -> F64:
        """[n]: the product of each row with the sum of |x|^2 x."""
        return np.asarray(times(self.gram, self.squares[:, None])[:, 0])

    @cached_property
    def units(self) -> F64:
        """[n, d]: the raw rows divided by their norm.

        Raises:
            Degenerate: A row is zero.
        """
        return unit_rows(self._rows)

    @cached_property
    def spread(self) -> Spread:
        """Mean and norm of the columns, in the unit of the data."""
        return Spread.of(self._rows)

    @cached_property
    def factor(self) -> F64:
        """[n, min(n, d)]: F of Xc = F Q with orthonormal rows Q, the rows themselves where n >= d."""
        if self.n >= self.d:
            return self.centred
        (triangle,) = scipy.linalg.qr(self.centred.T, mode="r", check_finite=False)
        return np.ascontiguousarray(triangle[: self.n].T)

    @cached_property
    def spectrum(self) -> F64:
        """[k]: squared singular values, those of 0 left out; k < n."""
        small = self.gram if self.n <= self.d else gram(self.centred)
        return positive_spectrum(small, self.n, self.d)

    def directions(self, variance: float | None) -> Directions:
        """The directions that hold a share of the variance, all where None, with orthonormal rows.

        Raises:
            Degenerate: All rows are equal.
        """
        found = self._directions.get(variance)
        if found is None:
            found = self._directions[variance] = self._decompose(variance)
        return found

    def _decompose(self, variance: float | None) -> Directions:
        eps = float(np.finfo(np.float64).eps)
        floor = (max(self.n, self.d) * eps) ** 2
        most = _rank(self.spread)
        centred = self.centred
        if variance is None:
            centred = centred * _reciprocal_norms(self.spread, self.frame.exponent)
        wide = self.n <= self.d
        small = self.gram if wide and variance is not None else row_gram(centred) if wide else gram(centred)
        values, vectors = _eigenvectors(small)
        if not values[0] > 0:
            raise all_equal(self.n, self.d)
        k, lost = kept_directions(values[:most], variance, floor)
        if values[k - 1] > _SAFE_RATIO * values[0]:
            rows = vectors[:, :k] if wide else times(centred, vectors[:, :k] / np.sqrt(values[:k]))
            return Directions(rows=rows, lost=lost)
        # Squaring loses the small directions: take the slower decomposition of the rows themselves.
        left, singular, _ = scipy.linalg.svd(centred, full_matrices=False, check_finite=False)
        k, lost = kept_directions(singular[:most] ** 2, variance, floor)
        return Directions(rows=left[:, :k], lost=lost)


class MomentView:
    """A view of which the moments and a sample of the rows are known.

    Args:
        moments: Moments of all its rows.
        sample: [m, d] raw rows of the sample.
    """

    def __init__(self, moments: ViewMoments, sample: Floats) -> None:
        state = moments.centred()
        d = moments.d
        self.n, self.d = moments.n, d
        self.frame = moments.mean_frame()
        self.spread = moments.spread()
        self.covariance: F64 = state[:d, :d]
        self.fourth = float(state[d, d])
        self.trace = float(state[d, d + 1])
        self.cubes: F64 = state[d, :d]
        self.product = inner(self.covariance, self.covariance)
        self.directions = lru_cache(maxsize=4)(self._decompose)
        self._coordinates: dict[float | None, F64] = {}
        self.raw = sample
        self.sample: F64 = np.asarray(self.frame.apply(sample, np.float64), dtype=np.float64)

    @cached_property
    def squares(self) -> F64:
        """[m]: |x|^2 of the sampled rows."""
        return np.asarray(np.einsum("ij,ij->i", self.sample, self.sample))

    @cached_property
    def products(self) -> F64:
        """[m]: x' Xc'Xc x of the sampled rows."""
        return np.asarray(np.einsum("ij,ij->i", times(self.sample, self.covariance), self.sample))

    def coordinates(self, variance: float | None) -> F64:
        """[m, k]: the sampled rows along the directions, unit variance over all rows."""
        found = self._coordinates.get(variance)
        if found is None:
            basis = self.directions(variance).basis
            assert basis is not None
            found = self._coordinates[variance] = times(self.sample, basis) * np.sqrt(self.n)
        return found

    @cached_property
    def units(self) -> F64:
        """[m, d]: the raw sampled rows divided by their norm.

        Raises:
            Degenerate: A row is zero.
        """
        return unit_rows(self.raw)

    @cached_property
    def spectrum(self) -> F64:
        """[k]: squared singular values, those of 0 left out; k < n."""
        return positive_spectrum(self.covariance, self.n, self.d)

    def _decompose(self, variance: float | None) -> Directions:
        """The directions that hold a share of the variance, from the covariance.

        Raises:
            Degenerate: All rows are equal.
        """
        product, unit = self.covariance, np.ones(self.d)
        if variance is None:
            unit = _reciprocal_norms(self.spread, self.frame.exponent)
            product = product * unit * unit[:, None]
        values, vectors = _eigenvectors(product)
        if not values[0] > 0:
            raise all_equal(self.n, self.d)
        # The squares are known to eps, so that the singular values are known to its root only.
        floor = max(self.n, self.d) * float(np.finfo(np.float64).eps)
        k, lost = kept_directions(values[: _rank(self.spread)], variance, floor)
        return Directions(basis=unit[:, None] * vectors[:, :k] / np.sqrt(values[:k]), lost=lost)


def prefers_rows(n: int, d: int, views: int, pairs: int, budget: int) -> bool:
    """Whether rows and Gram matrices cost less than moments for a layer of some views.

    Args:
        n: Rows.
        d: Dimensions of the widest view.
        views: Views (or layers) at once in memory.
        pairs: Pairs of them.
        budget: Bytes that rows and Gram matrices may take.
    """
    if views * (n * n + n * d) * 8 > budget:
        return False
    gram = views * n * n * d + pairs * _ROW_PAIR_COST * n * n
    moments = views * n * d * d + pairs * 2 * n * d * d
    return n <= d or gram <= moments
