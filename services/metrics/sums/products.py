"""Matrix products, all by one BLAS.

NumPy and SciPy each carry an OpenBLAS with its own threads, and idle threads of the one spin for a while: calls that
alternate between the two fight for the cores (measured: 3 to 10 times slower on two cores). Everything large in this
service therefore goes through SciPy's, which also offers the symmetric product and thus half the work.
"""

import threading
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import blas

_Real = TypeVar("_Real", np.float32, np.float64)


class _Buffers(threading.local):
    """A thread's room for the last products of float32, one a kind: fresh pages would cost a tenth of a product."""

    def __init__(self) -> None:
        self._kept: dict[str, NDArray[np.float32]] = {}

    def of(self, kind: str, shape: tuple[int, int]) -> NDArray[np.float32]:
        """In the order of BLAS; zeros at first, and wherever that kind of product does not write."""
        kept = self._kept.get(kind)
        if kept is None or kept.shape != shape:
            kept = self._kept[kind] = np.zeros(shape, np.float32, order="F")
        return kept


_BUFFERS: Final = _Buffers()

_TILE: Final = 128
"""Side of the squares in which a matrix is transposed, so that both squares stay in the cache."""

_ABOVE: Final = np.triu(np.ones((_TILE, _TILE), dtype=bool), 1)
"""What is above the diagonal of such a square."""


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
    return _mirror(lower_gram(rows))


def row_gram(rows: NDArray[_Real]) -> NDArray[_Real]:
    """The inner products of rows, rows rows'.

    Args:
        rows: [m, d] C-contiguous.

    Returns:
        [m, m], symmetric.
    """
    syrk = blas.dsyrk if rows.dtype == np.float64 else blas.ssyrk
    product: NDArray[_Real] = syrk(1.0, rows.T, trans=1).T
    return _mirror(product)


def mirrored(lower: NDArray[_Real]) -> NDArray[_Real]:
    """The symmetric matrix with this lower triangle; whatever is above the diagonal is overwritten."""
    return _mirror(lower.copy())


def _mirror(full: NDArray[_Real]) -> NDArray[_Real]:
    """Overwrites what is above the diagonal by what is below."""
    for start in range(0, len(full), _TILE):
        stop = start + _TILE
        full[start:stop, stop:] = full[stop:, start:stop].T
        corner = full[start:stop, start:stop]
        np.copyto(corner, corner.T.copy(), where=_ABOVE[: len(corner), : len(corner)])
    return full


def plus_gram(lower: NDArray[np.float64], rows: NDArray[np.float32] | NDArray[np.float64]) -> NDArray[np.float64]:
    """The lower triangle of rows' rows added to another one.

    Args:
        lower: [d, d] C-contiguous; used up.
        rows: [m, d] C-contiguous. The products of float32 are summed in float32 and added in float64.

    Returns:
        [d, d]; what `lower` has above the diagonal stays.
    """
    if rows.dtype == np.float32:
        room = _BUFFERS.of("gram", lower.shape)
        lower += blas.ssyrk(1.0, rows.T, beta=0.0, c=room, overwrite_c=True).T
        return lower
    summed: NDArray[np.float64] = blas.dsyrk(1.0, rows.T, beta=1.0, c=lower.T, overwrite_c=True).T
    return summed


def plus_cross(
    total: NDArray[np.float64],
    left: NDArray[np.float32] | NDArray[np.float64],
    right: NDArray[np.float32] | NDArray[np.float64],
) -> NDArray[np.float64]:
    """The product left' right added to another matrix.

    Args:
        total: [p, q] C-contiguous; used up.
        left: [m, p] C-contiguous.
        right: [m, q] C-contiguous, of the same type. The products of float32 are summed in float32, added in float64.

    Returns:
        [p, q].
    """
    if left.dtype == np.float32:
        room = _BUFFERS.of("cross", (total.shape[1], total.shape[0]))
        total += blas.sgemm(1.0, right.T, left.T, beta=0.0, c=room, overwrite_c=True, trans_b=1).T
        return total
    summed: NDArray[np.float64] = blas.dgemm(1.0, right.T, left.T, beta=1.0, c=total.T, trans_b=1, overwrite_c=True).T
    return summed


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
