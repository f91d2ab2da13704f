"""Two views at one layer each: the sums, the terms of rows and the canonical products that measures are made of."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from services.metrics.arrays import F64, Floats
from services.metrics.cosines import CosineSums, check_equal_width, unit_rows
from services.metrics.hsic import HsicSums, RowTerms
from services.metrics.moments import CrossMoments
from services.metrics.products import cross, inner, times
from services.metrics.views import HeldView, MomentView


@dataclass(frozen=True, eq=False)
class Canonical:
    """The two views in orthonormal coordinates of their leading directions.

    Args:
        product: [kx, ky] Qx'Qy, whose singular values are the canonical correlations.
        left: [m, kx] coordinates of sampled rows, unit variance over all rows.
        right: [m, ky] coordinates of the same items in the right view.
    """

    product: F64
    left: F64
    right: F64


class PairStatistics(Protocol):
    """What a measure may ask of a pair. Both forms below answer it."""

    @property
    def n(self) -> int:
        """Items that both views hold."""

    @property
    def p(self) -> int:
        """Dimensions of the left rows."""

    @property
    def q(self) -> int:
        """Dimensions of the right rows."""

    def hsic(self) -> HsicSums:
        """The sums of linear CKA."""

    def terms(self) -> RowTerms:
        """The terms of the sampled rows, all rows where n is small."""

    def canonical(self, variance: float) -> Canonical:
        """Both views in the coordinates of their leading directions.

        Args:
            variance: Share of the variance to keep.

        Raises:
            Degenerate: A view is constant.
        """

    def cosine(self) -> CosineSums:
        """The cosines of the paired rows.

        Raises:
            Degenerate: Unequal dimensions, or a row of zeros.
        """

    def units(self) -> tuple[F64, F64]:
        """Unit rows of the sampled items, left and right, each [m, d]."""


class HeldPair:
    """Two views whose rows are in memory, in the same order.

    Args:
        left: [n, p].
        right: [n, q].
    """

    def __init__(self, left: HeldView, right: HeldView) -> None:
        self.left = left
        self.right = right
        self._terms: RowTerms | None = None
        self.n, self.p, self.q = left.n, left.d, right.d

    def terms(self) -> RowTerms:
        """The terms of all rows, from the two Gram matrices."""
        if self._terms is None:
            left, right = self.left.gram, self.right.gram
            k, l = self.left.squares, self.right.squares  # noqa: E741 - the diagonal of L
            self._terms = RowTerms(
                k=k,
                l=l,
                xy=np.einsum("ij,ij->i", left, right),
                xx=self.left.products,
                yy=self.right.products,
                xk=self.left.cubes,
                xl=times(left, l[:, None])[:, 0],
                yk=times(right, k[:, None])[:, 0],
                yl=self.right.cubes,
            )
        return self._terms

    def hsic(self) -> HsicSums:
        """The sums of linear CKA: the terms of all rows added up."""
        terms = self.terms()
        k, l = terms.k, terms.l  # noqa: E741 - the diagonal of L
        return HsicSums(
            n=self.n,
            xy=float(terms.xy.sum()),
            xx=float(terms.xx.sum()),
            yy=float(terms.yy.sum()),
            kl=float(k @ l),
            kk=float(k @ k),
            ll=float(l @ l),
            k=float(k.sum()),
            l=float(l.sum()),
        )

    def canonical(self, variance: float) -> Canonical:
        """Both views in the coordinates of their leading directions, every row of them."""
        left = self.left.directions(variance).rows
        right = self.right.directions(variance).rows
        assert left is not None
        assert right is not None
        root = np.sqrt(self.n)
        return Canonical(cross(left, right), left * root, right * root)

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
        left: Moments of the left view over the pair's items.
        right: Moments of the right view over the same items.
        moments: Their cross moments.
        left_sample: [m, p] raw rows of sampled items.
        right_sample: [m, q] raw rows of the same items.
        cosine: Sums of the cosines of the raw rows; None where they are not wanted.
    """

    def __init__(
        self,
        left: MomentView,
        right: MomentView,
        moments: CrossMoments,
        *,
        left_sample: Floats,
        right_sample: Floats,
        cosine: CosineSums | None = None,
    ) -> None:
        self.left = left
        self.right = right
        self.n, self.p, self.q = left.n, left.d, right.d
        self._cross = moments.reframed(left.frame, right.frame)
        self._left_sample = np.asarray(left.frame.apply(left_sample, np.float64), dtype=np.float64)
        self._right_sample = np.asarray(right.frame.apply(right_sample, np.float64), dtype=np.float64)
        self._raw = (left_sample, right_sample)
        self._cosine = cosine

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
        x, y, state = self._left_sample, self._right_sample, self._cross
        p, q = self.p, self.q
        by_x = times(x, np.stack([self.left.cubes, state[:p, q]], axis=1))
        by_y = times(y, np.stack([state[p, :q], self.right.cubes], axis=1))
        return RowTerms(
            k=np.einsum("ij,ij->i", x, x),
            l=np.einsum("ij,ij->i", y, y),
            xy=np.einsum("ij,ij->i", times(x, state[:p, :q]), y),
            xx=np.einsum("ij,ij->i", times(x, self.left.covariance), x),
            yy=np.einsum("ij,ij->i", times(y, self.right.covariance), y),
            xk=by_x[:, 0],
            xl=by_x[:, 1],
            yk=by_y[:, 0],
            yl=by_y[:, 1],
        )

    def canonical(self, variance: float) -> Canonical:
        """Both views in the coordinates of their leading directions, sampled rows only."""
        left = self.left.directions(variance).basis
        right = self.right.directions(variance).basis
        assert left is not None
        assert right is not None
        root = np.sqrt(self.n)
        product = cross(left, times(self._cross[: self.p, : self.q], right))
        return Canonical(product, times(self._left_sample, left) * root, times(self._right_sample, right) * root)

    def cosine(self) -> CosineSums:
        """The cosines of the paired rows."""
        check_equal_width(self.p, self.q)
        assert self._cosine is not None
        return self._cosine

    def units(self) -> tuple[F64, F64]:
        """Unit rows of the sampled items."""
        return unit_rows(self._raw[0]), unit_rows(self._raw[1])
