"""Streams as static vectors see them: runs of tokens that are not special, with counts, read from the disk in parts."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.trainer.data.pieces import Ints
from services.trainer.pretraining.streams import StreamSet

PART_TOKENS = 1 << 18
"""Tokens that are in memory at once, unless a single stream has more."""


@dataclass(frozen=True, eq=False)
class Part:
    """Some streams.

    Attributes:
        ids: [T] int64, without special tokens.
        runs: [T] int64, a number for each run: tokens of different runs are no context of one another.
    """

    ids: Ints
    runs: Ints

    def split(self) -> list[Ints]:
        """The tokens of each run, in order; none is empty."""
        return np.split(self.ids, np.flatnonzero(np.diff(self.runs)) + 1) if len(self.ids) else []


@dataclass(frozen=True, eq=False)
class Corpus:
    """All streams.

    Attributes:
        sets: The streams of each training set.
        special: [V] bool, the tokens that get no vector; a run ends with them.
        counts: [V] int64, how often each token occurs.
    """

    sets: Sequence[StreamSet]
    special: NDArray[np.bool_]
    counts: Ints

    @classmethod
    def of(cls, sets: Sequence[StreamSet], special: NDArray[np.bool_]) -> "Corpus":
        """Count the tokens of streams."""
        counts = np.zeros(len(special), dtype=np.int64)
        for part in cls(sets, special, counts).parts():
            counts += np.bincount(part.ids, minlength=len(special))
        return cls(sets, special, counts)

    @property
    def tokens(self) -> int:
        """Tokens, special ones aside."""
        return int(self.counts.sum())

    def parts(self) -> Iterator[Part]:
        """The streams in order, some at a time."""
        for each in self.sets:
            starts, first = each.starts, 0
            while first < len(starts) - 1:
                last = int(np.searchsorted(starts, starts[first] + PART_TOKENS, side="right")) - 1
                last = max(last, first + 1)
                yield self._part(each, first, last)
                first = last

    def _part(self, streams: StreamSet, first: int, last: int) -> Part:
        begin, end = int(streams.starts[first]), int(streams.starts[last])
        ids = np.asarray(streams.ids[begin:end], dtype=np.int64)
        stream = np.repeat(np.arange(last - first), np.diff(streams.starts[first : last + 1]))
        special = self.special[ids]
        # A run ends with its stream, and at each special token.
        runs = np.cumsum(special) + stream
        return Part(ids[~special], runs[~special])

    def runs(self) -> Iterator[Ints]:
        """The tokens of each run, in order; none is empty."""
        for part in self.parts():
            yield from part.split()
