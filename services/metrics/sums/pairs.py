"""Two views at one layer each: the sums, the terms of rows and the canonical products that measures are made of."""

from collections.abc import Callable

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from services.metrics.arrays import F64, Floats
from services.metrics.errors import Degenerate, all_equal
from services.metrics.sums.cosines import CosineSums, check_equal_width
from services.metrics.sums.grams import GramPair, Meeting
from services.metrics.sums.hsic import HsicSums, RowTerms
from services.metrics.sums.moments import CrossMoments
from services.metrics.sums.pair_statistics import Canonical, NeuronSums, ProcrustesSums
from services.metrics.sums.products import cross, gram, inner, times, times_transposed
from services.metrics.sums.views import Directions, HeldView, MomentView


def _varying(left: HeldView | MomentView, right: HeldView | MomentView) -> NDArray[np.intp]:
    """The columns that vary on both sides, whatever their units."""
    return np.flatnonzero(left.spread.varies & right.spread.varies)


def _directions(view: HeldView | MomentView, variance: float | None, side: str) -> Directions:
    """The directions of a view; a view without any is refused with its side."""
    try:
        return view.directions(variance)
    except Degenerate as error:
        raise all_equal(view.n, view.d, side) from error


def _fit(product: F64, left: F64, right: F64) -> tuple[float, F64]:
    """The nuclear norm of a product, and x'R y of rows under the orthogonal map that attains it.

    Args:
        product: [p, q].
        left: [m, p].
        right: [m, q].
    """
    u, singular, v = scipy.linalg.svd(product, full_matrices=False, check_finite=False)
    fitted = np.einsum("ij,ij->i", times(left, u), times(right, np.ascontiguousarray(v.T)))
    return float(singular.sum()), fitted


Samples = Callable[[int, int], tuple[Floats, Floats]]
"""From size and seed to the raw rows of a sub-sample, left and right, each [m, d]."""


class HeldPair(GramPair):
    """Two views whose rows are in memory, in the same order.

    Args:
        left: [n, p].
        right: [n, q].
        samples: Gives sub-samples of the rows; None where no measure wants them.
        meeting: Gives what the two Gram matrices have together, where it is made for many pairs at once.
    """

    def __init__(
        self,
        left: HeldView,
        right: HeldView,
        samples: Samples | None = None,
        meeting: Callable[[], Meeting] | None = None,
    ) -> None:
        super().__init__(left, right, meeting)
        self.left = left
        self.right = right
        self._samples = samples

    def sampled(self, size: int, seed: int) -> tuple[Floats, Floats]:
        """Raw rows of a sub-sample."""
        assert self._samples is not None
        return self._samples(size, seed)

    def canonical(self, variance: float | None) -> Canonical:
        """Both views in the coordinates of their leading directions, every row of them."""
        x, y = _directions(self.left, variance, "left"), _directions(self.right, variance, "right")
        assert x.rows is not None
        assert y.rows is not None
        root = np.sqrt(self.n)
        return Canonical(cross(x.rows, y.rows), x.rows * root, y.rows * root, (x.lost, y.lost))

    def loadings(self, variance: float) -> F64:
        """Inner products of the left view's orthonormal directions with its centred columns."""
        rows = _directions(self.left, variance, "left").rows
        assert rows is not None
        return cross(np.ascontiguousarray(rows), self.left.centred)

    def procrustes(self) -> ProcrustesSums:
        """The sums of the Procrustes distance."""
        # X = F Q with orthonormal rows Q leaves the nuclear norm and x'R y to the smaller F.
        left, right = self.left.factor, self.right.factor
        nuclear, fitted = _fit(cross(left, right), left, right)
        k, l = self.left.squares, self.right.squares  # noqa: E741 - the diagonal of L
        return ProcrustesSums(nuclear, float(k.sum()), float(l.sum()), fitted, k, l)

    def spectra(self) -> tuple[F64, F64]:
        """Squared singular values of the centred views."""
        return self.left.spectrum, self.right.spectrum

    def neurons(self) -> NeuronSums:
        """The columns of the two views one by one."""
        x, y = self.left.centred, self.right.centred
        left, right = np.einsum("ij,ij->j", x, x), np.einsum("ij,ij->j", y, y)
        kept = _varying(self.left, self.right)
        x, y = x[:, kept] / np.sqrt(left[kept]), y[:, kept] / np.sqrt(right[kept])
        # |X'X o Y'Y| = |X Y'|^2: whichever is smaller.
        wide = self.n < x.shape[1] or not len(kept)
        spread = float(np.sum(times_transposed(x, y) ** 2)) if wide else inner(gram(x), gram(y))
        root = np.sqrt(self.n)
        return NeuronSums(np.einsum("ij,ij->j", x, y), x * root, y * root, spread)

    def cosine(self) -> CosineSums:
        """The cosines of the paired rows."""
        check_equal_width(self.p, self.q)
        return CosineSums.of(*self.units())

    def units(self) -> tuple[F64, F64]:
        """Unit rows of all items."""
        return self.left.units, self.right.units


class MomentPair:
    """Two views of which the moments and a sample of the rows are known.

    Args:
        left: Moments and sample of the left view over the pair's items.
        right: Moments and sample of the right view over the same items.
        moments: Their cross moments.
        cosine: Sums of the cosines of the raw rows; None where they are not wanted.
        samples: Gives sub-samples of the rows; None where no measure wants them.
        n: Items; by the moments where None.
    """

    def __init__(
        self,
        left: MomentView,
        right: MomentView,
        moments: CrossMoments,
        *,
        cosine: CosineSums | None = None,
        samples: Samples | None = None,
        n: int | None = None,
    ) -> None:
        self.left = left
        self.right = right
        self.n, self.p, self.q = left.n if n is None else n, left.d, right.d
        self._cross = moments.reframed(left.frame, right.frame)
        self._cosine = cosine
        self._samples = samples

    def sampled(self, size: int, seed: int) -> tuple[Floats, Floats]:
        """Raw rows of a sub-sample."""
        assert self._samples is not None
        return self._samples(size, seed)

    def hsic(self) -> HsicSums:
        """The sums of linear CKA."""
        product = self._cross[: self.p, : self.q]
        return HsicSums(
            n=self.n,
            xy=inner(product, product),
            xx=self.left.product,
            yy=self.right.product,
            kl=float(self._cross[self.p, self.q]),
            kk=self.left.fourth,
            ll=self.right.fourth,
            k=self.left.trace,
            l=self.right.trace,
        )

    def terms(self) -> RowTerms:
        """The terms of the sampled rows."""
        x, y, state = self.left.sample, self.right.sample, self._cross
        p, q = self.p, self.q
        by_x = times(x, np.stack([self.left.cubes, state[:p, q]], axis=1))
        by_y = times(y, np.stack([state[p, :q], self.right.cubes], axis=1))
        return RowTerms(
            k=self.left.squares,
            l=self.right.squares,
            xy=np.einsum("ij,ij->i", times(x, state[:p, :q]), y),
            xx=self.left.products,
            yy=self.right.products,
            xk=by_x[:, 0],
            xl=by_x[:, 1],
            yk=by_y[:, 0],
            yl=by_y[:, 1],
        )

    def canonical(self, variance: float | None) -> Canonical:
        """Both views in the coordinates of their leading directions, sampled rows only."""
        x, y = _directions(self.left, variance, "left"), _directions(self.right, variance, "right")
        assert x.basis is not None
        assert y.basis is not None
        product = cross(x.basis, times(self._cross[: self.p, : self.q], y.basis))
        lost = (x.lost, y.lost)
        return Canonical(product, self.left.coordinates(variance), self.right.coordinates(variance), lost)

    def loadings(self, variance: float) -> F64:
        """Inner products of the left view's orthonormal directions with its centred columns."""
        basis = _directions(self.left, variance, "left").basis
        assert basis is not None
        return cross(np.ascontiguousarray(basis), self.left.covariance)

    def procrustes(self) -> ProcrustesSums:
        """The sums of the Procrustes distance."""
        nuclear, fitted = _fit(self._cross[: self.p, : self.q], self.left.sample, self.right.sample)
        return ProcrustesSums(nuclear, self.left.trace, self.right.trace, fitted, self.left.squares, self.right.squares)

    def spectra(self) -> tuple[F64, F64]:
        """Squared singular values of the centred views."""
        return self.left.spectrum, self.right.spectrum

    def neurons(self) -> NeuronSums:
        """The columns of the two views one by one."""
        left, right = np.diagonal(self.left.covariance), np.diagonal(self.right.covariance)
        kept = _varying(self.left, self.right)
        left, right = np.sqrt(left[kept]), np.sqrt(right[kept])
        both = np.ix_(kept, kept)
        spread = inner(
            self.left.covariance[both] / np.outer(left, left), self.right.covariance[both] / np.outer(right, right)
        )
        root = np.sqrt(self.n)
        return NeuronSums(
            np.diagonal(self._cross)[kept] / (left * right),
            self.left.sample[:, kept] * (root / left),
            self.right.sample[:, kept] * (root / right),
            spread,
        )

    def cosine(self) -> CosineSums:
        """The cosines of the paired rows."""
        check_equal_width(self.p, self.q)
        assert self._cosine is not None
        return self._cosine

    def units(self) -> tuple[F64, F64]:
        """Unit rows of the sampled items."""
        return self.left.units, self.right.units
