"""Heavy work beside the event loop: generators stepped in threads, stopped when nobody waits for them any more."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from services.metrics.estimates.estimates import Check

Item = TypeVar("Item")

_END: Final = object()


class Stopped(Exception):
    """The work was stopped: nobody waits for it."""


class Workers:
    """Threads for measuring.

    Args:
        threads: Requests measured at once; others wait their turn between units of work.
    """

    def __init__(self, threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="measure")

    async def run(self, make: Callable[[Check], Iterator[Item]]) -> AsyncGenerator[Item, None]:
        """Steps a generator in a thread.

        Args:
            make: From a check to the generator; the check raises `Stopped` once this generator is closed.

        Yields:
            What the generator yields.
        """
        gone = threading.Event()

        def check() -> None:
            if gone.is_set():
                raise Stopped

        work = make(check)
        loop = asyncio.get_running_loop()
        try:
            while True:
                item = await loop.run_in_executor(self._pool, next, work, _END)
                if item is _END:
                    return
                yield item  # type: ignore[misc]
        finally:
            # A step under way ends at its next check; the thread is free again then.
            gone.set()

    async def call(self, work: Callable[[], Item]) -> Item:
        """Runs a function in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    async def close(self) -> None:
        """Lets running steps end and releases the threads."""
        await asyncio.to_thread(self._pool.shutdown, cancel_futures=True)
