"""Threads that work side by side, each on a part of its own and on one core.

One product at a time spread over the cores waits for its slowest part after every step, for long where other processes
want the cores as well; parts side by side wait once, at the end.
"""

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Final, TypeVar

import torch

Item = TypeVar("Item")
Found = TypeVar("Found")

_MOST: Final = 32
"""Threads, at most: each holds a few tiles."""

_lock = threading.Lock()


class Crew:
    """Threads for the parts of one piece of work.

    Args:
        pool: Pool of `size` + 1 threads, of which one hands out the parts; None to work in the caller's thread.
        size: Number of threads that work at once.
    """

    def __init__(self, pool: ThreadPoolExecutor | None, size: int) -> None:
        self._pool = pool
        self.size = size

    def lead(self, work: Callable[[], Found]) -> Found:
        """What the work gives that hands out the parts: it runs in a thread like theirs."""
        return work() if self._pool is None else self._pool.submit(work).result()

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
    size = min(torch.get_num_threads(), _MOST)
    if device.type != "cpu" or size == 1:
        yield ALONE
        return
    with _start(size + 1) as pool:
        yield Crew(pool, size)


def _start(size: int) -> ThreadPoolExecutor:
    """Threads in which torch uses one core each; what it uses elsewhere stays as it was."""
    started = threading.Barrier(size + 1)

    def initialise() -> None:
        # Asking first makes torch initialise the thread, which would otherwise undo the setting at the first product.
        torch.get_num_threads()
        torch.set_num_threads(1)
        started.wait()

    with _lock:
        before = torch.get_num_threads()
        pool = ThreadPoolExecutor(size, thread_name_prefix="retrieve", initializer=initialise)
        for _ in range(size):
            pool.submit(int)
        started.wait()
        # The setting is a thread's own, but the last one set is also what threads born later begin with.
        torch.set_num_threads(before)
    return pool
