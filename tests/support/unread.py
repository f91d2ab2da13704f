"""A client that does not read the answers of a call, and what the server makes of it."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from babelscope.transport.first_status import FirstStatus

from services.runtime.server import Server
from tests.support.refusals import Failure, read_failure

READ_SECONDS = 0.2
"""Limit of servers whose client does not read at all: nothing depends on its length."""


@asynccontextmanager
async def narrow(server: Server) -> AsyncIterator[grpc.aio.Channel]:
    """A channel that takes 64 KiB of an answer that nobody reads, and no more."""
    options = [("grpc.http2.bdp_probe", 0), ("grpc.max_receive_message_length", -1)]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}", options=options) as channel:
        yield channel


async def ended_unread(server: Server, call: Any) -> Failure:
    """Waits until a server has ended its only running call, of which nothing is read before, and reads why it did.

    Args:
        server: The server, in this process.
        call: An asynchronous call whose answer is a stream.
    """
    first, before = FirstStatus(call), _answered(server)
    async with asyncio.timeout(200):
        while not (codes := _answered(server) - before):  # noqa: ASYNC110 - what a counter says cannot be awaited
            await asyncio.sleep(0.01)
    assert "OK" not in codes, "Expected an answer that is longer than what a client takes that reads nothing"
    assert server._door.running == server._inbox.used == 0
    assert not call.done()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        async for _ in call:
            pass
    return read_failure(first.of(caught.value))


def _answered(server: Server) -> Counter[str]:
    """Number of calls that were answered, by status."""
    samples = (sample for metric in server.telemetry.registry.collect() for sample in metric.samples)
    handled = (sample for sample in samples if sample.name == "grpc_server_handled_total")
    found: Counter[str] = Counter()
    for sample in handled:
        found[sample.labels["grpc_code"]] += int(sample.value)
    return found
