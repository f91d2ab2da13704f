"""Lines of token ids as streams of one length, as pretraining takes them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.runtime.errors import InvalidArgument


@dataclass(frozen=True, eq=False)
class Stream:
    """So many tokens of running text.

    Attributes:
        ids: [N] int32.
        tokens: How many of them are text or separators; the rest is padding, in the last stream alone.
    """

    ids: NDArray[np.int32]
    tokens: int


class StreamCutter:
    """Joins lines and cuts them into streams of N tokens (Conneau & Lample 2019, section 5.1: N = 256).

    Args:
        length: N.
        separator: Id put after each line; none where None.

    Attributes:
        size: Tokens held, that did not fill a stream yet.

    Raises:
        InvalidArgument: N is below 1.
    """

    def __init__(self, length: int, *, separator: int | None = None) -> None:
        if length < 1:
            raise InvalidArgument("length", f"Expected a length of at least 1, but got {length}")
        self.size = 0
        self._length = length
        self._end = np.array([] if separator is None else [separator], dtype=np.int32)
        self._held: list[NDArray[np.int32]] = []

    def add(self, line: NDArray[np.int32]) -> Iterator[Stream]:
        """Yields the streams that a line [T] fills."""
        self._held += [line, self._end]
        self.size += len(line) + len(self._end)
        if self.size < self._length:
            return
        joined = np.concatenate(self._held).astype(np.int32, copy=False)
        whole = self.size - self.size % self._length
        self._held, self.size = [joined[whole:].copy()], self.size - whole
        for start in range(0, whole, self._length):
            yield Stream(joined[start : start + self._length], self._length)

    def rest(self, padding: int | None) -> Iterator[Stream]:
        """Yields what did not fill a stream, filled up with an id; nothing where that is None or nothing is left."""
        if self.size and padding is not None:
            ids = np.full(self._length, padding, dtype=np.int32)
            ids[: self.size] = np.concatenate(self._held)
            yield Stream(ids, self.size)


def streams(
    lines: Iterable[NDArray[np.int32]], length: int, *, separator: int | None = None, padding: int | None = None
) -> Iterator[Stream]:
    """Joins lines and cuts them into streams of N tokens.

    Args:
        lines: [T] ids of each line, read lazily.
        length: N.
        separator: Id put after each line; none where None.
        padding: Id that fills the last stream; where None what does not fill one is left out.

    Raises:
        InvalidArgument: N is below 1.
    """
    cutter = StreamCutter(length, separator=separator)
    for line in lines:
        yield from cutter.add(line)
    yield from cutter.rest(padding)
