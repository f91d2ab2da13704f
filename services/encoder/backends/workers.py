"""Threads that run one chunk each on one core.

One-thread workers side by side waste less than one computation spread over the cores: no barrier after every kernel,
and each core's cache holds its own chunk. A single chunk (one text) runs spread over all cores instead.
"""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TypeVar

import torch

Item = TypeVar("Item")

_torch_threads_lock = threading.Lock()


def _start_pool(workers: int, torch_threads: int) -> ThreadPoolExecutor:
    """Threads in which torch uses so many threads of its own. The caller's setting is left as it was."""
    started = threading.Barrier(workers + 1)

    def initialise() -> None:
        # Asking first makes torch initialise the thread, which would otherwise undo the setting at the first kernel.
        torch.get_num_threads()
        torch.set_num_threads(torch_threads)
        # Some activations pass through numbers below 1e-38, on which processors are four times slower.
        torch.set_flush_denormal(True)
        started.wait()

    with _torch_threads_lock:
        before = torch.get_num_threads()
        pool = ThreadPoolExecutor(workers, thread_name_prefix=f"encoder-{torch_threads}", initializer=initialise)
        for _ in range(workers):
            pool.submit(int)
        started.wait()
        # The setting is a thread's own, but the last one set is also what threads born later begin with.
        torch.set_num_threads(before)
    return pool


class Workers:
    """A fixed number of computing threads.

    Args:
        threads: Cores to use.
    """

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self._narrow = _start_pool(threads, 1)
        self._wide = _start_pool(1, threads) if threads > 1 else self._narrow

    def run(self, work: Callable[[Item], None], items: Sequence[Item]) -> None:
        """Do the work for all items, in parallel; the first error, if any, is raised once all have ended."""
        pool = self._wide if len(items) == 1 else self._narrow
        pending = [pool.submit(work, item) for item in items]
        wait(pending)
        for future in pending:
            future.result()

    def close(self) -> None:
        """End the threads once their work is done."""
        self._narrow.shutdown()
        self._wide.shutdown()
