"""Threads that work side by side, each on a part of its own and on one core.

One product at a time spread over the cores waits for its slowest part after every step, for long where other processes
want the cores as well; parts side by side wait once, at the end.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Final, TypeVar

import torch

Item = TypeVar("Item")
Found = TypeVar("Found")

_MOST: Final = 32
"""Threads, at most: each holds a few tiles."""


class Crew:
    """Threads for the parts of one piece of work.

    Args:
        pool: Of threads; None to work in the caller's own.
        size: How many work at once.
    """

    def __init__(self, pool: ThreadPoolExecutor | None, size: int) -> None:
        self._pool = pool
        self.size = size

    def map(self, work: Callable[[Item], Found], items: Iterable[Item]) -> list[Found]:
        """What the work gives for each item, in order; the first error ends it."""
        if self._pool is None:
            return [work(item) for item in items]
        pending = [self._pool.submit(work, item) for item in items]
        try:
            return [future.result() for future in pending]
        finally:
            for future in pending:
                future.cancel()


ALONE: Final = Crew(None, 1)
"""The caller's own thread."""


@contextmanager
def crew_for(device: torch.device) -> Iterator[Crew]:
    """As many threads as torch would use; on a GPU the caller's alone."""
    before = torch.get_num_threads()
    size = min(before, _MOST)
    if device.type != "cpu" or size == 1:
        yield ALONE
        return
    # The setting is the caller's own, and what threads begin with that are born while it holds.
    torch.set_num_threads(1)
    try:
        with ThreadPoolExecutor(size, thread_name_prefix="retrieve") as pool:
            yield Crew(pool, size)
    finally:
        torch.set_num_threads(before)
