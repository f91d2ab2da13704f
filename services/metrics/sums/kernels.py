"""Views of which only a kernel is known: the statistics of CKA with a Gram matrix that is not an inner product of rows.

A centred Gram matrix is one of inner products in some space, so that the sums and the terms of rows are those of linear
CKA there, and with them its estimators, its jackknife and its permutation moments.
"""

from dataclasses import dataclass

import numpy as np

from services.metrics.arrays import F64, Floats
from services.metrics.errors import Degenerate
from services.metrics.sums.grams import GramSide
from services.metrics.sums.products import row_gram, times
from services.metrics.sums.views import HeldView


def kernel_side(gram: F64, d: int) -> GramSide:
    """One side of a pair from a Gram matrix, centred here.

    Args:
        gram: [n, n] symmetric.
        d: Dimensions of the rows behind it.
    """
    means = gram.mean(axis=0)
    centred = gram - means - means[:, None] + means.mean()
    squares = np.ascontiguousarray(np.diagonal(centred))
    return GramSide(
        n=len(gram),
        d=d,
        gram=centred,
        squares=squares,
        products=np.asarray(np.einsum("ij,ij->i", centred, centred)),
        cubes=times(centred, squares[:, None])[:, 0],
    )


@dataclass(frozen=True, eq=False)
class RadialKernel:
    """A Gaussian kernel of rows.

    Args:
        gram: [m, m] exp(-D / (2 s^2)), D the squared distances.
        bandwidth: s^2 in the units of the rows: the median of the squared distances that are not 0.
    """

    gram: F64
    bandwidth: float


def radial_kernel(rows: Floats) -> RadialKernel:
    """The Gaussian kernel of rows at the median bandwidth.

    Args:
        rows: [m, d], finite, m >= 1.

    Raises:
        Degenerate: All rows are equal.
    """
    view = HeldView(rows)
    distances = row_gram(view.centred)
    distances *= -2
    distances += view.squares
    distances += view.squares[:, None]
    np.maximum(distances, 0.0, out=distances)
    np.fill_diagonal(distances, 0.0)
    # Equal rows are at a distance of rounding; it must not count as one.
    apart = distances[np.triu_indices(view.n, 1)]
    apart = apart[apart > 1e-13 * float(view.squares.max(initial=0.0))]
    if not len(apart):
        raise Degenerate(f"Expected rows that differ for a radial kernel, but all are equal (n={view.n}, d={view.d})")
    middle = float(np.median(apart))
    return RadialKernel(np.exp(distances / (-2 * middle)), float(np.ldexp(middle, 2 * view.frame.exponent)))
