"""Mergeable sums of the cosines of paired rows."""

from dataclasses import dataclass

import numpy as np

from services.metrics.arrays import F64, Floats
from services.metrics.errors import Degenerate


def unit_rows(rows: Floats) -> F64:
    """Rows divided by their norm.

    Args:
        rows: [n, d], finite.

    Returns:
        [n, d] float64.

    Raises:
        Degenerate: A row is zero; the cause says which, counted from 0.
    """
    peaks = np.max(np.abs(rows), axis=1, keepdims=True).astype(np.float64)
    zero = np.flatnonzero(peaks[:, 0] == 0)
    if len(zero):
        raise Degenerate(
            f"Expected rows with a direction, but row {int(zero[0])} of {len(rows)} is zero (d={rows.shape[1]})"
        )
    # By the largest entry first: squares of very large or very small entries leave the range of doubles.
    scaled = rows / peaks
    scaled /= np.sqrt(np.einsum("ij,ij->i", scaled, scaled))[:, None]
    return np.asarray(scaled, dtype=np.float64)


def check_equal_width(p: int, q: int) -> None:
    """Refuses a cosine between rows of unequal dimensions.

    Raises:
        Degenerate: p and q differ.
    """
    if p != q:
        raise Degenerate(f"Expected rows of equal dimensions for a cosine, but got p={p} and q={q}")


@dataclass(frozen=True, eq=False)
class CosineSums:
    """Sums over pairs of rows.

    Args:
        n: Pairs.
        total: Sum of the cosines.
        squares: Sum of the squared cosines.
        left: [d] sum of the unit rows of the left view.
        right: [d] sum of the unit rows of the right view.
    """

    n: int
    total: float
    squares: float
    left: F64
    right: F64

    @classmethod
    def of(cls, left: F64, right: F64) -> "CosineSums":
        """The sums of some pairs of rows.

        Args:
            left: [n, d] unit rows.
            right: [n, d] unit rows, one by one the partners of `left`.
        """
        cosines = np.einsum("ij,ij->i", left, right)
        return cls(len(left), float(cosines.sum()), float(cosines @ cosines), left.sum(axis=0), right.sum(axis=0))

    def merge(self, other: "CosineSums") -> "CosineSums":
        """The sums of the pairs of both."""
        return CosineSums(
            self.n + other.n,
            self.total + other.total,
            self.squares + other.squares,
            self.left + other.left,
            self.right + other.right,
        )
