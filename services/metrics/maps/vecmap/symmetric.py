"""VecMap's last step: a map of both sides with re-weighting by how well each direction goes together.

Artetxe et al. 2018 (AAAI), sections 3.1 to 3.4: whiten both sides, map them orthogonally, re-weight both, de-whiten.
"""

from dataclasses import dataclass

import numpy as np
import scipy.linalg

from services.metrics.arrays import F64
from services.metrics.errors import Degenerate
from services.metrics.sums.products import cross, gram, times


@dataclass(frozen=True, eq=False)
class Symmetric:
    """Maps of both sides.

    Args:
        source: [d, d], rows are multiplied from the left.
        target: [d, d].
        rank: Directions that the dictionary spans, on the side that has fewer.
    """

    source: F64
    target: F64
    rank: int


def symmetric_map(
    left: F64, right: F64, *, whiten: bool = True, reweight: float = 0.5, dewhiten: bool = True
) -> Symmetric:
    """Maps both sides next to each other.

    With whitenings `A = (X'X)^-1/2` and `B = (Y'Y)^-1/2`, `U S V' = svd(A X'Y B)`: the source map is
    `A U S^r U'A^-1 U`, the target map `B V S^r V'B^-1 V`.

    Args:
        left: X, [s, d] source rows of the dictionary.
        right: Y, [s, d] their translations.
        whiten: Whether to whiten; A and B are the identity otherwise.
        reweight: r, half for each side: the power of S.
        dewhiten: Whether to undo the whitening, in the common space.

    Raises:
        Degenerate: No rows, or rows of zeros only.
    """
    s, d = left.shape
    if not s:
        raise Degenerate(f"Expected at least 1 pair of rows to fit a map, but got 0 (d={d})")
    if not (left.any() and right.any()):
        raise Degenerate(f"Expected rows that are not all zero, but those of one side are (s={s}, d={d})")
    source, target = _Whitening.of(left, whiten), _Whitening.of(right, whiten)
    covariance = cross(np.ascontiguousarray(left), np.ascontiguousarray(right))
    u, values, v = scipy.linalg.svd(times(times(source.matrix, covariance), target.matrix))
    weights = values**reweight
    maps = []
    for side, turn in ((source, u), (target, v.T)):
        moved = times(side.matrix, np.ascontiguousarray(turn)) * weights
        if dewhiten:
            moved = times(moved, times(times(np.ascontiguousarray(turn.T), side.inverse), np.ascontiguousarray(turn)))
        maps.append(moved)
    return Symmetric(maps[0], maps[1], min(source.rank, target.rank))


@dataclass(frozen=True, eq=False)
class _Whitening:
    """(X'X)^-1/2 and its inverse, on the directions that X spans."""

    matrix: F64
    inverse: F64
    rank: int

    @classmethod
    def of(cls, rows: F64, whiten: bool) -> "_Whitening":
        values, vectors = scipy.linalg.eigh(gram(np.ascontiguousarray(rows)))
        kept = values > max(rows.shape) * np.finfo(np.float64).eps * values[-1]
        rank = int(np.count_nonzero(kept))
        if not whiten:
            return cls(np.eye(rows.shape[1]), np.eye(rows.shape[1]), rank)
        vectors = vectors[:, kept]
        roots = np.sqrt(values[kept])
        return cls((vectors / roots) @ vectors.T, (vectors * roots) @ vectors.T, rank)
