"""A drain behind a plain gRPC client that spreads its calls, with no help of this project's library.

gRPC's server kills a call that arrives between its own GOAWAY and the client's reading of it, and grpc.aio offers no
other way to send one. A caller with one call at a time can lose that one, and no more; a client that watches health
leaves in the notice before, and loses none.
"""

import asyncio
import json
from typing import Any

import grpc

ECHO = "/toy.v1.Toy/Echo"
ROUND_ROBIN = json.dumps({"loadBalancingConfig": [{"round_robin": {}}]})
HEALTH_CHECKED = json.dumps(
    {"loadBalancingConfig": [{"round_robin": {}}], "healthCheckConfig": {"serviceName": "toy.v1.Toy"}}
)


async def test_a_client_that_watches_health_loses_nothing(toy: Any, serve: Any) -> None:
    toys = [type(toy)() for _ in range(3)]
    servers = [await serve(each, drain_notice_seconds=600) for each in toys]
    target = "ipv4:" + ",".join(f"127.0.0.1:{server.port}" for server in servers)
    async with grpc.aio.insecure_channel(target, options=[("grpc.service_config", HEALTH_CHECKED)]) as channel:
        await channel.channel_ready()
        echo = channel.unary_unary(ECHO)
        over = asyncio.Event()

        async def call() -> None:
            while not over.is_set():
                assert await echo(b"a", timeout=250) == b"a"

        async def moved(left: Any, others: list[Any]) -> None:
            """Waits until all calls of a while go to the other servers."""
            quiet = 0
            while quiet < 300:
                served, elsewhere = len(left.left), sum(len(other.left) for other in others)
                await asyncio.sleep(0.01)
                quiet = quiet + sum(len(other.left) for other in others) - elsewhere if len(left.left) == served else 0

        running = [asyncio.create_task(call()) for _ in range(8)]
        for index in (0, 1):
            drained = asyncio.create_task(servers[index].drain(600))
            await moved(toys[index], toys[index + 1 :])
            await servers[index].drain(600)  # ends the notice
            await drained
        over.set()
        await asyncio.gather(*running)
    assert all(toys[index].stopped for index in (0, 1))


async def test_a_round_robin_client_loses_at_most_the_call_on_its_way(toy: Any, serve: Any) -> None:
    servers = [await serve(type(toy)()) for _ in range(3)]
    target = "ipv4:" + ",".join(f"127.0.0.1:{server.port}" for server in servers)
    lost: list[grpc.StatusCode] = []
    done, grew, over = 0, asyncio.Event(), asyncio.Event()
    async with grpc.aio.insecure_channel(target, options=[("grpc.service_config", ROUND_ROBIN)]) as channel:
        await channel.channel_ready()
        echo = channel.unary_unary(ECHO)

        async def call() -> None:
            nonlocal done
            while not over.is_set():
                try:
                    assert await echo(b"a", timeout=250) == b"a"
                except grpc.aio.AioRpcError as error:
                    lost.append(error.code())
                done += 1
                grew.set()

        async def grown(count: int) -> None:
            goal = done + count
            while done < goal:
                grew.clear()
                await grew.wait()

        running = asyncio.create_task(call())
        await grown(300)
        for server in servers[:2]:
            await server.drain(600)
            await grown(300)
        over.set()
        await running
    assert len(lost) <= 2, lost  # one a drain


async def test_the_last_calls_of_a_drain_end_well_on_a_slow_handler(toy: Any, serve: Any) -> None:
    """Calls that run when the drain begins end on their own server; those that begin later go to the other one."""
    first, second = type(toy)(), type(toy)()
    servers = [await serve(first), await serve(second)]
    target = "ipv4:" + ",".join(f"127.0.0.1:{server.port}" for server in servers)
    async with grpc.aio.insecure_channel(target, options=[("grpc.service_config", ROUND_ROBIN)]) as channel:
        await channel.channel_ready()
        hold = channel.unary_unary("/toy.v1.Toy/Hold")
        echo = channel.unary_unary(ECHO)
        held = []
        while not (first.holding.is_set() and second.holding.is_set()):  # the second may be connected later
            held.append(asyncio.ensure_future(hold(b"held")))
            await echo(b"a")
            await echo(b"a")
        drained = asyncio.create_task(servers[0].drain(600))
        await servers[0]._draining.wait()
        answers = [(await asyncio.gather(echo(b"a"), return_exceptions=True))[0] for _ in range(200)]
        assert answers.count(b"a") >= 199  # one may be on its way when GOAWAY is
        assert not drained.done()
        first.go.set()
        second.go.set()
        assert await asyncio.gather(*held) == [b"held"] * len(held)
        await drained
