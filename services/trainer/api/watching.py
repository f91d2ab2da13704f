"""Tells those who watch a job that something happened to it."""

import asyncio
import contextlib
from collections import Counter, defaultdict
from collections.abc import Iterator

from services.runtime.errors import LimitExceeded


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


class Watchers:
    """The calls that watch jobs: so many at once, and no client has all of them.

    Args:
        most: Calls at once.
    """

    def __init__(self, most: int) -> None:
        self._most, self._share = most, max(1, most - most // 4)
        self._held: Counter[str] = Counter()

    @contextlib.contextmanager
    def place(self, client: str) -> Iterator[None]:
        """A place, held while a call runs.

        Args:
            client: Who calls.

        Raises:
            LimitExceeded: All are taken, or the client has its share of them.
        """
        if self._held.total() >= self._most:
            raise LimitExceeded(
                "max_watchers", f"Expected at most {self._most} calls of WatchJob at once", retry_after=1.0
            )
        if self._held[client] >= self._share:
            raise LimitExceeded(
                "max_watchers",
                f"Expected at most {self._share} of {self._most} calls of WatchJob at once from one client",
                retry_after=1.0,
            )
        self._held[client] += 1
        try:
            yield
        finally:
            self._held[client] -= 1
            if not self._held[client]:
                del self._held[client]
