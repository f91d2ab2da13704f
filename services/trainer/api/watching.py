"""Tells those who watch a job that something happened to it."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Iterator


class Notices:
    """Wakes watchers from any thread. A notice says that there is something to read, not what."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._watchers: defaultdict[str, set[asyncio.Event]] = defaultdict(set)

    def bind(self) -> None:
        """Binds to the running event loop, in which all watchers are."""
        self._loop = asyncio.get_running_loop()

    def notify(self, job: str) -> None:
        """Wakes all who watch a job; called from any thread."""
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody watches any more
                self._loop.call_soon_threadsafe(self._wake, job)

    @contextlib.contextmanager
    def watch(self, job: str) -> Iterator[asyncio.Event]:
        """An event that is set at each notice of a job; whoever waits for it clears it."""
        event = asyncio.Event()
        self._watchers[job].add(event)
        try:
            yield event
        finally:
            self._watchers[job].discard(event)
            if not self._watchers[job]:
                del self._watchers[job]

    def _wake(self, job: str) -> None:
        for event in self._watchers.get(job, ()):
            event.set()
