"""Mean and scatter of rows in one pass, in float64: sums that merge.

Blocks are centred about their own mean and joined by the update of Chan, Golub and LeVeque (1983), which takes no
differences of large sums, so that rows far from the origin and views far from one another cost no digits.
"""

import numpy as np
from scipy.linalg import blas

from services.metrics.arrays import F64


class Scatter:
    """Mean and `sum (x - mean)(x - mean)'` of rows.

    Args:
        d: Dimensions of a row.
        outer: Whether the scatter is kept, and not the mean alone.
    """

    def __init__(self, d: int, *, outer: bool = True) -> None:
        self.n = 0
        self.mean: F64 = np.zeros(d)
        # Only the lower triangle is kept up to date: half the products.
        self.lower: F64 = np.zeros((d, d) if outer else (0, 0))

    def add(self, rows: F64) -> None:
        """Takes rows, [m, d] with m >= 1, C-contiguous; they are centred in place."""
        mean = rows.mean(axis=0)
        if self.lower.size:
            rows -= mean
            # BLAS sees the transpose of a C array: its upper triangle is the lower one here.
            blas.dsyrk(1.0, rows.T, beta=1.0, c=self.lower.T, overwrite_c=1)
        self._join(len(rows), mean)

    def merge(self, other: "Scatter") -> None:
        """Adds the sums of other rows."""
        self.lower += other.lower
        self._join(other.n, other.mean)

    def _join(self, n: int, mean: F64) -> None:
        """Joins the mean of more rows, whose scatter about it has been added."""
        total = self.n + n
        if not n:
            return
        delta = mean - self.mean
        if self.lower.size and self.n:
            blas.dsyr(self.n * n / total, delta, a=self.lower.T, overwrite_a=1)
        self.mean = self.mean + delta * (n / total)
        self.n = total
