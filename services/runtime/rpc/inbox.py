"""What clients send, from bytes to messages: parsed beside the event loop, and its memory bounded for the whole server.

A message is weighed before it is parsed, and waits while those that are being worked on leave no room for it. Raw bytes
that wait are bounded by the streams and the longest message; what HTTP/2 takes in before anybody reads is bounded by
its window.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

from services.runtime.errors import InvalidArgument, LimitExceeded
from services.runtime.rpc.parts import PART_BYTES, Parts

SETTING: Final = "received_bytes"
BYTES_A_PART: Final = 16
"""A message of the longest length may have a part for so many bytes of it; a shorter one as many parts."""

_LIGHT: Final = 4 << 10
"""Longest message that is not weighed."""
_SHORT: Final = 64 << 10
"""Longest message that is parsed on the event loop."""


@dataclass(frozen=True)
class Form:
    """How the messages of a method are read.

    Attributes:
        method: Name of the method.
        decode: Function from bytes to a message.
        parts: What counts the messages within a message; None where there are none.
    """

    method: str
    decode: Callable[[bytes], Any]
    parts: Parts | None

    @classmethod
    def of(cls, method: str, decode: Callable[[bytes], Any] | None) -> "Form":
        """The form of a method with a handler's deserialiser."""
        descriptor = getattr(getattr(decode, "__self__", None), "DESCRIPTOR", None)
        return cls(method, decode or bytes, None if descriptor is None else Parts(descriptor))

    def read(self, data: bytes) -> Any:
        """A message from its bytes.

        Raises:
            InvalidArgument: They are none.
        """
        try:
            return self.decode(data)
        except MemoryError:  # this server's trouble, which the client's bytes are not to blame for
            raise
        except Exception as error:  # a client's bytes may break a parser in any way
            raise InvalidArgument("request", f"Expected a message of {self.method}: {error}") from None


class Inbox:
    """A server's room for messages that are being parsed and worked on.

    Args:
        capacity: Bytes that they may take together.
        max_message_bytes: Longest message.
        wait_seconds: Longest wait of a message for room.

    Attributes:
        used: Bytes that are taken.
    """

    def __init__(self, capacity: int, *, max_message_bytes: int, wait_seconds: float) -> None:
        self.capacity = capacity
        # No client may take all of it, as with streams.
        self.share = capacity - capacity // 4
        self.max_message_bytes = max_message_bytes
        self.max_parts = max_message_bytes // BYTES_A_PART
        self.used = 0
        self._wait_seconds = wait_seconds
        self._of: Counter[str] = Counter()
        self._waiting: list[tuple[str, int, asyncio.Future[None]]] = []
        self._parser = ThreadPoolExecutor(1, thread_name_prefix="parse")

    def close(self) -> None:
        """Releases the thread."""
        self._parser.shutdown(wait=False, cancel_futures=True)

    async def run(self, work: Callable[[bytes], Any], data: bytes) -> Any:
        """Calls what reads a message: in the thread, one after the other, unless the message is short."""
        if len(data) <= _SHORT:
            return work(data)
        return await asyncio.get_running_loop().run_in_executor(self._parser, work, data)

    async def take(self, client: str, amount: int) -> int:
        """Takes room, and waits for it; returns how much was taken: never more than a client may have.

        Raises:
            LimitExceeded: There was none in time.
        """
        amount = min(amount, self.share)
        if self._fits(client, amount):
            self._grant(client, amount)
            return amount
        granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry = (client, amount, granted)
        self._waiting.append(entry)
        try:
            async with asyncio.timeout(self._wait_seconds):
                await granted
        except BaseException as error:
            if entry in self._waiting:
                self._waiting.remove(entry)
            elif not granted.cancelled():  # the room came at the moment at which the wait was given up
                self.give(client, amount)
            if not isinstance(error, TimeoutError):
                raise
            raise LimitExceeded(
                SETTING,
                f"Expected messages under way that take at most {self.capacity} bytes together, {self.share} of one "
                f"client, but got one that needs {amount} more; send it again later",
                retry_after=1.0,
            ) from None
        return amount

    def give(self, client: str, amount: int) -> None:
        """Gives room back, and lets in those that wait for it and fit, in the order in which they came."""
        self.used -= amount
        self._of[client] -= amount
        if not self._of[client]:
            del self._of[client]
        for entry in list(self._waiting):
            who, wanted, granted = entry
            if not granted.done() and self._fits(who, wanted):
                self._waiting.remove(entry)
                self._grant(who, wanted)
                granted.set_result(None)

    def _fits(self, client: str, amount: int) -> bool:
        return self.used + amount <= self.capacity and self._of[client] + amount <= self.share

    def _grant(self, client: str, amount: int) -> None:
        self.used += amount
        self._of[client] += amount


class Received:
    """The messages of one RPC.

    The first one is taken to be at hand until the end, as what it asks for is; of the others the last, until the next
    one is read.

    Args:
        inbox: Room of the server.
        form: How they are read.
        client: Client that sends them.
    """

    def __init__(self, inbox: Inbox, form: Form, client: str) -> None:
        self._inbox = inbox
        self._form = form
        self._client = client
        self._taken: list[int] = []

    async def read(self, data: bytes) -> Any:
        """A message from its bytes.

        Raises:
            InvalidArgument: They are no message.
            LimitExceeded: It is too long, or has too many parts, or there is no room for it.
        """
        most = self._inbox.max_message_bytes
        if len(data) > most:
            problem = f"Expected a message of at most {most} bytes, but got {len(data)}"
            raise LimitExceeded("max_message_bytes", problem)
        if len(self._taken) > 1:
            self._inbox.give(self._client, self._taken.pop())
        weight = await self._inbox.run(self._weigh, data) if len(data) > _LIGHT else 0
        self._taken.append(await self._inbox.take(self._client, weight) if weight else 0)
        return await self._inbox.run(self._form.read, data)

    def close(self) -> None:
        """Gives back what is taken."""
        while self._taken:
            self._inbox.give(self._client, self._taken.pop())

    def _weigh(self, data: bytes) -> int:
        """Bytes that a message will take: as such, and as what it is parsed into."""
        parts = self._form.parts.count(data, self._inbox.max_parts) if self._form.parts is not None else 0
        if parts > self._inbox.max_parts:
            problem = f"Expected at most {self._inbox.max_parts} messages within a message, but got more"
            raise LimitExceeded("max_message_bytes", problem)
        return 2 * len(data) + PART_BYTES * parts
