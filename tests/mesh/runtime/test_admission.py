"""Who is sent away before anything is read, and who is sent away for saying nothing."""

import asyncio
from typing import Any

import grpc
import pytest

from tests.support.refusals import failure

HOLD, ECHO, SUM, CHAT = (f"/toy.v1.Toy/{name}" for name in ("Hold", "Echo", "Sum", "Chat"))
LONG = bytes(6 << 20)
TOKEN = (("authorization", "Bearer right"),)
WRONG = (("authorization", "Bearer wrong"),)


def received(server: Any, method: str, kind: str) -> float:
    labels = {"grpc_service": "toy.v1.Toy", "grpc_method": method, "grpc_type": kind}
    return server.telemetry.registry.get_sample_value("grpc_server_received_bytes_total", labels) or 0.0


@pytest.mark.parametrize("metadata", [(), WRONG])
async def test_without_the_token_no_body_is_read(metadata: Any, toy: Any, serve: Any, connect: Any) -> None:
    server = await serve(toy, token="right", max_message_bytes=8 << 20)
    channel = connect(server)
    calls = [channel.unary_unary(ECHO)(LONG, metadata=metadata) for _ in range(20)]
    refused = await asyncio.gather(*map(failure, calls))
    assert {each.code for each in refused} == {grpc.StatusCode.UNAUTHENTICATED}
    assert received(server, "Echo", "unary") == 0
    assert await channel.unary_unary(ECHO)(LONG, metadata=TOKEN) == LONG
    assert received(server, "Echo", "unary") == len(LONG)


async def test_without_a_place_no_body_is_read(toy: Any, serve: Any, connect: Any) -> None:
    server = await serve(toy, max_streams=1, max_message_bytes=8 << 20)
    channel = connect(server)
    held = asyncio.ensure_future(channel.unary_unary(HOLD)(b"x"))
    await toy.holding.wait()
    refused = await failure(channel.unary_unary(ECHO)(LONG))
    assert refused.quota == "max_streams"
    assert received(server, "Echo", "unary") == 0
    toy.go.set()
    assert await held == b"x"


async def test_one_client_leaves_places_to_others(toy: Any, serve: Any, connect: Any) -> None:
    server = await serve(toy, max_streams=4)
    channels = [connect(server) for _ in range(4)]
    held = [asyncio.ensure_future(channel.unary_unary(HOLD)(b"x")) for channel in channels[:3]]
    async with asyncio.timeout(200):
        while toy.started < 3:  # noqa: ASYNC110 - a counter cannot be awaited
            await asyncio.sleep(0.005)
    refused = await failure(channels[3].unary_unary(ECHO)(b"x"))
    assert (refused.code, refused.quota) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "max_client_streams")
    assert refused.retry == 1
    toy.go.set()
    assert await asyncio.gather(*held) == [b"x"] * 3


@pytest.mark.parametrize("method", [ECHO, SUM, CHAT])
@pytest.mark.parametrize("begun", [False, True])
async def test_silent_streams_give_their_places_back(
    method: str, begun: bool, toy: Any, serve: Any, connect: Any
) -> None:
    if begun and method == ECHO:
        pytest.skip("one message is all of it")
    server = await serve(toy, max_streams=8, max_client_streams=8, idle_seconds=1.0)
    channel = connect(server)
    await channel.channel_ready()

    async def silent() -> None:
        call = channel.stream_stream(method)()
        if begun:
            await call.write(b"a")
        await _read_all(call)

    refused = await asyncio.gather(*(failure(silent()) for _ in range(8)))
    assert {(each.code, each.quota) for each in refused} == {(grpc.StatusCode.RESOURCE_EXHAUSTED, "idle_seconds")}
    async with asyncio.timeout(200):
        while server._door.running:  # noqa: ASYNC110 - a counter cannot be awaited
            await asyncio.sleep(0.005)
    assert await channel.unary_unary(ECHO)(b"after") == b"after"


async def test_a_slow_answer_is_no_silence(toy: Any, serve: Any, connect: Any) -> None:
    channel = connect(await serve(toy, idle_seconds=1.0))
    await channel.channel_ready()
    held = asyncio.ensure_future(channel.unary_unary(HOLD)(b"x"))
    await toy.holding.wait()
    await asyncio.sleep(1.5)
    toy.go.set()
    assert await held == b"x"


async def _read_all(call: Any) -> None:
    while await call.read() is not grpc.aio.EOF:
        pass
