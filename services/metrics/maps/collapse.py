"""Has an unsupervised map collapsed? Its confidence against that of a map that knows nothing.

Any two spaces can be turned so that most rows have a near neighbour on the other side, and more so the longer a map
and its dictionary improve each other. What a wrong map lacks is neighbours that stand out. So the measure is the mean
margin, by which the best CSLS of a row beats its second best, and its chance level is what two rounds of map and
dictionary reach on the same rows from a random dictionary.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from services.metrics.arrays import F64
from services.metrics.estimates.estimates import Check
from services.metrics.maps.induction import Induced, induce
from services.metrics.maps.orthogonal import rotation
from services.metrics.sums.products import times

ROUNDS: Final = 2
"""Rounds from a random dictionary. More of them may find the right map, where it is easy to find, and are no chance
level then (measured with 10 rounds on 5,000 clustered points)."""

LEAST_RATIO: Final = 1.6
"""Of the margin to its chance level, below which a map counts as collapsed. Measured on clustered points, n from 500 to
5,000: collapsed maps reach up to 1.5, right ones 1.7 and more where the noise is as large as the rows, 4.2 and more
where it is half as large or less."""


@dataclass(frozen=True)
class Confidence:
    """How much the neighbours that a map finds stand out.

    Args:
        margin: Mean margin of the best CSLS of source rows.
        chance: The same from a random dictionary.
    """

    margin: float
    chance: float

    @property
    def settings(self) -> dict[str, str | int | float]:
        """For the signature."""
        return {"margin": float(f"{self.margin:.4g}"), "chance": float(f"{self.chance:.4g}")}

    @property
    def warnings(self) -> tuple[str, ...]:
        """Says so where the map has probably collapsed."""
        if self.margin >= LEAST_RATIO * self.chance:
            return ()
        return (
            f"the map has probably collapsed: the best CSLS neighbour beats the second best by {self.margin:.3g} on "
            f"average, less than {LEAST_RATIO:g} times the {self.chance:.3g} that a random dictionary leads to; try "
            "another seed, more restarts or known translations",
        )


def confidence(source: F64, target: F64, found: Induced, *, k: int, seed: int, check: Check) -> Confidence:
    """Compares a map with one that knows nothing.

    Args:
        source: [n, d] the source rows from which `found` was induced, before the map.
        target: [m, d].
        found: Nearest neighbours under the map.
        k: Neighbours over which CSLS averages.
        seed: Seed of the random dictionary.
        check: Raises where the caller has gone.

    Raises:
        Degenerate: Fewer than k rows on a side.
    """
    rng = np.random.default_rng(seed % 2**64)
    count = min(len(source), len(target))
    pairs = np.stack([rng.permutation(len(source))[:count], rng.permutation(len(target))[:count]], axis=1)
    for _ in range(ROUNDS):
        check()
        matrix = rotation(source[pairs[:, 0]], target[pairs[:, 1]]).matrix
        mapped = times(source, matrix)
        lost = induce(mapped, target, k=k, check=check)
        pairs = lost.union()
    return Confidence(_mean_margin(found), _mean_margin(lost))


def _mean_margin(found: Induced) -> float:
    """Over rows of the source; a margin over no second candidate counts 0."""
    margin = found.forward.margin
    return float(np.where(np.isfinite(margin), margin, 0.0).mean())
