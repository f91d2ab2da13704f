"""The order of streams: each epoch draws every language as often as exponent sampling gives it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from services.trainer.data.order import Step, in_steps, steps_to_run
from services.trainer.data.pieces import Ints


def budgets(sizes: Sequence[int], exponent: float) -> Ints:
    """How many streams of each language an epoch has: as many in all as there are.

    The shares are q = p^a / sum p^a with p the share of the language's streams (Conneau and Lample 2019, equation 1),
    as whole numbers by largest remainders, of equal ones the first.

    Args:
        sizes: Streams of each language, at least one.
        exponent: a; 1 keeps the shares, 0 makes them equal.
    """
    counts = np.asarray(sizes, dtype=np.float64)
    total = int(counts.sum())
    weights = (counts / total) ** exponent
    exact = total * weights / weights.sum()
    whole: Ints = np.floor(exact).astype(np.int64)
    missing = total - int(whole.sum())
    whole[np.argsort(-(exact - whole), kind="stable")[:missing]] += 1
    return whole


@dataclass(frozen=True, eq=False)
class LanguageOrder:
    """Streams in batches of a token budget.

    An epoch's order follows from the seed and the epoch's number alone, so that a run goes on from any place. A
    language whose budget is larger than what it has repeats all of its streams equally often, but for a random rest.

    Attributes:
        lengths: [n] tokens of each stream, language by language.
        sizes: Streams of each language.
        exponent: Exponent of the languages' shares.
        batch_tokens: Most tokens of a batch.
        accumulation: Batches a step.
        seed: Seed of the order.
    """

    lengths: Ints
    sizes: tuple[int, ...]
    exponent: float
    batch_tokens: int
    accumulation: int
    seed: int

    def drawn(self, number: int) -> Ints:
        """Places of the streams of an epoch, from 0, in order."""
        generator = np.random.default_rng([self.seed % (1 << 64), number])
        parts, first = [], 0
        for size, budget in zip(self.sizes, budgets(self.sizes, self.exponent).tolist(), strict=True):
            times, rest = divmod(budget, size)
            parts += [first + np.tile(np.arange(size), times), first + generator.permutation(size)[:rest]]
            first += size
        return generator.permutation(np.concatenate(parts))

    def epoch(self, number: int) -> list[Step]:
        """All steps of an epoch, from 0."""
        return in_steps(self.drawn(number), self.lengths, self.batch_tokens, self.accumulation)

    def steps(self, epochs: float, max_steps: int) -> list[int]:
        """Number of steps to run of each epoch.

        Args:
            epochs: Passes over as many streams as there are.
            max_steps: Most steps in all; 0 for no such bound.
        """
        return steps_to_run(lambda number: len(self.epoch(number)), epochs, max_steps)
