"""Chance levels: what a measure gives for rows that are paired at random.

Where the moments of the permutation distribution are known they are used in place of drawn permutations: they are
exact, cost O(1) from the sums at hand, and do not depend on a seed.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigvalsh_tridiagonal

from services.metrics.arrays import F64
from services.metrics.sums.cosines import CosineSums
from services.metrics.sums.hsic import HsicSums
from services.metrics.sums.products import gram, inner, times, times_transposed

_LEAST_DRAWS: Final = 20
_MOST_DRAWS: Final = 400
_WEIGHT_DRAWS: Final = 400


@dataclass(frozen=True)
class Null:
    """The distribution of a measure under random pairing.

    Args:
        mean: Mean of the null distribution.
        sd: Standard deviation of the null distribution.
        name: Name of the method that found it, for the signature.
    """

    mean: float
    sd: float
    name: str


def biased_cka_null(sums: HsicSums) -> Null:
    """Exact mean and variance of biased linear CKA over all n! pairings.

    CKA is the RV coefficient; its permutation moments are those of Kazi-Aoual et al. (1995), as given by Josse, Pages
    and Husson (2008, section 3): with T = tr K, T2 = tr K^2, S2 = sum K_ii^2 of matrices with zero row sums.

    Args:
        sums: n >= 4.
    """
    n = sums.n
    t, t2, s2 = float(np.asarray(sums.k)), float(np.asarray(sums.xx)), float(np.asarray(sums.kk))
    u, u2, r2 = float(np.asarray(sums.l)), float(np.asarray(sums.yy)), float(np.asarray(sums.ll))
    scale = np.sqrt(t2) * np.sqrt(u2)
    # Each factor is divided by its side's tr K^2, so that the result is that of CKA and nothing overflows.
    first = 2 * ((n - 1) - t * t / t2) * ((n - 1) - u * u / u2) / ((n - 1) ** 2 * (n + 1) * (n - 2))
    left = n * (n + 1) * s2 / t2 - (n - 1) * (t * t / t2 + 2)
    right = n * (n + 1) * r2 / u2 - (n - 1) * (u * u / u2 + 2)
    second = left * right / ((n + 1) * n * (n - 1) * (n - 2) * (n - 3))
    return Null(float(t * u / (n - 1) / scale), float(np.sqrt(max(first + second, 0.0))), "permutation-moments")


def debiased_cka_null(n: int) -> Null:
    """Exact mean and variance of debiased linear CKA over all n! pairings, whatever the data.

    U-centred matrices have a zero diagonal and zero row sums, so that in the formula of `biased_cka_null` T and S2
    vanish and what remains, divided by tr K^2 tr L^2, is 2 / (n (n - 3)).

    Args:
        n: Rows, at least 4.
    """
    return Null(0.0, float(np.sqrt(2.0 / (n * (n - 3)))), "permutation-moments")


def cosine_null(sums: CosineSums, left: F64, right: F64) -> Null:
    """Mean and variance of the mean cosine over all n! pairings (Hoeffding 1951, theorem 2).

    The mean is exact, the product of the mean unit rows. The variance is a mean over all pairs (i, j), here over those
    of the sampled rows: exact where the sample is all rows.

    Args:
        sums: n >= 2.
        left: [m, d] sampled unit rows.
        right: [m, d] their partners.
    """
    n, m = sums.n, len(left)
    mean = float(sums.left @ sums.right) / n**2
    x, y = left - left.mean(axis=0), right - right.mean(axis=0)
    spread = inner(gram(x), gram(y)) if m > x.shape[1] else float(np.sum(times_transposed(x, y) ** 2))
    return Null(mean, float(np.sqrt(spread / (n - 1))) / m, "permutation-moments")


def svcca_null(n: int, kx: int, ky: int) -> Null:
    """Mean canonical correlation of independent subspaces of dimensions kx and ky, by seeded draws without rows.

    Args:
        n: Rows, at least 2.
        kx: Directions of the left view, 1..n-1.
        ky: Directions of the right view, 1..n-1.
    """
    means, _ = _canonical_draws(n, kx, ky)
    if len(means) == 1:
        return Null(1.0, 0.0, "no-room")
    return Null(float(means.mean()), float(means.std(ddof=1)), f"jacobi-{len(means)}")


def pwcca_null(n: int, kx: int, ky: int, loadings: F64) -> Null:
    """Weighted mean canonical correlation of independent subspaces.

    Under random pairing the left canonical variates are a random orthonormal frame of the left subspace, whatever the
    correlations. The weights are thus exchangeable: the mean is that of the plain mean, and to its variance comes the
    variance of a weight times the scatter of the correlations.

    Args:
        n: Rows, at least 2.
        kx: Directions of the left view, 1..n-1.
        ky: Directions of the right view, 1..n-1.
        loadings: [kx, p] inner products of the left directions with the left columns.
    """
    means, scatters = _canonical_draws(n, kx, ky)
    r = min(kx, ky)
    if len(means) == 1 or r == 1:
        return svcca_null(n, kx, ky)
    rng = np.random.default_rng((n, kx, ky))
    variates = rng.standard_normal((_WEIGHT_DRAWS, kx))
    variates /= np.sqrt(np.einsum("ij,ij->i", variates, variates))[:, None]
    alpha = np.abs(times(variates, loadings)).sum(axis=1)
    spread = float(alpha.var(ddof=1) / alpha.mean() ** 2) / r**2
    if kx == r:
        # The weights of a whole frame add up to 1: what one has more, the others have less.
        spread *= r / (r - 1)
    variance = float(means.var(ddof=1)) + spread * float(scatters.mean())
    return Null(float(means.mean()), float(np.sqrt(variance)), f"jacobi-{len(means)}")


@lru_cache(maxsize=4096)
def _canonical_draws(n: int, kx: int, ky: int) -> tuple[F64, F64]:
    """Draws of the mean and of the scatter (sum of squares about the mean) of chance canonical correlations.

    The squared correlations of random subspaces of R^(n-1) follow a Jacobi ensemble; its bidiagonal model (Edelman and
    Sutton 2008, theorem 1.5, beta = 1) gives a draw in O(k^2). Directions that two subspaces must share for want of
    room count 1.

    Args:
        n: Rows, at least 2.
        kx: Directions of the left view, 1..n-1.
        ky: Directions of the right view, 1..n-1.

    Returns:
        [draws] each; one draw where all correlations are 1.
    """
    room = n - 1
    shared = max(kx + ky - room, 0)
    small, large = sorted((kx, ky))
    entries = small
    if shared:
        # The angles that are left are those of the orthogonal complements.
        small, large = room - large, room - small
    if small == 0:
        return np.ones(1), np.zeros(1)
    # Small ensembles scatter more and cost less.
    draws = min(max(4000 // small, _LEAST_DRAWS), _MOST_DRAWS)
    rng = np.random.default_rng((n, min(kx, ky), max(kx, ky)))
    a, b = large - small, room - small - large
    index = np.arange(small, 0, -1)
    means, scatters = np.empty(draws), np.empty(draws)
    for draw in range(draws):
        c = rng.beta((a + index) / 2, (b + index) / 2)
        tail = index[1:]
        c_next = rng.beta(tail / 2, (a + b + 1 + tail) / 2)
        # B has c_i s'_i on its diagonal and -s_i c'_(i-1) beside it; eigenvalues of B B' are the squared correlations.
        lead = c * np.concatenate([[1.0], 1.0 - c_next])
        beside = (1.0 - c[:-1]) * c_next
        diagonal = lead.copy()
        diagonal[:-1] += beside
        off = -np.sqrt(beside * lead[1:])
        values = eigvalsh_tridiagonal(diagonal, off, lapack_driver="sterf") if small > 1 else diagonal
        squares = np.clip(values, 0.0, 1.0)
        means[draw] = (np.sqrt(squares).sum() + shared) / entries
        scatters[draw] = squares.sum() + shared - entries * means[draw] ** 2
    return means, scatters


def precision_null(n: int, k: int, answers: NDArray[np.integer[Any]] | None = None) -> Null:
    """Mean of P@k when candidates come in random order, and its sd over independent queries.

    Args:
        n: Candidates.
        k: Rank.
        answers: [queries] right answers of each query; n queries with one each where None.
    """
    counts, queries = _by_answers(n, answers)
    means = np.array([1 - _missed(n, m, np.array([min(k, n)]))[0] for m in counts])
    return _over_queries(means, means, queries)


def mrr_null(n: int, answers: NDArray[np.integer[Any]] | None = None) -> Null:
    """Mean of MRR when candidates come in random order, and its sd over independent queries.

    With one right answer the mean is H_n / n.

    Args:
        n: Candidates.
        answers: [queries] right answers of each query; n queries with one each where None.
    """
    counts, queries = _by_answers(n, answers)
    means, squares = [], []
    reciprocal = 1.0 / np.arange(1, n + 1)
    for m in counts:
        first = -np.diff(_missed(n, m, np.arange(n + 1)))
        means.append(first @ reciprocal)
        squares.append(first @ reciprocal**2)
    return _over_queries(np.array(means), np.array(squares), queries)


def _by_answers(n: int, answers: NDArray[np.integer[Any]] | None) -> tuple[list[int], F64]:
    """Different numbers of right answers, and how many queries have each."""
    if answers is None:
        return [1], np.array([float(n)])
    counts, queries = np.unique(answers, return_counts=True)
    return counts.tolist(), queries.astype(np.float64)


def _missed(n: int, m: int, k: NDArray[np.integer[Any]]) -> F64:
    """[len(k)] probability that the best of m right answers among n candidates is not among the first k."""
    taken = np.arange(m)
    return np.asarray(np.prod(np.maximum(n - k[:, None] - taken, 0) / (n - taken), axis=1))


def _over_queries(means: F64, squares: F64, queries: F64) -> Null:
    """The null of a mean over independent queries.

    Args:
        means: Mean of a query's value under the null, by kind of query.
        squares: Mean of the square of a query's value, by kind of query.
        queries: Number of queries of each kind.
    """
    total = float(queries.sum())
    variance = float(queries @ np.maximum(squares - means**2, 0.0))
    return Null(float(queries @ means) / total, float(np.sqrt(variance)) / total, "uniform-rank")
