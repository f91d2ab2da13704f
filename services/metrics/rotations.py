"""Chance level of the Procrustes distance: the nuclear norm of views whose rows are paired at random.

In the coordinates of its singular vectors a view is U S V', and a random pairing turns the left singular vectors of the
two sides against each other: the nuclear norm becomes that of S_x B S_y, where B is a block of a random orthogonal
matrix of order n - 1. So a draw needs the singular values only, not the rows.
"""

import math
from typing import Final

import numpy as np
import scipy.linalg

from services.metrics.arrays import F64
from services.metrics.nulls import Null
from services.metrics.products import gram, times_transposed

_DRAWS: Final = 20


def procrustes_null(n: int, left: F64, right: F64, *, distance: bool) -> Null:
    """Mean and spread of the Procrustes similarity or distance of unrelated rows, by 20 seeded draws.

    Args:
        n: Rows, at least 2.
        left: [kx] squared singular values of the left view, kx <= n - 1.
        right: [ky] of the right view.
        distance: Of sqrt(2 - 2 s) in place of s.
    """
    if len(left) > len(right):
        left, right = right, left
    rng = np.random.default_rng((n, len(left), len(right)))
    scale = math.sqrt(left.sum()) * math.sqrt(right.sum())
    values = np.empty(_DRAWS)
    for draw in range(_DRAWS):
        block = random_block(rng, n - 1, len(left), len(right))
        block *= np.sqrt(left)[:, None] / scale
        block *= np.sqrt(right)
        # The squares lose what is below 1e-8 of the largest: nothing beside the spread.
        squares = scipy.linalg.eigvalsh(gram(np.ascontiguousarray(block.T)), check_finite=False)
        values[draw] = min(float(np.sqrt(np.maximum(squares, 0.0)).sum()), 1.0)
    if distance:
        values = np.sqrt(2 - 2 * values)
    return Null(float(values.mean()), float(values.std(ddof=1)), f"rotations-{_DRAWS}")


def random_block(rng: np.random.Generator, order: int, rows: int, columns: int) -> F64:
    """The upper left block of a random (Haar) orthogonal matrix.

    G C^-T has orthonormal columns for normal G and C C' = G'G; only the rows of G that are wanted are drawn, the
    product of the others is a Wishart matrix, drawn by its factor (Bartlett 1933).

    Args:
        rng: Source of the draw.
        order: Of the orthogonal matrix.
        rows: At most `order`.
        columns: At most `order`.

    Returns:
        [rows, columns].
    """
    wanted = rng.standard_normal((columns, rows))
    rest = order - columns
    if rest >= rows:
        factor = np.tril(rng.standard_normal((rows, rows)), -1)
        factor[np.diag_indices(rows)] = np.sqrt(rng.chisquare(rest - np.arange(rows)))
        others = times_transposed(factor, factor)
    else:
        others = gram(rng.standard_normal((rest, rows))) if rest else np.zeros((rows, rows))
    cholesky = scipy.linalg.cholesky(gram(wanted) + others, lower=True, check_finite=False)
    block: F64 = scipy.linalg.solve_triangular(cholesky, wanted.T, lower=True, check_finite=False)
    return block
