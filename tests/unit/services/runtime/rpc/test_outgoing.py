"""Answers that a client does not read: who writes them is never left waiting."""

import asyncio
from typing import Any

import pytest
from babelscope.v1 import text_pb2

from services.runtime.errors import LimitExceeded
from services.runtime.rpc.outgoing import Outgoing

LONG = 250.0


class Context:
    """A call whose client reads when it is told to."""

    def __init__(self) -> None:
        self.reading = asyncio.Event()
        self.writing = asyncio.Event()
        self.begun: list[Any] = []
        self.metadata = 0
        self.taken: list[Any] = []

    def peer(self) -> str:
        return "ipv4:127.0.0.1:1"

    async def send_initial_metadata(self, metadata: tuple[Any, ...]) -> None:
        assert metadata == ()
        self.metadata += 1
        assert self.begun == []

    async def write(self, message: Any) -> None:
        self.begun.append(message)
        self.writing.set()
        await self.reading.wait()
        self.taken.append(message)


async def test_all_else_is_the_contexts_own() -> None:
    assert Outgoing(Context(), LONG, 100).peer() == "ipv4:127.0.0.1:1"


async def test_messages_are_written_one_at_a_time() -> None:
    context = Context()
    outgoing = Outgoing(context, LONG, 100)
    writes = [asyncio.create_task(outgoing.write(bytes([number]))) for number in range(3)]
    for _ in range(20):
        await asyncio.sleep(0)
    assert context.begun == [b"\0"]
    context.reading.set()
    await asyncio.gather(*writes)
    assert context.taken == [b"\0", b"\1", b"\2"]
    assert context.metadata == 1


async def test_a_write_under_way_ends_although_its_writer_is_cancelled() -> None:
    context = Context()
    outgoing = Outgoing(context, LONG, 100)
    write = asyncio.create_task(outgoing.write(b"message"))
    await context.writing.wait()
    write.cancel()
    await asyncio.sleep(0)
    assert not write.done()
    context.reading.set()
    with pytest.raises(asyncio.CancelledError):
        await write
    await outgoing.write(b"another")
    assert context.taken == [b"message", b"another"]


async def test_a_client_that_does_not_read_loses_its_stream() -> None:
    context = Context()
    outgoing = Outgoing(context, 0.01, 100)
    first, second = (asyncio.create_task(outgoing.write(bytes([number]))) for number in range(2))
    for write in (first, second):
        with pytest.raises(LimitExceeded, match=r"read its answers within 0\.01 s") as caught:
            await write
        assert caught.value.subject == "read_seconds"
    context.reading.set()
    await asyncio.sleep(0)
    assert (context.begun, context.taken) == ([b"\0"], [])


async def test_a_cancelled_writer_does_not_wait_for_ever() -> None:
    context = Context()
    outgoing = Outgoing(context, 0.01, 100)
    write = asyncio.create_task(outgoing.write(b"message"))
    await context.writing.wait()
    write.cancel()
    with pytest.raises(asyncio.CancelledError):
        await write
    with pytest.raises(LimitExceeded):
        await outgoing.write(b"another")
    assert (context.begun, context.taken) == ([b"message"], [])


async def test_an_error_of_the_call_reaches_the_writer() -> None:
    class Broken(Context):
        async def write(self, message: Any) -> None:
            raise ConnectionError(message)

    with pytest.raises(ConnectionError, match="gone"):
        await Outgoing(Broken(), LONG, 100).write(b"gone")


@pytest.mark.parametrize("message", [b"x" * 101, text_pb2.Text(text="x" * 99)])
async def test_answers_that_are_too_long_are_refused_before_grpc_does(message: Any) -> None:
    context = Context()
    context.reading.set()
    outgoing = Outgoing(context, LONG, 100)
    with pytest.raises(
        LimitExceeded, match="at most 100 bytes, but one of the answer needs 101; ask for less"
    ) as caught:
        await outgoing.write(message)
    assert caught.value.subject == "max_message_bytes"
    await outgoing.write(b"x" * 100)
    assert context.taken == [b"x" * 100]
