"""Code-switching and permutation of token ids, whole arrays at a time, for pretraining streams."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.integer]


@dataclass(frozen=True, eq=False)
class IdDictionary:
    """A bilingual dictionary of token ids, its translations in one array.

    Attributes:
        starts: [V + 1] int64; translations of id i are `targets[starts[i] : starts[i + 1]]`, best first.
        targets: [E] int64, the translations.
        sums: [E] float64, for each translation i plus the share of its id's weight up to and with it: it grows all
            along, so that one search finds a weighted draw.
    """

    starts: NDArray[np.int64]
    targets: NDArray[np.int64]
    sums: NDArray[np.float64]

    @classmethod
    def build(cls, entries: Mapping[int, Sequence[tuple[int, float]]], vocabulary: int) -> "IdDictionary":
        """Builds the arrays.

        Args:
            entries: Translations with their weights (above 0) by id, best first.
            vocabulary: Number V of ids.

        Raises:
            ValueError: There is no entry, an id is not below V, or a weight is not above 0.
        """
        sizes = np.zeros(vocabulary + 1, dtype=np.int64)
        for source, offers in entries.items():
            if not 0 <= source < vocabulary:
                raise ValueError(f"Expected ids within 0..{vocabulary - 1}, but got {source}")
            sizes[source + 1] = len(offers)
        starts = np.cumsum(sizes)
        targets, sums = np.empty(starts[-1], dtype=np.int64), np.empty(starts[-1], dtype=np.float64)
        if not len(targets):
            raise ValueError("Expected at least one entry, but the dictionary is empty")
        for source, offers in entries.items():
            if not offers:
                continue
            weights = np.array([weight for _, weight in offers], dtype=np.float64)
            if not (np.isfinite(weights).all() and (weights > 0).all()):
                raise ValueError(f"Expected weights above 0, but got {weights.tolist()} for id {source}")
            place = slice(starts[source], starts[source + 1])
            targets[place] = [target for target, _ in offers]
            cumulated = np.cumsum(weights)
            sums[place] = source + cumulated / cumulated[-1]
        return cls(starts, targets, sums)

    @property
    def known(self) -> NDArray[np.bool_]:
        """[V] bool: whether an id has a translation."""
        return np.diff(self.starts) > 0

    def best(self) -> NDArray[np.int64]:
        """[V] int64: the best translation of each id, the id itself where it has none."""
        table = np.arange(len(self.starts) - 1)
        known = self.known
        table[known] = self.targets[self.starts[:-1][known]]
        return table

    def draw(self, ids: Ids, generator: np.random.Generator) -> NDArray[np.int64]:
        """[n] int64: a translation of each id, which all have one, drawn by weight."""
        found = np.searchsorted(self.sums, ids + generator.random(len(ids)), side="right")
        return self.targets[np.minimum(found, self.starts[ids + 1] - 1)]


def code_switch_ids(
    ids: Ids,
    dictionary: IdDictionary,
    generator: np.random.Generator,
    *,
    probability: float = 0.3,
    cap: float = 0.15,
) -> tuple[Ids, int]:
    """Code-switches a batch by the rule of Conneau, Wu et al. 2020 (section 4.2, "extra anchors").

    Each id of the dictionary is replaced with a probability, by a translation drawn by weight; where more than the cap
    was drawn, a random choice of them stays.

    Args:
        ids: Any shape; the batch whose share of replaced ids is under the cap.
        dictionary: The translations.
        generator: Source of all draws.
        probability: That an id of the dictionary is replaced.
        cap: Largest share of the batch replaced.

    Returns:
        A new array of the same shape and type, and how many ids were replaced.
    """
    flat = ids.ravel()
    chosen = np.flatnonzero((generator.random(flat.size, dtype=np.float32) < probability) & dictionary.known[flat])
    budget = int(cap * flat.size)
    if len(chosen) > budget:
        chosen = np.sort(generator.choice(chosen, budget, replace=False, shuffle=False))
    new = flat.copy()
    new[chosen] = dictionary.draw(flat[chosen], generator)
    return new.reshape(ids.shape), len(chosen)


def permutation_of_ids(vocabulary: int, generator: np.random.Generator, keep: Sequence[int] = ()) -> NDArray[np.int64]:
    """[V] int64: a random bijection of ids without a fixed point but for those kept.

    Args:
        vocabulary: Number V of ids.
        generator: Source of the order.
        keep: Ids that stay what they are: [CLS], [SEP], padding and the like.
    """
    table = np.arange(vocabulary)
    moving = np.setdiff1d(table, np.asarray(keep, dtype=np.int64))
    circle = generator.permutation(moving)
    table[circle] = np.roll(circle, -1)
    return table


def permute_ids(ids: Ids, table: NDArray[np.int64]) -> Ids:
    """Replaces each id by its image under `permutation_of_ids`, or its best translation; same shape and type."""
    return table.astype(ids.dtype, copy=False)[ids]
