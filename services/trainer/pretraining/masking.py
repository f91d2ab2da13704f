"""Masking of token ids for the masked-language-model objective (Devlin et al. 2019, section 3.1)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.trainer.data.pieces import Ints
from services.trainer.pretraining.plan import Masking


@dataclass(frozen=True, eq=False)
class Masked:
    """Tokens with some of them replaced.

    Attributes:
        ids: [T] what the model sees.
        rows: [m] places of the tokens that it predicts, ascending.
    """

    ids: Ints
    rows: Ints


@dataclass(frozen=True, eq=False)
class Masker:
    """Chooses the tokens that are predicted, and what stands in their place.

    Attributes:
        masking: The shares.
        mask: Id of the mask token.
        ordinary: [V'] ids of all tokens that are not special, from which random ones are drawn.
        special: [V] bool, True for the special ones, which are never predicted.
        own: Ids from which the random ones of each language are drawn, by its place; None where all are drawn from
            `ordinary`.
    """

    masking: Masking
    mask: int
    ordinary: Ints
    special: NDArray[np.bool_]
    own: tuple[Ints, ...] | None = None

    def __call__(self, ids: Ints, generator: np.random.Generator, languages: Ints | None = None) -> Masked:
        """Mask tokens, each independently of the others; at least one where any can be.

        Args:
            ids: [T] ids of any number of streams, special tokens included.
            generator: Source of all draws, of which the number depends on T alone.
            languages: [T] place of each token's language; read where languages have ids of their own.
        """
        size = len(ids)
        draws, kinds = generator.random(size), generator.random(size)
        others = self._others(size, generator, languages)
        able = ~self.special[ids]
        chosen = able & (draws < self.masking.rate)
        if able.any() and not chosen.any():
            chosen[np.flatnonzero(able)[np.argmin(draws[able])]] = True
        hidden = chosen & (kinds < self.masking.masked)
        swapped = chosen & ~hidden & (kinds < self.masking.masked + self.masking.random)
        seen = np.where(hidden, self.mask, np.where(swapped, others, ids)).astype(np.int64)
        return Masked(seen, np.flatnonzero(chosen))

    def _others(self, size: int, generator: np.random.Generator, languages: Ints | None) -> Ints:
        """[T] random ids, each as likely as any other of those that may stand there."""
        if self.own is None:
            return self.ordinary[generator.integers(len(self.ordinary), size=size)]
        assert languages is not None
        places, others = generator.random(size), np.zeros(size, dtype=np.int64)
        for language, known in enumerate(self.own):
            rows = languages == language
            others[rows] = known[(places[rows] * len(known)).astype(np.int64)]
        return others
