"""The dictionary with which unsupervised VecMap starts: words whose similarities to their own language look alike.

Artetxe et al. 2018, section 3.2. In two isometric spaces a word and its translation have the same similarities to all
words of their own language, up to their order, and sorting takes the order away.
"""

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from services.metrics.arrays import F64
from services.metrics.estimates.estimates import Check
from services.metrics.maps.base import Pairs
from services.metrics.maps.induction import induce
from services.metrics.maps.normalisation import Normalisation
from services.metrics.sums.products import gram, row_gram, times


def similarity_profiles(rows: F64) -> NDArray[np.float32]:
    """Sorted rows of sqrt(X X').

    Args:
        rows: X, [n, d].

    Returns:
        [n, n], each row ascending.
    """
    values, vectors = scipy.linalg.eigh(gram(np.ascontiguousarray(rows)))
    kept = values > max(rows.shape) * np.finfo(np.float64).eps * values[-1]
    # With X = U S V', sqrt(X X') = U S U' = (X V S^-1/2)(X V S^-1/2)'.
    half = times(rows, vectors[:, kept]) / values[kept] ** 0.25
    profiles = row_gram(half.astype(np.float32))
    profiles.sort(axis=1)
    return profiles


def unsupervised_start(source: F64, target: F64, *, words: int, normalisation: str, k: int, check: Check) -> Pairs:
    """A dictionary from nothing but the two spaces.

    Args:
        source: [n, d] normalised rows, the most frequent words first.
        target: [m, d].
        words: How many of the first rows to look at; as many of either side.
        normalisation: Normalisation of the profiles, which is that of the rows.
        k: Neighbours over which CSLS averages.
        check: Raises where the caller has gone.

    Returns:
        The best pairs of both directions, [2 words, 2]; a pair that both directions name is there twice.

    Raises:
        Degenerate: Fewer than k rows, or a profile of zeros.
    """
    size = min(len(source), len(target), words)
    profiles = []
    for rows in (source, target):
        check()
        profiles.append(Normalisation.fit(similarity_profiles(rows[:size]), normalisation)[1])
    return induce(*profiles, k=k, check=check).union()
