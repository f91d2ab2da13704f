"""What may be asked without a token, or without a place, takes neither memory nor health from a server."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from services.runtime.rpc.public import Places
from tests.support.refusals import failure

CHECK = "/grpc.health.v1.Health/Check"
CLIENTS = 100
UNSENT = "Internal error from Core"
"""What a client says itself, not the server, where its call ends while it begins to send."""


async def _healthy(channel: grpc.aio.Channel) -> bool:
    """Whether a client that asks as all do is answered."""
    answer = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=60)
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


async def _one_of_three(ask: Callable[[], Awaitable[Any]]) -> Any:
    """The answer to one of three calls in a row, which is as often as an orchestrator asks.

    A call whose request is not there with its headers gives way to others that come, as the attackers' do.
    """
    for _ in range(2):
        try:
            return await ask()
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.RESOURCE_EXHAUSTED:
                raise
    return await ask()


async def test_bodies_of_health_checks_hold_no_memory(serve: Any, toy: Any, connect: Any) -> None:
    server = await serve(toy, token="secret")
    body = health_pb2.HealthCheckRequest(service="x" * (server.settings.max_message_bytes - 100)).SerializeToString()
    attackers = [connect(server) for _ in range(4)]
    calls = [attackers[number % 4].unary_unary(CHECK)(body) for number in range(CLIENTS)]
    assert await _healthy(connect(server))
    assert server._inbox.used == 0
    codes = Counter([(await failure(call)).code.name for call in calls])
    assert codes.keys() <= {"INVALID_ARGUMENT", "RESOURCE_EXHAUSTED"}
    found = await failure(connect(server).unary_unary(CHECK)(body))
    assert "Expected a message of at most 4096 bytes" in found.message
    found = await failure(connect(server).unary_unary(CHECK)(b"\xff\xff"))
    assert found.code is grpc.StatusCode.INVALID_ARGUMENT


async def test_silent_health_checks_take_no_probe_its_place(
    serve: Any, toy: Any, connect: Any, authority: Any, free_port: Any
) -> None:
    identity = authority().issue("server")
    port = free_port()
    server = await serve(toy, tls_certificate=identity.certificate, tls_key=identity.key, health_port=port)
    over = asyncio.Event()

    async def silent() -> AsyncIterator[bytes]:
        await over.wait()
        yield b""

    channel = connect(server, port=port)
    calls = [channel.stream_unary(CHECK)(silent()) for _ in range(CLIENTS)]
    watch = channel.unary_stream("/grpc.health.v1.Health/Watch")
    assert await _one_of_three(lambda: watch(b"").read())
    assert await _one_of_three(lambda: _healthy(connect(server, port=port)))
    over.set()
    results = await asyncio.gather(*calls, return_exceptions=True)
    refused = [each for each in results if isinstance(each, grpc.aio.AioRpcError) and each.details() != UNSENT]
    assert refused
    assert {each.code() for each in refused} == {grpc.StatusCode.RESOURCE_EXHAUSTED}


async def test_streams_without_a_place_are_bounded(serve: Any, toy: Any, connect: Any) -> None:
    server = await serve(toy)
    server._door._watchers = Places(4, "health watchers", "calls of Watch")
    server._door._described = Places(4, "reflection", "streams of reflection")
    channel = connect(server)
    watch = health_pb2_grpc.HealthStub(channel).Watch
    watching = [watch(health_pb2.HealthCheckRequest()) for _ in range(3)]
    for each in watching:
        assert await each.read()
    found = await failure(watch(health_pb2.HealthCheckRequest()).read())
    assert (found.code, found.quota) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "health watchers")
    watching[0].cancel()
    described = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo
    streams = [described() for _ in range(3)]
    for stream in streams:
        await stream.write(reflection_pb2.ServerReflectionRequest(list_services=""))
        assert await stream.read()
    found = await failure(described().read())
    assert (found.code, found.quota) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "reflection")
    assert await _healthy(channel)
    for each in (*watching, *streams):
        each.cancel()
