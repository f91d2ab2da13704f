"""The messages of a client, read with a limit on its silence."""

import asyncio
from contextlib import suppress
from typing import Any, Final

import grpc

from services.runtime.callers.accounts import Account
from services.runtime.errors import InvalidArgument, LimitExceeded
from services.runtime.rpc.inbox import Received

_READ_OUT_SECONDS: Final = 0.2
_READ_OUT_AT_ONCE: Final = 8


class Incoming:
    """A stream of messages. One that stays silent while it is waited for is refused, so that it gives its place back.

    It reads from the context: the iterator that gRPC passes beside it is a generator, which cannot go on after a wait
    that was given up.

    Args:
        context: gRPC context of the RPC.
        idle_seconds: Longest wait for one of them. The time that a handler takes between two of them does not count.
        received: What reads their bytes.

    Attributes:
        account: Account of the caller: a stream is not read from while a minute's amount is used up.
    """

    def __init__(self, context: Any, idle_seconds: float, received: Received) -> None:
        self.account: Account | None = None
        self._context = context
        self._idle_seconds = idle_seconds
        self._received = received
        self._ended = False

    def __aiter__(self) -> "Incoming":
        return self

    async def __anext__(self) -> Any:
        return await self._received.read(await self.bytes())

    async def bytes(self) -> bytes:
        """The bytes of the next message.

        Raises:
            StopAsyncIteration: There is none.
            LimitExceeded: It does not come in time.
        """
        if self._ended:
            raise StopAsyncIteration
        if self.account is not None:
            await self.account.ready(self._idle_seconds)
        try:
            async with asyncio.timeout(self._idle_seconds) as limit:
                message = await self._context.read()
        except TimeoutError:
            if not limit.expired():
                raise
            raise LimitExceeded(
                "idle_seconds",
                f"Expected the next message, or the stream's end, within {self._idle_seconds:g} s, but got nothing",
            ) from None
        if message is grpc.aio.EOF:
            self._ended = True
            raise StopAsyncIteration
        return bytes(message)

    async def only(self) -> Any:
        """The message of an RPC that has one.

        Raises:
            InvalidArgument: There is none.
            LimitExceeded: It does not come in time.
        """
        try:
            return await anext(self)
        except StopAsyncIteration:
            raise InvalidArgument("request", "Expected one message, but the stream ended without any") from None


class Outlet:
    """Takes what refused clients are about to send anyway, for a moment.

    A client that is cut off while it writes may never see why: grpc.aio shows its own failure to write in place of the
    status (grpc issue 36066). Most refused streams are short, and end by themselves. Only a few are read out at once:
    what they send is held in memory for a moment, and nobody has counted it.
    """

    def __init__(self) -> None:
        self._open = 0

    async def read(self, messages: Incoming) -> None:
        """Reads and forgets, where not too many others do."""
        if self._open >= _READ_OUT_AT_ONCE:
            return
        self._open += 1
        try:
            with suppress(Exception):  # their end, and whatever is wrong with them too: they were refused already
                async with asyncio.timeout(_READ_OUT_SECONDS):
                    while True:
                        await messages.bytes()
        finally:
            self._open -= 1
