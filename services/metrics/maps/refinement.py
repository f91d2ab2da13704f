"""Refinement of a map by itself: a dictionary of mutual CSLS neighbours, a rotation, and again.

Lample et al. 2018, section 2.3.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from services.metrics.arrays import F64
from services.metrics.estimates.estimates import Check
from services.metrics.maps.base import Pairs
from services.metrics.maps.induction import induce
from services.metrics.maps.orthogonal import Rotation, rotation
from services.metrics.sums.cosines import unit_rows
from services.metrics.sums.products import times


@dataclass(frozen=True, eq=False)
class Refined:
    """The last round.

    Args:
        rotation: The map.
        pairs: The dictionary behind it.
        trace: Mean cosine of the dictionary under the map fitted to it, one a round.
    """

    rotation: Rotation
    pairs: Pairs
    trace: tuple[float, ...]


def refine(
    left: F64, right: F64, matrix: F64, rounds: int, *, k: int = 10, check: Check, tell: Callable[[int], None]
) -> Refined:
    """Refines a map.

    Args:
        left: [n, d] source rows that count, the most frequent ones.
        right: [m, d] target rows that count.
        matrix: [d, d], the map so far.
        rounds: Number of rounds, at least 1.
        k: Neighbours over which CSLS averages.
        check: Raises where the caller has gone.
        tell: Takes the number of rounds done.

    Raises:
        Degenerate: Fewer than k rows, or rows that determine no rotation.
    """
    trace: list[float] = []
    while True:
        check()
        mapped = times(left, matrix)
        pairs = induce(mapped, right, k=k, check=check).mutual()
        found = rotation(left[pairs[:, 0]], right[pairs[:, 1]])
        matrix = found.matrix
        trace.append(mean_cosine(left, right, pairs, matrix))
        tell(len(trace))
        if len(trace) >= rounds:
            return Refined(found, pairs, tuple(trace))


def mean_cosine(left: F64, right: F64, pairs: Pairs, matrix: F64) -> float:
    """Mean cosine of pairs of rows, those of the left mapped.

    Args:
        left: [n, d].
        right: [m, d].
        pairs: [s, 2].
        matrix: [d, d].

    Raises:
        Degenerate: A row of a pair is zero.
    """
    mapped = times(left[pairs[:, 0]], matrix)
    return float(np.einsum("ij,ij->i", unit_rows(mapped), unit_rows(right[pairs[:, 1]])).mean())
