"""Calls that need no token, or hold no place: bounded by themselves, as nothing else bounds them.

gRPC takes a whole message into memory once it is asked for one, however little is expected. Health checks are tiny and
lie right behind their headers, so that a few reads at once are enough. Where there are more, the longest one gives way:
clients that send bodies of megabytes, slowly or never, hold up nobody who asks for health.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from services.runtime.errors import InvalidArgument, LimitExceeded
from services.runtime.rpc.incoming import Incoming

READ_SECONDS: Final = 5.0
"""Time that a health check has to send its request."""
_READS: Final = 8
_LONGEST: Final = 4 << 10
"""Bytes of a request: the name of a service, with room to spare."""


class Reads:
    """Reads of health checks: a few at once."""

    def __init__(self) -> None:
        self._open: dict[asyncio.Future[bytes], None] = {}

    async def read(self, messages: Incoming) -> bytes:
        """The bytes of a request.

        Raises:
            InvalidArgument: There is none, or it is too long.
            LimitExceeded: It does not come in time, or others came while it was waited for.
        """
        reading = asyncio.ensure_future(messages.bytes())
        if len(self._open) >= _READS:
            oldest = next(iter(self._open))
            del self._open[oldest]
            oldest.cancel()
        self._open[reading] = None
        try:
            await asyncio.wait([reading])
        finally:
            self._open.pop(reading, None)
            reading.cancel()
        if reading.cancelled():
            problem = "Expected the request right behind its headers, but others came before it was there"
            raise LimitExceeded("health checks", problem, retry_after=1.0)
        try:
            data = reading.result()
        except StopAsyncIteration:
            raise InvalidArgument("request", "Expected one message, but the stream ended without any") from None
        if len(data) > _LONGEST:
            raise InvalidArgument("request", f"Expected a message of at most {_LONGEST} bytes, but got {len(data)}")
        return data


class Places:
    """So many calls of a kind at once, and no client has all of them.

    Args:
        most: Calls at once.
        setting: Name of the limit, for errors.
        calls: What is counted, for errors: "calls of WatchJob".
    """

    def __init__(self, most: int, setting: str, calls: str) -> None:
        self._most, self._share = most, max(1, most - most // 4)
        self._setting, self._calls = setting, calls
        self._held: Counter[str] = Counter()
        self._total = 0

    @contextmanager
    def place(self, client: str) -> Iterator[None]:
        """A place, held while a call runs.

        Args:
            client: Who calls.

        Raises:
            LimitExceeded: All are taken, or the client has its share of them.
        """
        if self._total >= self._most:
            problem = f"Expected at most {self._most} {self._calls} at once"
            raise LimitExceeded(self._setting, problem, retry_after=1.0)
        if self._held[client] >= self._share:
            problem = f"Expected at most {self._share} of {self._most} {self._calls} at once from one client"
            raise LimitExceeded(self._setting, problem, retry_after=1.0)
        self._total += 1
        self._held[client] += 1
        try:
            yield
        finally:
            self._total -= 1
            self._held[client] -= 1
            if not self._held[client]:
                del self._held[client]
