"""Two clouds of points that a planted rotation brings onto one another, row by row up to a known permutation.

The cloud has what the spaces of two languages have in common and a Gaussian lacks, without which no unsupervised method
has anything to hold on to: clusters of unequal weight, each with a spread of its own in every direction.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from services.metrics.maps.base import Problem


@dataclass(frozen=True, eq=False)
class Planted:
    """A problem whose answer is known.

    Args:
        problem: Without known translations.
        gold: [n], the target row of each source row.
        rotation: [d, d], of the source onto the target.
    """

    problem: Problem
    gold: Any
    rotation: Any

    def pairs(self, count: int) -> Any:
        """The first known translations, [count, 2]."""
        return np.stack([np.arange(count), self.gold[:count]], axis=1)


def clustered(rng: Any, n: int, d: int, clusters: int = 30) -> Any:
    """A mixture of Gaussians, [n, d]: the weights of its clusters fall as 1 / rank, each has a spread of its own."""
    weights = 1 / np.arange(1, clusters + 1)
    label = rng.choice(clusters, n, p=weights / weights.sum())
    # The variance of directions falls as it does in trained embeddings: slowly, by a power of the rank.
    spectrum = np.arange(1, d + 1) ** -0.6
    centres = rng.standard_normal((clusters, d)) * spectrum
    spreads = np.exp(0.5 * rng.standard_normal((clusters, d))) * spectrum
    return centres[label] + spreads[label] * rng.standard_normal((n, d))


def planted(seed: int, n: int, d: int, noise: float, *, clusters: int = 30, map_seed: int = 0) -> Planted:
    """A cloud, and the same cloud rotated, with noise, in another order.

    Args:
        seed: Of the data.
        n: Points.
        d: Dimensions.
        noise: Norm of what is added to each target row, relative to the row's own.
        clusters: Clusters of the cloud.
        map_seed: Seed of the problem, thus of the fit.
    """
    rng = np.random.default_rng(seed)
    source = clustered(rng, n, d, clusters)
    rotation = np.linalg.qr(rng.standard_normal((d, d)))[0]
    disturbance = rng.standard_normal((n, d))
    disturbance *= noise * np.linalg.norm(source, axis=1, keepdims=True) / np.linalg.norm(disturbance, axis=1)[:, None]
    gold = rng.permutation(n)
    target = np.empty_like(source)
    target[gold] = source @ rotation + disturbance
    ids = tuple(str(i) for i in range(n))
    names = tuple(f"t{i}" for i in range(n))
    return Planted(Problem(source, target, np.empty((0, 2), np.int64), ids, names, map_seed), gold, rotation)


def precision_at_1(case: Planted, fitted: Any, *, known: int = 0) -> float:
    """Share of source rows whose nearest target row by cosine, both moved, is the right one.

    Args:
        case: The problem.
        fitted: The map.
        known: First source rows, left out of the share: those whose translations the map was fitted on.
    """
    source = fitted.source.transform(case.problem.source)
    target = fitted.target.transform(case.problem.target)
    source = (source / np.linalg.norm(source, axis=1, keepdims=True)).astype(np.float32)
    target = (target / np.linalg.norm(target, axis=1, keepdims=True)).astype(np.float32)
    best = [(source[i : i + 500] @ target.T).argmax(axis=1) for i in range(known, len(source), 500)]
    return float(np.mean(np.concatenate(best) == case.gold[known:]))
