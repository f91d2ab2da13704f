"""What a measure may ask of a pair of views; `pairs.py` has the two forms that answer it."""

from dataclasses import dataclass
from typing import Protocol

from services.metrics.arrays import F64, Floats
from services.metrics.sums.cosines import CosineSums
from services.metrics.sums.hsic import HsicSums, RowTerms


@dataclass(frozen=True, eq=False)
class Canonical:
    """The two views in orthonormal coordinates of their leading directions.

    Args:
        product: [kx, ky] Qx'Qy, whose singular values are the canonical correlations.
        left: [m, kx] coordinates of sampled rows, unit variance over all rows.
        right: [m, ky] coordinates of the same items in the right view.
        lost: Number of wanted directions that rounding hides, of the left view and of the right.
    """

    product: F64
    left: F64
    right: F64
    lost: tuple[int, int] = (0, 0)


@dataclass(frozen=True, eq=False)
class ProcrustesSums:
    """What the Procrustes distance needs.

    Args:
        nuclear: Nuclear norm of Xc'Yc.
        left: |Xc|_F^2.
        right: |Yc|_F^2.
        fitted: [m] x'R y of sampled rows, R = U V' of the singular value decomposition of Xc'Yc.
        left_squares: [m] |x|^2 of them.
        right_squares: [m] |y|^2 of them.
    """

    nuclear: float
    left: float
    right: float
    fitted: F64
    left_squares: F64
    right_squares: F64


@dataclass(frozen=True, eq=False)
class NeuronSums:
    """Columns of the two views one by one, those left out that are constant on a side.

    Args:
        correlations: [k] of column j with column j.
        left: [m, k] sampled rows, each column with mean 0 and variance 1 over all rows.
        right: [m, k] the same items in the right view.
        spread: Sum of the products of the entries of the two [k, k] correlation matrices.
    """

    correlations: F64
    left: F64
    right: F64
    spread: float


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

    def canonical(self, variance: float | None) -> Canonical:
        """Both views in the coordinates of their leading directions.

        Args:
            variance: Share of the variance to keep; None for all directions, whatever the units of the columns.

        Raises:
            Degenerate: A view is constant.
        """

    def loadings(self, variance: float) -> F64:
        """[kx, p]: inner products of the left view's orthonormal directions with its centred columns.

        Args:
            variance: Share of the variance to keep.

        Raises:
            Degenerate: The left view is constant.
        """

    def procrustes(self) -> ProcrustesSums:
        """The sums of the Procrustes distance."""

    def spectra(self) -> tuple[F64, F64]:
        """[kx] and [ky]: squared singular values of the centred views, those of 0 left out."""

    def neurons(self) -> NeuronSums:
        """The columns of the two views one by one; only where both have the same number."""

    def sampled(self, size: int, seed: int) -> tuple[Floats, Floats]:
        """Raw rows of the items of a sub-sample that was asked for beforehand, left and right, each [m, d].

        Args:
            size: Rows at most.
            seed: Seed of the sub-sample.
        """

    def cosine(self) -> CosineSums:
        """The cosines of the paired rows.

        Raises:
            Degenerate: Unequal dimensions, or a row of zeros.
        """

    def units(self) -> tuple[F64, F64]:
        """Unit rows of the sampled items, left and right, each [m, d]."""
