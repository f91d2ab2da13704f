"""What the streaming methods of every service share: the first message of a request, and the later ones."""

from collections.abc import AsyncIterator
from typing import Any

from services.runtime.errors import InvalidArgument


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
