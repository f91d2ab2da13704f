"""What the streaming methods of every service share: the first message of a request, the writing of an answer."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from services.runtime.errors import InvalidArgument, LimitExceeded


async def first(messages: AsyncIterator[Any]) -> Any:
    """The specification, which the first message of a stream carries.

    Args:
        messages: Messages with a `oneof message`, one of whose fields is `spec`.

    Raises:
        InvalidArgument: The first message carries something else, or there is none.
    """
    async for message in messages:
        which = message.WhichOneof("message")
        if which != "spec":
            got = f"`{which}`" if which else "an empty message"
            raise InvalidArgument("spec", f"Expected `spec` in the first message, but got {got}")
        return message.spec
    raise InvalidArgument("spec", "Expected `spec` in the first message, but the stream ended without any")


def later(message: Any, kind: str) -> Any:
    """The content of a message after the first one.

    Args:
        message: A message with a `oneof message`.
        kind: Field of it that messages after the first one carry: `texts`.

    Raises:
        InvalidArgument: It carries something else.
    """
    which = message.WhichOneof("message")
    if which == kind:
        return getattr(message, kind)
    got = f"`{which}`" if which else "an empty message"
    raise InvalidArgument(kind, f"Expected `{kind}` after the first message, but got {got}")


class Writer:
    """Writes the messages of one answer to a client that may not read, one message at a time.

    Args:
        context: Context of the call.
        read_seconds: Time that the client has to take a message; no limit where None.
    """

    def __init__(self, context: Any, read_seconds: float | None = None) -> None:
        self._context = context
        self._read_seconds = read_seconds
        self._lock = asyncio.Lock()

    async def write(self, message: Any) -> None:
        """Writes a message to its end, also where the task that writes is cancelled meanwhile.

        Raises:
            LimitExceeded: The client did not take the message in time.
        """
        async with self._lock:
            write = asyncio.ensure_future(self._context.write(message))
            try:
                done, _ = await asyncio.wait([write], timeout=self._read_seconds)
            except asyncio.CancelledError:
                # A failure elsewhere in the request cancels the tasks that tell of its progress. A write given up
                # half-way would still occupy the stream: gRPC could not send the status, and the client would wait for
                # ever. Where the client has gone or its deadline has passed, the write ends at once, with an error.
                await asyncio.wait([write])
                _noted(write)
                raise
            if not done:
                write.cancel()
                await asyncio.wait([write])
                _noted(write)
                raise LimitExceeded(
                    "read_seconds",
                    f"Expected the client to read its answers within {self._read_seconds:g} s, but it did not",
                )
            write.result()


def _noted(write: "asyncio.Future[Any]") -> None:
    """Looks at how a write ended, which nobody waits for any more."""
    if not write.cancelled():
        write.exception()
