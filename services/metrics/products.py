"""Matrix products, all by one BLAS.

NumPy and SciPy each carry an OpenBLAS with its own threads, and idle threads of the one spin for a while: calls that
alternate between the two fight for the cores (measured: 3 to 10 times slower on two cores). Everything large in this
service therefore goes through SciPy's, which also offers the symmetric product and thus half the work.
"""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import blas

_Real = TypeVar("_Real", np.float32, np.float64)


def lower_gram(rows: NDArray[_Real]) -> NDArray[_Real]:
    """The lower triangle of rows' rows.

    Args:
        rows: [m, d] C-contiguous.

    Returns:
        [d, d], zero above the diagonal.
    """
    syrk = blas.dsyrk if rows.dtype == np.float64 else blas.ssyrk
    # BLAS sees the transpose of a C array: its upper triangle is the lower one here.
    product: NDArray[_Real] = syrk(1.0, rows.T).T
    return product


def gram(rows: NDArray[_Real]) -> NDArray[_Real]:
    """The inner products of columns, rows' rows.

    Args:
        rows: [m, d] C-contiguous.

    Returns:
        [d, d], symmetric.
    """
    return mirrored(lower_gram(rows))


def row_gram(rows: NDArray[_Real]) -> NDArray[_Real]:
    """The inner products of rows, rows rows'.

    Args:
        rows: [m, d] C-contiguous.

    Returns:
        [m, m], symmetric.
    """
    syrk = blas.dsyrk if rows.dtype == np.float64 else blas.ssyrk
    return mirrored(syrk(1.0, rows.T, trans=1).T)


def mirrored(lower: NDArray[_Real]) -> NDArray[_Real]:
    """The symmetric matrix with this lower triangle; whatever is above the diagonal is overwritten."""
    full = np.tril(lower)
    strict = full.copy()
    np.fill_diagonal(strict, 0)
    full += strict.T
    return full


def inner(left: NDArray[np.float64], right: NDArray[np.float64]) -> float:
    """The sum of the products of two matrices' entries (not by BLAS, whose long dot products wake its threads)."""
    return float(np.einsum("ij,ij->", left, right))


def cross(left: NDArray[_Real], right: NDArray[_Real]) -> NDArray[_Real]:
    """The product left' right.

    Args:
        left: [m, p] C-contiguous.
        right: [m, q] C-contiguous, of the same type.

    Returns:
        [p, q].
    """
    gemm = blas.dgemm if left.dtype == np.float64 else blas.sgemm
    product: NDArray[_Real] = gemm(1.0, right.T, left.T, trans_b=1).T
    return product


def times(left: NDArray[_Real], right: NDArray[_Real]) -> NDArray[_Real]:
    """The product left right.

    Args:
        left: [m, k].
        right: [k, q], of the same type.

    Returns:
        [m, q].
    """
    gemm = blas.dgemm if left.dtype == np.float64 else blas.sgemm
    a, b = np.ascontiguousarray(left), np.ascontiguousarray(right)
    product: NDArray[_Real] = gemm(1.0, b.T, a.T).T
    return product


def times_transposed(left: NDArray[_Real], right: NDArray[_Real]) -> NDArray[_Real]:
    """The product left right'.

    Args:
        left: [m, k] C-contiguous.
        right: [r, k] C-contiguous, of the same type.

    Returns:
        [m, r].
    """
    gemm = blas.dgemm if left.dtype == np.float64 else blas.sgemm
    product: NDArray[_Real] = gemm(1.0, right.T, left.T, trans_a=1).T
    return product
