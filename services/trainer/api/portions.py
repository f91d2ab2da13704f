"""Examples of a stream in portions, read on the event loop: a client that is slow or silent holds no thread."""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import Final

from babelscope.v1 import text_pb2, trainer_pb2

from services.runtime.memory import ENTRY, Memory
from services.runtime.streams import later
from services.trainer.serving.predictions import PORTION

PORTION_BYTES: Final = 256 << 10
"""Bytes after which a portion ends before it has all its examples."""
_TOKEN_BYTES: Final = 64
"""Bytes that are kept for each byte of text once it is cut, where each is a token."""


async def portions(
    messages: AsyncIterator[trainer_pb2.PredictRequest], memory: Memory
) -> AsyncGenerator[Sequence[text_pb2.Example], None]:
    """Yields portions; none where the stream is empty.

    Args:
        messages: What follows the specification.
        memory: Bytes that requests hold, from which those of a portion are taken until it is answered.

    Raises:
        InvalidArgument: A message is no example.
        LimitExceeded: The server holds too much already.
    """
    with memory.account() as account:
        portion: list[text_pb2.Example] = []
        async for message in messages:
            example = later(message, "example")
            account.take(_weight(example))
            portion.append(example)
            if len(portion) >= PORTION or account.held >= PORTION_BYTES:
                yield portion
                portion = []
                account.give(account.held)
        if portion:
            yield portion


def tokens_weight(portion: Sequence[text_pb2.Example]) -> int:
    """Bytes that the tokens of some examples may take; the tokenizer counts its own."""
    return _TOKEN_BYTES * sum(example.ByteSize() for example in portion)


def _weight(example: text_pb2.Example) -> int:
    """Bytes of an example as a message and as what is read from it, about."""
    parts = 1 + len(example.sentence.words) + len(example.question.answers) + len(example.attributes)
    return 2 * example.ByteSize() + ENTRY * parts
