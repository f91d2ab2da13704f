"""Several attempts at one map, since unsupervised methods now and then collapse: the best by its criterion is kept."""

import math
from collections.abc import Callable
from typing import Protocol, TypeVar

import numpy as np


class Attempt(Protocol):
    """What an attempt says of itself."""

    @property
    def criterion(self) -> float:
        """The more the better; NaN where the attempt failed."""


_One = TypeVar("_One", bound=Attempt)


def restart_seeds(seed: int, count: int) -> list[int]:
    """Seeds of attempts, each of its own; the first ones are the same however many are asked for.

    Args:
        seed: Seed of the problem, any integer of 64 bits.
        count: Attempts.
    """
    children = np.random.SeedSequence(seed % 2**64).spawn(count)
    return [int(child.generate_state(1, np.uint64)[0] >> np.uint64(1)) for child in children]


def best_of(attempt: Callable[[int, int], _One], seed: int, count: int) -> tuple[int, _One]:
    """Makes attempts and keeps the one with the greatest criterion, the first of equal ones.

    Args:
        attempt: Takes the number of the attempt, from 0, and its seed.
        seed: Seed of the problem.
        count: Attempts, at least 1.

    Returns:
        Number and result of the best attempt.
    """
    best = 0, attempt(0, restart_seeds(seed, 1)[0])
    for number, own in enumerate(restart_seeds(seed, count)[1:], 1):
        found = attempt(number, own)
        if math.isnan(best[1].criterion) or found.criterion > best[1].criterion:
            best = number, found
    return best
