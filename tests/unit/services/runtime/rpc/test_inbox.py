"""Room for what clients send: taken before a message is parsed, shared among clients, given back whatever happens."""

import asyncio
import threading
from typing import Any

import pytest
from babelscope.v1 import text_pb2

from services.runtime.errors import InvalidArgument, LimitExceeded
from services.runtime.rpc.inbox import SETTING, Form, Inbox, Received

CAPACITY = 400_000


def inbox(wait_seconds: float = 60.0, max_message_bytes: int = 1 << 20) -> Inbox:
    return Inbox(CAPACITY, max_message_bytes=max_message_bytes, wait_seconds=wait_seconds)


def received(room: Inbox, client: str = "a", decode: Any = text_pb2.Sentence.FromString) -> Received:
    return Received(room, Form.of("Method", decode), client)


async def queued(room: Inbox) -> None:
    """Returns once somebody waits for room; the test's own time limit is the only clock."""
    while not room._waiting:  # noqa: ASYNC110 - what a list holds cannot be awaited
        await asyncio.sleep(0.005)


def sentence(letters: int) -> bytes:
    return text_pb2.Sentence(text="a" * letters).SerializeToString()


async def test_a_message_is_weighed_and_its_room_given_back() -> None:
    room = inbox()
    call = received(room)
    assert (await call.read(sentence(50_000))).text == "a" * 50_000
    first = room.used
    assert 100_000 <= first < 110_000
    await call.read(sentence(20_000))
    assert first + 40_000 <= room.used < first + 45_000
    await call.read(sentence(10_000))  # the second one is forgotten, the first one kept
    assert first + 20_000 <= room.used < first + 25_000
    call.close()
    assert room.used == 0


async def test_parts_weigh_more_than_their_bytes() -> None:
    room = inbox(max_message_bytes=1 << 17)
    call = received(room)
    await call.read(text_pb2.Sentence(words=[text_pb2.Word(form="a")] * 1500).SerializeToString())
    assert room.used >= 1500 * 192
    call.close()


@pytest.mark.parametrize(("size", "taken"), [(1000, False), (8000, True)])
async def test_short_messages_need_no_room(size: int, taken: bool) -> None:
    room = inbox()
    call = received(room)
    await call.read(sentence(size))
    assert (room.used > 0) is taken
    call.close()


async def test_one_waits_until_there_is_room() -> None:
    room = inbox()
    calls = [received(room, name) for name in "abc"]
    await calls[0].read(sentence(100_000))
    await calls[1].read(sentence(80_000))
    waiting = asyncio.ensure_future(calls[2].read(sentence(60_000)))
    await queued(room)
    assert room.used <= CAPACITY
    calls[0].close()
    assert (await waiting).text == "a" * 60_000
    for call in calls:
        call.close()
    assert room.used == 0


async def test_no_client_has_all_of_it() -> None:
    room = inbox()
    greedy, more, other = received(room, "a"), received(room, "a"), received(room, "b")
    await greedy.read(sentence(140_000))
    waiting = asyncio.ensure_future(more.read(sentence(30_000)))
    await queued(room)
    await other.read(sentence(40_000))  # comes later, and is let in
    assert not waiting.done()
    greedy.close()
    await waiting
    more.close()
    other.close()
    assert room.used == 0


async def test_what_finds_no_room_in_time_is_refused() -> None:
    room = inbox(wait_seconds=0.05)
    holder, late = received(room), received(room)
    await holder.read(sentence(140_000))
    with pytest.raises(LimitExceeded) as caught:
        await late.read(sentence(60_000))
    assert caught.value.subject == SETTING
    late.close()
    holder.close()
    assert room.used == 0
    assert not room._waiting


async def test_who_leaves_while_waiting_takes_nothing() -> None:
    room = inbox()
    holder, leaver = received(room), received(room)
    await holder.read(sentence(140_000))
    waiting = asyncio.ensure_future(leaver.read(sentence(60_000)))
    await queued(room)
    # Room comes at the very moment at which it leaves.
    holder.close()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    leaver.close()
    assert room.used == 0


async def test_a_message_larger_than_all_room_goes_in_alone() -> None:
    room = inbox()
    call = received(room)
    await call.read(sentence(900_000))
    assert room.used == room.share
    call.close()
    assert room.used == 0


async def test_long_messages_are_parsed_beside_the_loop() -> None:
    threads = []

    def decode(data: bytes) -> int:
        threads.append(threading.current_thread())
        return len(data)

    call = received(inbox(), decode=decode)
    await call.read(bytes(1000))
    await call.read(bytes(100_000))
    call.close()
    assert threads[0] is threading.main_thread()
    assert threads[1].name.startswith("parse")


async def test_a_server_out_of_memory_does_not_blame_the_message() -> None:
    def decode(data: bytes) -> int:
        raise MemoryError

    with pytest.raises(MemoryError):
        await received(inbox(), decode=decode).read(b"a")


@pytest.mark.parametrize("size", [10, 100_000])
async def test_bytes_that_are_no_message(size: int) -> None:
    room = inbox()
    call = received(room)
    with pytest.raises(InvalidArgument, match="a message of Method"):
        await call.read(b"\xff" * size)
    call.close()
    assert room.used == 0


async def test_too_long_and_too_many() -> None:
    room = inbox(max_message_bytes=200_000)
    call = received(room)
    with pytest.raises(LimitExceeded, match="at most 200000 bytes, but got 200001"):
        await call.read(bytes(200_001))
    words = text_pb2.Sentence(words=[text_pb2.Word()] * 60_000)
    with pytest.raises(LimitExceeded, match="at most 12500 messages within a message"):
        await call.read(words.SerializeToString())
    assert room.used == 0
