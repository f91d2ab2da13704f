"""Self-learning: rounds of an orthogonal map and a dictionary that improve each other (Artetxe et al. 2017, 2018).

The stochastic dictionary of 2018 (ACL, section 3.3) drops random similarities before the best are looked for, so that
the rounds leave poor optima, and drops fewer as the gains cease. A dropped similarity is out of the running for that
round and direction; where all similarities of a row are dropped, the best of them counts.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.metrics.arrays import F64
from services.metrics.estimates.estimates import Check
from services.metrics.maps.base import Pairs, Tell
from services.metrics.maps.induction import Induced, induce
from services.metrics.maps.orthogonal import rotation
from services.metrics.sums.products import times

_LEVELS: Final = 1 << 16
"""Draws are whole numbers below this; shares to keep are multiples of its inverse."""

_AWAY: Final = np.float32(8)
"""Halved CSLS lies within -1.5..1.5: less this, a score is below all that are kept."""


@dataclass(frozen=True)
class Schedule:
    """How long self-learning goes on.

    Args:
        neighbours: Over which CSLS averages.
        keep: Share of similarities kept at first.
        keep_factor: Factor by which the kept share grows when the objective ceases to improve.
        patience: Rounds without a gain after which they have ceased.
        gain: In the criterion, that counts as one.
        rounds: Largest number of rounds.
    """

    neighbours: int = 10
    keep: float = 0.1
    keep_factor: float = 2.0
    patience: int = 50
    gain: float = 1e-6
    rounds: int = 5000

    @property
    def expected(self) -> int:
        """Rounds, if no share but the first brings a gain."""
        shares, keep = 1, self.keep
        while keep < 1:
            shares, keep = shares + 1, keep * self.keep_factor
        return min(shares * (self.patience + 1), self.rounds)


@dataclass(frozen=True, eq=False)
class Learnt:
    """Where self-learning has led.

    Args:
        found: Nearest neighbours under the last rotation.
        trace: The criterion of each round: the mean of the greatest cosine of each row, both directions.
        ceased: Whether the gains had ceased, with all similarities kept; rounds ran out otherwise.
    """

    found: Induced
    trace: tuple[float, ...]
    ceased: bool

    @property
    def criterion(self) -> float:
        """Of the last round."""
        return self.trace[-1]


def self_learn(
    source: F64, target: F64, start: F64, schedule: Schedule, *, seed: int, check: Check, tell: Tell
) -> Learnt:
    """Improves a rotation and a dictionary by each other.

    Args:
        source: [n, d] the most frequent words, normalised.
        target: [m, d].
        start: [d, d], the first rotation.
        schedule: Length of the self-learning and the shares kept in its course.
        seed: Seed of the draws of which scores are dropped.
        check: Raises where the caller has gone.
        tell: Takes progress, one step a round.

    Raises:
        Degenerate: Fewer than `neighbours` rows on a side, or rows that determine no rotation.
    """
    drop = Dropping(schedule.keep, seed)
    matrix, pairs = start, np.empty((0, 2), np.int64)
    trace: list[float] = []
    best, fruitless, ceased = -np.inf, 0, False
    while not ceased and len(trace) < schedule.rounds:
        before = pairs
        mapped = times(source, matrix)
        found = induce(mapped, target, k=schedule.neighbours, perturb=drop, check=check)
        pairs = found.union()
        trace.append(_criterion(found))
        tell(len(trace), max(schedule.expected, len(trace)))
        fruitless += 1
        if trace[-1] >= best + schedule.gain:
            best, fruitless = trace[-1], 0
        # With nothing dropped, a dictionary that comes back as it was would do so for ever.
        ceased = drop.keep >= 1 and (fruitless >= schedule.patience or np.array_equal(before, pairs))
        if fruitless >= schedule.patience:
            drop.keep, fruitless = min(1.0, drop.keep * schedule.keep_factor), 0
        if not ceased:
            matrix = _rotated(source, target, pairs)
    return Learnt(found, tuple(trace), ceased)


class Dropping:
    """Puts random scores out of the running.

    Args:
        keep: Share of scores kept; may be set anew between rounds.
        seed: Seed of the draws.
    """

    def __init__(self, keep: float, seed: int) -> None:
        self.keep = keep
        self._bits = np.random.SFC64(seed)

    def __call__(self, tile: NDArray[np.float32]) -> NDArray[np.float32]:
        """Drops scores of a tile, in place."""
        bound = round(self.keep * _LEVELS)
        if bound < _LEVELS:
            draws = np.asarray(self._bits.random_raw(-(-tile.size // 4))).view(np.uint16)[: tile.size]
            tile -= np.multiply(draws.reshape(tile.shape) >= bound, _AWAY, dtype=np.float32)
        return tile


def _criterion(found: Induced) -> float:
    """The mean of both directions' mean greatest cosine."""
    return float(found.forward.cosine.mean(dtype=np.float64) + found.backward.cosine.mean(dtype=np.float64)) / 2


def _rotated(source: F64, target: F64, pairs: Pairs) -> F64:
    return rotation(source[pairs[:, 0]], target[pairs[:, 1]]).matrix
