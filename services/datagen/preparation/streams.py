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


def streams(
    lines: Iterable[NDArray[np.int32]], length: int, *, separator: int | None = None, padding: int | None = None
) -> Iterator[Stream]:
    """Joins lines and cuts them into streams of N tokens (Conneau & Lample 2019, section 5.1: N = 256).

    Args:
        lines: [T] ids of each line, read lazily.
        length: N.
        separator: Id put after each line; none where None.
        padding: Id that fills the last stream; where None what does not fill one is left out.

    Raises:
        InvalidArgument: N is below 1.
    """
    if length < 1:
        raise InvalidArgument("length", f"Expected a length of at least 1, but got {length}")
    end = np.array([] if separator is None else [separator], dtype=np.int32)
    held: list[NDArray[np.int32]] = []
    size = 0
    for line in lines:
        held += [line, end]
        size += len(line) + len(end)
        if size >= length:
            joined = np.concatenate(held).astype(np.int32, copy=False)
            whole = size - size % length
            for start in range(0, whole, length):
                yield Stream(joined[start : start + length], length)
            held, size = [joined[whole:]], size - whole
    if size and padding is not None:
        ids = np.full(length, padding, dtype=np.int32)
        ids[:size] = np.concatenate(held)
        yield Stream(ids, size)
