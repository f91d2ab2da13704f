"""The order of the data: which pieces make which step of which epoch."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from services.runtime.errors import InvalidArgument
from services.trainer.data.pieces import Ints

MOST_EPOCHS: Final = 100_000
"""Most passes over the data of a run."""

Step = tuple[Ints, ...]
"""Pieces of each batch that a step accumulates."""


@dataclass(frozen=True)
class Order:
    """Shuffled pieces in batches of a token budget.

    An epoch's order follows from the seed and the epoch's number alone: its generator has no state that a run could
    lose, and a run goes on from any place.

    Attributes:
        lengths: Tokens of each piece.
        batch_tokens: Most tokens of a batch; a longer piece is a batch of its own.
        accumulation: Batches a step.
        seed: Seed of the order.
    """

    lengths: tuple[int, ...]
    batch_tokens: int
    accumulation: int
    seed: int

    def epoch(self, number: int) -> list[Step]:
        """All steps of an epoch, from 0; each piece is in exactly one of them."""
        generator = np.random.default_rng([self.seed % (1 << 64), number])
        shuffled = generator.permutation(len(self.lengths))
        return in_steps(shuffled, self.lengths, self.batch_tokens, self.accumulation)

    def steps(self, epochs: float, max_steps: int) -> list[int]:
        """Number of steps to run of each epoch.

        Args:
            epochs: Passes over the data.
            max_steps: Most steps in all; 0 for no such bound.
        """
        return steps_to_run(lambda number: len(self.epoch(number)), epochs, max_steps)


def in_steps(order: Ints, lengths: Sequence[int] | Ints, batch_tokens: int, accumulation: int) -> list[Step]:
    """Pieces in a given order as batches of a token budget, and batches as steps.

    Args:
        order: Places of the pieces, each as often as it is to be seen.
        lengths: Tokens of each piece.
        batch_tokens: Most tokens of a batch; a longer piece is a batch of its own.
        accumulation: Batches a step.
    """
    ends = np.cumsum(np.asarray(lengths, dtype=np.int64)[order])
    batches: list[Ints] = []
    begin, before = 0, 0
    while begin < len(order):
        end = max(begin + 1, int(np.searchsorted(ends, before + batch_tokens, side="right")))
        batches.append(order[begin:end])
        begin, before = end, int(ends[end - 1])
    return [tuple(batches[first : first + accumulation]) for first in range(0, len(batches), accumulation)]


def steps_to_run(whole: Callable[[int], int], epochs: float, max_steps: int) -> list[int]:
    """Number of steps to run of each epoch.

    Args:
        whole: Steps of an epoch, from 0.
        epochs: Passes over the data.
        max_steps: Most steps in all; 0 for no such bound.

    Raises:
        InvalidArgument: The steps need more than `MOST_EPOCHS` passes over the data.
    """
    sizes: list[int] = []
    number = steps = 0
    while number < epochs and not (max_steps and steps >= max_steps):
        if number == MOST_EPOCHS:
            raise InvalidArgument(
                "optimisation.max_steps",
                f"Expected at most {steps}, which are {MOST_EPOCHS} passes over the data, but got {max_steps}",
            )
        wanted = max(1, round(whole(number) * min(1.0, epochs - number)))
        sizes.append(min(wanted, max_steps - steps) if max_steps else wanted)
        steps += sizes[-1]
        number += 1
    return sizes


def evaluation_steps(size: int, evaluations: int) -> set[int]:
    """Steps of an epoch, from 1, after which the development sets are scored; the last one always is.

    Args:
        size: Steps of the epoch that are run, 1 at least.
        evaluations: Evaluations an epoch; after every step where there are fewer steps than these.
    """
    many = min(evaluations, size)
    return {max(1, round(size * (place + 1) / many)) for place in range(many)}


def by_length(lengths: Sequence[int], batch_tokens: int) -> list[Ints]:
    """Batches for prediction: pieces of similar length together, the longest first."""
    order = np.argsort([-length for length in lengths], kind="stable")
    batches: list[Ints] = []
    begin, tokens = 0, 0
    for place, piece in enumerate(order.tolist()):
        if place > begin and tokens + lengths[piece] > batch_tokens:
            batches.append(order[begin:place])
            begin, tokens = place, 0
        tokens += lengths[piece]
    if len(order):
        batches.append(order[begin:])
    return batches
