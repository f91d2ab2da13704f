"""The bytes that a store may hold.

What is there is counted anew once a minute, and what this process writes meanwhile is added: several servers share a
store, and none of them knows what the others write.
"""

import threading
import time
from collections.abc import Callable
from typing import Final

from services.runtime.errors import LimitExceeded

SETTING: Final = "store_bytes"
COUNT_SECONDS: Final = 60.0


class Quota:
    """The limit of one store. It may be used from any thread.

    Args:
        limit: Largest number of bytes.
        count: Function that counts the bytes that are there.
        clock: Seconds, monotonic.
    """

    def __init__(self, limit: int, count: Callable[[], int], clock: Callable[[], float] = time.monotonic) -> None:
        self.limit = limit
        self._count, self._clock = count, clock
        self._lock = threading.Lock()
        self._used = 0
        self._at: float | None = None

    def check(self, wanted: int) -> None:
        """Refuses an object for which there is no room. A server that is refused counts again before it says so.

        Args:
            wanted: Bytes of the object, as far as they are known.

        Raises:
            LimitExceeded: It says how much there is, and how much there may be.
        """
        with self._lock:
            if self._at is None or self._clock() - self._at > COUNT_SECONDS or self._used + wanted > self.limit:
                self._used, self._at = self._count(), self._clock()
            if self._used + wanted > self.limit:
                raise LimitExceeded(
                    SETTING,
                    f"Expected a store of at most {self.limit} bytes, but it holds {self._used} and this needs "
                    f"{wanted} more; remove datasets that nobody needs, or see `babelscope store prune`",
                )

    def added(self, amount: int) -> None:
        """Counts what was written."""
        with self._lock:
            self._used += amount
