import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from babelscope.v1 import encoder_pb2, text_pb2

from services.runtime.errors import InvalidArgument, LimitExceeded
from services.runtime.streams import Writer, first, later

SPEC = encoder_pb2.EncodeRequest(spec=encoder_pb2.EncodeSpec(layers=[1]))
TEXTS = encoder_pb2.EncodeRequest(texts={"texts": [text_pb2.Text(id="a")]})
EMPTY = encoder_pb2.EncodeRequest()


async def _stream(*messages: Any) -> AsyncIterator[Any]:
    for message in messages:
        yield message


class Context:
    """A call whose client reads when it is told to."""

    def __init__(self, *, reads: bool = True) -> None:
        self.reading = asyncio.Event()
        self.writing = asyncio.Event()
        self.begun: list[Any] = []
        self.taken: list[Any] = []
        if reads:
            self.reading.set()

    async def write(self, message: Any) -> None:
        self.begun.append(message)
        self.writing.set()
        await self.reading.wait()
        self.taken.append(message)


async def test_the_first_message_is_the_specification() -> None:
    messages = _stream(SPEC, TEXTS)
    assert (await first(messages)).layers == [1]
    assert [message async for message in messages] == [TEXTS]


@pytest.mark.parametrize(
    ("messages", "got"),
    [([], "the stream ended without any"), ([TEXTS, SPEC], "got `texts`"), ([EMPTY], "got an empty message")],
)
async def test_another_first_message_is_refused(messages: list[Any], got: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        await first(_stream(*messages))
    assert caught.value.field == "spec"
    assert caught.value.problem.startswith("Expected `spec` in the first message, but ")
    assert caught.value.problem.endswith(got)


def test_later_messages_carry_one_kind() -> None:
    assert later(TEXTS, "texts").texts[0].id == "a"
    for message, got in ((SPEC, "`spec`"), (EMPTY, "an empty message")):
        with pytest.raises(InvalidArgument) as caught:
            later(message, "texts")
        assert caught.value.field == "texts"
        assert caught.value.problem == f"Expected `texts` after the first message, but got {got}"


async def test_messages_are_written_one_at_a_time() -> None:
    context = Context(reads=False)
    writer = Writer(context)
    writes = [asyncio.create_task(writer.write(number)) for number in range(3)]
    for _ in range(20):
        await asyncio.sleep(0)
    assert context.begun == [0]
    context.reading.set()
    await asyncio.gather(*writes)
    assert context.taken == [0, 1, 2]


async def test_a_write_under_way_ends_although_its_writer_is_cancelled() -> None:
    context = Context(reads=False)
    write = asyncio.create_task(Writer(context).write("message"))
    await context.writing.wait()
    write.cancel()
    await asyncio.sleep(0)
    assert not write.done()
    context.reading.set()
    with pytest.raises(asyncio.CancelledError):
        await write
    assert context.taken == ["message"]


async def test_a_client_that_does_not_read_loses_its_stream() -> None:
    context = Context(reads=False)
    with pytest.raises(LimitExceeded, match=r"read its answers within 0\.01 s") as caught:
        await Writer(context, 0.01).write("message")
    assert caught.value.subject == "read_seconds"
    context.reading.set()
    await asyncio.sleep(0)
    assert context.taken == []


async def test_an_error_of_the_call_reaches_the_writer() -> None:
    class Broken(Context):
        async def write(self, message: Any) -> None:
            raise ConnectionError(message)

    with pytest.raises(ConnectionError, match="gone"):
        await Writer(Broken()).write("gone")
