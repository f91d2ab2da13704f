"""The answers of a stream, written with a limit on the time that the client has to read them."""

import asyncio
from typing import Any, Final

import grpc
from google.protobuf.message import Message

from services.runtime.errors import LimitExceeded

_STATUS_SECONDS: Final = 1.0
"""Time that a call waits for its status to be sent. What is not sent by then is sent when the client reads."""


class Outgoing:
    """The context of a call whose answer is a stream. A client that does not read its answers loses the stream.

    Messages are written one at a time, whichever tasks of the handler write them. All else is the context's own.

    Args:
        context: gRPC context of the call.
        read_seconds: Longest wait until the client has taken a message.
        max_message_bytes: Longest message.
    """

    def __init__(self, context: Any, read_seconds: float, max_message_bytes: int) -> None:
        self._context = context
        self._read_seconds = read_seconds
        self._max_message_bytes = max_message_bytes
        self._turn = asyncio.Lock()
        self._begun = False
        self._given_up = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)

    async def write(self, message: Message | bytes) -> None:
        """Writes a message to its end, also where the task that writes is cancelled meanwhile.

        Args:
            message: A message of the answer.

        Raises:
            LimitExceeded: The client did not take this message, or an earlier one, in time; or it is too long.
        """
        data = laid_out(message, self._max_message_bytes)
        async with self._turn:
            if self._given_up:
                raise self._unread()
            write = asyncio.ensure_future(self._send(data))
            try:
                await self._ended(write)
            except asyncio.CancelledError:
                # A failure elsewhere in the request cancels the tasks that tell of its progress. A write given up
                # half-way would still occupy the stream: gRPC could not send the status before the client has read it.
                # Where the client has gone or its deadline has passed, the write ends at once, with an error.
                await self._ended(write)
                if not write.cancelled():
                    write.exception()  # nobody else looks at it
                raise
            if self._given_up:
                raise self._unread()
            write.result()

    async def abort(self, code: grpc.StatusCode, details: str = "", trailing_metadata: tuple[Any, ...] = ()) -> None:
        """Ends the call with a status, without waiting long for a client that does not read.

        The status stands behind the messages that are on their way. gRPC keeps it with them until the client reads or
        its connection ends; the call itself holds nothing of the service by then.

        Args:
            code: Status of the call.
            details: Text of the status.
            trailing_metadata: Metadata that is sent with the status.

        Raises:
            AbortError: Always.
        """
        try:
            async with asyncio.timeout(_STATUS_SECONDS):
                await self._context.abort(code, details, trailing_metadata)
        except TimeoutError:
            # The call is aborted, and gRPC insists on its own error: whatever is asked of the context raises it now.
            await self._context.read()

    async def _send(self, data: bytes) -> None:
        """Sends a message, the first one after the metadata.

        gRPC would send the two together and, where that is given up, the metadata once more with the status, which its
        core refuses: the client would never be told. The metadata alone does not wait for the client.
        """
        if not self._begun:
            self._begun = True
            await self._context.send_initial_metadata(())
        await self._context.write(data)

    async def _ended(self, write: "asyncio.Future[Any]") -> None:
        """Waits until a write has ended, and gives it up where the client does not read."""
        done, _ = await asyncio.wait([write], timeout=self._read_seconds)
        if not done:
            self._given_up = True
            write.cancel()
            await asyncio.wait([write])

    def _unread(self) -> LimitExceeded:
        return LimitExceeded(
            "read_seconds",
            f"Expected the client to read its answers within {self._read_seconds:g} s, but it did not",
        )


def laid_out(message: Message | bytes, most: int) -> bytes:
    """The bytes of an answer. One that gRPC would not send is refused in words that tell what to ask for instead.

    Args:
        message: A message, or its bytes.
        most: Longest message.

    Raises:
        LimitExceeded: It is longer.
    """
    data: bytes = message.SerializeToString() if isinstance(message, Message) else message
    if len(data) > most:
        raise LimitExceeded(
            "max_message_bytes",
            f"Expected messages of at most {most} bytes, but one of the answer needs {len(data)}; ask for less at "
            "once, or send shorter texts",
        )
    return data
