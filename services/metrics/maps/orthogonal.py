"""The orthogonal Procrustes problem (Schönemann 1966): the rotation or reflection that brings rows next to others."""

from dataclasses import dataclass

import numpy as np
import scipy.linalg

from services.metrics.arrays import F64
from services.metrics.errors import Degenerate
from services.metrics.sums.products import cross, times


@dataclass(frozen=True, eq=False)
class Rotation:
    """The orthogonal W that minimises |X W - Y|.

    Args:
        matrix: [d, d]; reflections are allowed.
        rank: Rank of X'Y, the number of directions that the rows determine.
    """

    matrix: F64
    rank: int


def rotation(left: F64, right: F64) -> Rotation:
    """Solves the Procrustes problem: `U S V' = svd(X'Y)`, `W = U V'`.

    Args:
        left: X, [s, d].
        right: Y, [s, d], row by row the partners of `left`.

    Raises:
        Degenerate: No rows, or X'Y is zero and any rotation is as good as any other.
    """
    s, d = left.shape
    if not s:
        raise Degenerate(f"Expected at least 1 pair of rows to fit a rotation, but got 0 (d={d})")
    covariance = cross(np.ascontiguousarray(left), np.ascontiguousarray(right))
    u, values, v = scipy.linalg.svd(covariance)
    # What rounding alone leaves of rows of these sizes: eps times what the entries could be at most.
    noise = max(s, d) * np.finfo(np.float64).eps * max(values[0], np.linalg.norm(left) * np.linalg.norm(right) / s)
    rank = int(np.count_nonzero(values > noise))
    if not rank:
        raise Degenerate(f"Expected rows that go together, but X'Y is zero over all {s} pairs (d={d})")
    return Rotation(times(u, v), rank)
