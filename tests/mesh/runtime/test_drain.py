"""Health from the start to the end, and the drain with RPCs in flight."""

import asyncio
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from services.runtime.server import Server
from services.runtime.settings import ServerSettings

HOLD, ECHO = "/toy.v1.Toy/Hold", "/toy.v1.Toy/Echo"
Status = health_pb2.HealthCheckResponse


async def check(channel: grpc.aio.Channel, service: str) -> int:
    answer = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service=service))
    return int(answer.status)


async def test_not_serving_until_loaded(toy: Any, connect: Any, tmp_path: Path) -> None:
    loading, loaded = asyncio.Event(), asyncio.Event()

    async def load() -> None:
        loading.set()
        await loaded.wait()

    toy.load = load
    server = Server(toy, ServerSettings(port_file=tmp_path / "deep" / "port"))
    starting = asyncio.ensure_future(server.start())
    await loading.wait()
    # The port is known, and health is answered, while the service loads.
    assert (tmp_path / "deep" / "port").read_text() == f"{server.port}\n"
    channel = connect(server)
    for service in ("", "toy.v1.Toy"):
        assert await check(channel, service) == Status.NOT_SERVING
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await channel.unary_unary(ECHO)(b"a")
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    loaded.set()
    assert await starting == server.port
    for service in ("", "toy.v1.Toy"):
        assert await check(channel, service) == Status.SERVING
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await check(channel, "no.such.Service")
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    await server.drain()
    assert not (tmp_path / "deep" / "port").exists()
    assert toy.stopped


async def test_watchers_see_every_change_and_their_end(toy: Any, serve: Any, connect: Any) -> None:
    server = await serve(toy)
    stub = health_pb2_grpc.HealthStub(connect(server))
    known = stub.Watch(health_pb2.HealthCheckRequest(service="toy.v1.Toy"))
    unknown = stub.Watch(health_pb2.HealthCheckRequest(service="no.such.Service"))
    assert (await known.read()).status == Status.SERVING
    assert (await unknown.read()).status == Status.SERVICE_UNKNOWN
    drained = asyncio.ensure_future(server.drain(600))
    assert (await known.read()).status == Status.NOT_SERVING
    for watch in (known, unknown):
        assert await watch.code() is grpc.StatusCode.UNAVAILABLE
    await drained


async def test_a_slow_watcher_holds_up_nobody(toy: Any, serve: Any, connect: Any) -> None:
    server = await serve(toy)
    watch = health_pb2_grpc.HealthStub(connect(server)).Watch(health_pb2.HealthCheckRequest())
    await watch.read()
    await connect(server).unary_unary(ECHO)(b"a")
    for serving in (False, True) * 5000:
        server.health.set_serving(serving)
    await asyncio.wait_for(server.drain(600), 250)


async def test_a_stream_in_flight_completes(toy: Any, serve: Any, connect: Any) -> None:
    server = await serve(toy)
    channel = connect(server)
    chat = channel.stream_stream("/toy.v1.Toy/Chat")()
    await chat.write(b"1")
    assert await chat.read() == b"1"
    toy.holding.clear()
    held = asyncio.ensure_future(channel.unary_unary(HOLD)(b"held"))
    await toy.holding.wait()
    drained = asyncio.ensure_future(server.drain(600))
    # The connection goes on for its running RPCs alone: the channel reads GOAWAY, and would connect anew for others.
    await channel.wait_for_state_change(grpc.ChannelConnectivity.READY)
    # No new RPC is taken, neither by a new channel nor by the old one.
    for fresh in (connect(server), channel):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await fresh.unary_unary(ECHO)(b"a")
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    await chat.write(b"2")
    assert await chat.read() == b"2"
    assert not drained.done()
    await chat.done_writing()
    assert await chat.read() is grpc.aio.EOF
    assert await chat.code() is grpc.StatusCode.OK
    toy.go.set()
    assert await held == b"held"
    await drained
    assert toy.stopped
    assert toy.cancelled == 0


async def test_rpcs_are_taken_in_the_notice(toy: Any, serve: Any, connect: Any) -> None:
    server = await serve(toy, drain_notice_seconds=600)
    channel = connect(server)
    watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(service="toy.v1.Toy"))
    assert (await watch.read()).status == Status.SERVING
    drained = asyncio.ensure_future(server.drain(600))
    assert (await watch.read()).status == Status.NOT_SERVING
    for fresh in (connect(server), channel):
        assert await fresh.unary_unary(ECHO)(b"a") == b"a"
        assert await check(fresh, "toy.v1.Toy") == Status.NOT_SERVING
    assert not drained.done()
    # A second drain, as a second signal asks for, ends the notice.
    await server.drain(60)
    await drained
    assert await watch.code() is grpc.StatusCode.UNAVAILABLE
    assert toy.stopped


async def test_a_notice_ends_by_itself(toy: Any, serve: Any, connect: Any) -> None:
    server = await serve(toy, drain_notice_seconds=0.1)
    await connect(server).unary_unary(ECHO)(b"a")
    await server.drain(60)
    assert toy.stopped


async def test_a_server_that_serves_nobody_gives_no_notice(toy: Any) -> None:
    """Nothing is lost where the load failed or goes on, nor is there time for a notice where the process must end."""
    for ready in (False, True):
        server = Server(toy, ServerSettings(drain_notice_seconds=3600))
        if ready:
            await server.start()
        await server.drain(0.0 if ready else 600)
        assert not server._cut.is_set()


async def test_a_drain_that_takes_too_long_cuts(toy: Any, serve: Any, connect: Any) -> None:
    server = await serve(toy, drain_seconds=0.2)
    held = asyncio.ensure_future(connect(server).unary_unary(HOLD)(b"held"))
    await toy.holding.wait()
    await server.drain()
    assert toy.stopped
    assert toy.cancelled == 1
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await held
    assert caught.value.code() in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}


async def test_a_second_drain_cuts_the_first_short(toy: Any, serve: Any, connect: Any) -> None:
    server = await serve(toy)
    held = asyncio.ensure_future(connect(server).unary_unary(HOLD)(b"held"))
    await toy.holding.wait()
    first = asyncio.ensure_future(server.drain(600))
    await server._draining.wait()
    await server.drain(0.0)
    await first
    await server.wait()
    assert toy.cancelled == 1
    with pytest.raises(grpc.aio.AioRpcError):
        await held


async def test_an_open_reflection_stream_holds_up_nobody(toy: Any, serve: Any, connect: Any) -> None:
    server = await serve(toy)
    stream = reflection_pb2_grpc.ServerReflectionStub(connect(server)).ServerReflectionInfo()
    await stream.write(reflection_pb2.ServerReflectionRequest(list_services=""))
    await stream.read()
    await asyncio.wait_for(server.drain(600), 250)
    assert await stream.code() is grpc.StatusCode.OK


async def test_a_large_answer_in_flight_arrives_whole(toy: Any, serve: Any, connect: Any) -> None:
    """The handler is done long before its last bytes have left: the drain waits for those too.

    It waits until the system has taken them. Where the client's own frames arrive at that very moment, Linux resets the
    connection as gRPC closes it, and what the system still held is lost: rarely, and the client sees UNAVAILABLE.
    """
    big = bytes(32 << 20)
    for _ in range(6):
        each = type(toy)()
        server = await serve(each, max_message_bytes=64 << 20)
        call = connect(server).unary_stream("/toy.v1.Toy/Count")(b"x")
        assert await call.read() == b"0"
        echo = asyncio.ensure_future(connect(server).unary_unary(ECHO)(big))
        await each.answered.wait()
        await server.drain(600)
        [answer] = await asyncio.gather(echo, return_exceptions=True)
        if isinstance(answer, bytes):
            break
        assert isinstance(answer, grpc.aio.AioRpcError)
        assert answer.code() is grpc.StatusCode.UNAVAILABLE
    assert answer == big


async def test_an_aged_connection_is_renewed_and_its_streams_go_on(toy: Any, serve: Any, connect: Any) -> None:
    channel = connect(await serve(toy, max_connection_age_seconds=0.2))
    chat = channel.stream_stream("/toy.v1.Toy/Chat")()
    await chat.write(b"1")
    assert await chat.read() == b"1"
    await channel.wait_for_state_change(grpc.ChannelConnectivity.READY)
    assert await channel.unary_unary(ECHO)(b"a") == b"a"
    await chat.write(b"2")
    assert await chat.read() == b"2"
    await chat.done_writing()
    assert await chat.code() is grpc.StatusCode.OK


async def test_prometheus_answers_and_stops(toy: Any, serve: Any, connect: Any, free_port: Any) -> None:
    port = free_port()
    server = await serve(toy, prometheus_port=port)
    await connect(server).unary_unary(ECHO)(b"a")
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /metrics HTTP/1.0\r\n\r\n")
    body = (await reader.read()).decode()
    writer.close()
    await writer.wait_closed()
    assert "200 OK" in body
    assert 'grpc_server_handled_total{grpc_code="OK",grpc_method="Echo"' in body
    await server.drain()
    with pytest.raises(OSError, match="Connect call failed"):
        await asyncio.open_connection("127.0.0.1", port)
