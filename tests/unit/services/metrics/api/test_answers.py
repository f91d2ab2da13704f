"""What the door writes: one message at a time, each to its end."""

import asyncio
from typing import Any

import pytest
from babelscope.v1 import metrics_pb2

from services.metrics.api.answers import Answers
from services.metrics.estimates.estimates import Progress


class _Stream:
    """A stream that takes its time, and notices a write that is given up or meets another."""

    def __init__(self) -> None:
        self.taken = asyncio.Event()
        self.go_on = asyncio.Event()
        self.writing = 0
        self.done: list[Any] = []

    async def write(self, message: Any) -> None:
        self.writing += 1
        assert self.writing == 1
        self.taken.set()
        await self.go_on.wait()
        self.writing -= 1
        self.done.append(message)


async def test_a_cancelled_teller_leaves_no_write_half_done() -> None:
    stream = _Stream()
    answer = Answers(stream, metrics_pb2.CompareResponse)
    teller = asyncio.create_task(answer.tell(Progress("encode", 0, 10, "a")))
    await stream.taken.wait()
    teller.cancel()
    await asyncio.sleep(0)
    assert not teller.done()
    stream.go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await teller
    assert stream.writing == 0
    assert [message.progress.detail for message in stream.done] == ["a"]
    await answer.tell(Progress("encode", 10, 10, "b"))
    assert [message.progress.detail for message in stream.done] == ["a", "b"]
