"""Principal components of several views together (Pearson 1901; Hotelling 1933), for any number of rows.

All views' rows, centred about the mean of all, are one matrix X of n rows and d columns; its right singular vectors are
the axes, X times them the coordinates, and the squares of its singular values, divided by the sum of all, the shares
of variance. With more rows than dimensions the axes come from X'X, summed up block by block; otherwise from XX', block
by block as well, whose eigenvectors u give the axes X'u / s. Either way no more than min(n, d)^2 numbers are held.

The eigenvalues are squares, so that those below some 1e-8 of the largest would be lost in its rounding. Axes are
therefore taken down to `_RESOLVED` of the largest, the rows' parts along them are taken off, and the rest is decomposed
by itself, as often as it takes. Below `(max(n, d) eps)^2` of the largest there is nothing but rounding: such an axis
is 0, and so are its coordinates.

Signs: the entry of an axis that is largest in absolute value is positive, the first of them where several are equal.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy import linalg

from services.metrics.arrays import F64, Floats
from services.metrics.errors import Degenerate
from services.metrics.estimates.estimates import Check
from services.metrics.projection.base import Fitted, ProjectPlan, Stack
from services.metrics.projection.scatter import Scatter
from services.metrics.rows.tables import CHUNK_ROWS
from services.metrics.sums.moments import Frame
from services.metrics.sums.products import cross, times, times_transposed
from services.runtime.errors import LimitExceeded

_RESOLVED: Final = 1e-6
"""Share of the largest eigenvalue down to which eigenvectors of one decomposition are taken."""

_EQUAL: Final = 1e-6
"""Entries of an axis that differ by less than this share are equal as to its sign."""


def pca(stack: Stack, plan: ProjectPlan, *, budget: int, check: Check) -> Fitted:
    """Fits principal components to all rows of a layer.

    Args:
        stack: The rows.
        plan: How many components, at most min(n - 1, d).
        budget: Bytes of memory at a time.
        check: Called between blocks; raises to stop the work.

    Raises:
        Degenerate: All rows are equal.
        LimitExceeded: min(n, d)^2 numbers are more than the budget.
    """
    n, d, wanted = stack.n, stack.d, plan.components
    side = min(n, d)
    if (needed := 8 * side * (side + wanted)) > budget:
        raise LimitExceeded(
            "work_bytes",
            f"Expected principal components that take at most {budget} bytes, but {needed} are needed at layer "
            f"{stack.layer} for n = {n}, d = {d}",
        )
    rows = _Rows(stack, check, max(16, min(CHUNK_ROWS, budget // (128 * d))))
    first = _decompose(rows, wanted)
    rows.take_off(first.axes)
    values, floor = first.values, first.values[0] * (max(n, d) * np.finfo(np.float64).eps) ** 2
    while len(values) < wanted:
        rest = _decompose(rows, wanted - len(values))
        keep = rest.values > floor
        if not keep.any():
            break
        rows.take_off(rest.axes[:, keep])
        values = np.concatenate([values, rest.values[keep]])
    missing = wanted - len(values)
    warnings = (f"Only {len(values)} of {wanted} components have variance: the others are 0",) if missing else ()
    axes = np.concatenate([signed(rows.axes), np.zeros((d, missing))], axis=1)
    return Fitted(
        place=lambda index: rows.place(index, axes),
        shares=tuple(float(value) for value in np.append(values, np.zeros(missing)) / first.total),
        settings={"centre": "all-rows", "form": "gram" if n <= d else "covariance", "sign": "largest-positive"},
        warnings=warnings,
    )


def signed(axes: F64) -> F64:
    """Axes, [d, k], each with the sign that makes its largest entry in absolute value positive."""
    size = np.abs(axes)
    leading = np.argmax(size >= (1.0 - _EQUAL) * size.max(axis=0), axis=0)
    found: F64 = axes * np.where(axes[leading, np.arange(axes.shape[1])] < 0, -1.0, 1.0)
    return found


class _Rows:
    """The rows of a stack, centred, without their parts along the axes already found.

    Args:
        stack: The rows.
        check: Called before each block.
        size: Rows of a block.
    """

    def __init__(self, stack: Stack, check: Check, size: int) -> None:
        self.n, self.d, self.size = stack.n, stack.d, size
        self.axes: F64 = np.zeros((self.d, 0))
        self._stack, self._check = stack, check
        self._frame = Frame.around(next(stack.blocks(size)))
        self._mean: F64 = np.zeros(self.d)
        self._centred = self._varies = False

    def scatter(self, *, outer: bool) -> F64:
        """The lower triangle of X'X, [d, d]; without it, where not `outer`, only the mean is found."""
        sums, one = Scatter(self.d, outer=outer), self._stack.read(0, 1)
        for block in self._stack.blocks(self.size):
            # Not told from the sums, in which the rounding of the mean looks like variance.
            self._varies = self._varies or bool((block != one).any())
            sums.add(self._rest(block))
        if not self._varies:
            raise Degenerate(f"Expected rows that vary, but all n = {self.n} are equal")
        if not self._centred:
            self._mean, self._centred = sums.mean, True
        return sums.lower

    def gram(self) -> F64:
        """The lower triangle of XX', [n, n]."""
        if not self._centred:
            self.scatter(outer=False)
        found = np.zeros((self.n, self.n))
        for first in range(0, self.n, self.size):
            left = self.read(first)
            for second in range(0, first + 1, self.size):
                right = left if second == first else self.read(second)
                found[first : first + len(left), second : second + len(right)] = times_transposed(left, right)
        return found

    def read(self, start: int) -> F64:
        """A block of rows from `start` on, [m, d]."""
        return self._rest(self._stack.read(start, start + self.size))

    def take_off(self, axes: F64) -> None:
        """From now on without the parts along these axes too, [d, k] orthonormal."""
        self.axes = np.linalg.qr(np.concatenate([self.axes, axes], axis=1))[0]

    def place(self, index: int, axes: F64) -> Iterator[F64]:
        """Coordinates of the rows of one view on axes, [m, k] in blocks, in the unit of the data."""
        for block in self._stack.view(index, self.size):
            self._check()
            centred = self._frame.apply(block, np.float64) - self._mean
            yield np.ldexp(times(centred, axes), self._frame.exponent)

    def _rest(self, block: Floats) -> F64:
        """What is left of rows without mean and axes."""
        self._check()
        rows = self._frame.apply(block, np.float64) - self._mean
        if self.axes.shape[1]:
            rows -= times_transposed(times(rows, self.axes), np.ascontiguousarray(self.axes))
        return rows


@dataclass(frozen=True, eq=False)
class _Part:
    """The leading eigenvectors of some rows, as far as one decomposition resolves them.

    Args:
        values: [k] eigenvalues of X'X, falling.
        axes: [d, k].
        total: Sum of all eigenvalues.
    """

    values: F64
    axes: F64
    total: float


def _decompose(rows: _Rows, wanted: int) -> _Part:
    """At most `wanted` axes of the rows, from the smaller of the two matrices."""
    wide = rows.n <= rows.d
    matrix = rows.gram() if wide else rows.scatter(outer=True)
    side, total = len(matrix), float(np.trace(matrix))
    # LAPACK sees the transpose of a C array: its upper triangle is the lower one here, and nothing is copied.
    values, vectors = linalg.eigh(
        matrix.T, lower=False, subset_by_index=(side - wanted, side - 1), overwrite_a=True, check_finite=False
    )
    values, vectors = np.maximum(values[::-1], 0.0), vectors[:, ::-1]
    keep = values >= _RESOLVED * values[0]
    values, vectors = values[keep], np.ascontiguousarray(vectors[:, keep])
    if not wide:
        return _Part(values, vectors, total)
    axes = np.zeros((rows.d, len(values)))
    if values[0] > 0:
        for start in range(0, rows.n, rows.size):
            block = rows.read(start)
            axes += cross(block, np.ascontiguousarray(vectors[start : start + len(block)]))
        axes /= np.sqrt(values)
    return _Part(values, axes, total)
