"""What a client sent is freed when an error has ended its RPC, and not when the garbage collector next runs."""

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator, Iterator
from typing import Any

import grpc
import pytest

from services.runtime.errors import InvalidArgument

KINDS = ("unary_unary", "unary_stream", "stream_unary", "stream_stream")


class Parcel:
    """A message that can be watched."""

    def __init__(self, data: bytes) -> None:
        self.data = data


class Refusing:
    """Looks at what comes, and refuses it or waits for ever.

    Attributes:
        seen: The messages that came.
    """

    name = "toy.v1.Refusing"

    def __init__(self) -> None:
        self.seen: list[weakref.ref[Parcel]] = []
        self.waiting = asyncio.Event()

    def register(self, server: grpc.aio.Server) -> None:
        """Adds a handler of each kind."""
        handlers = {
            "unary_unary": grpc.unary_unary_rpc_method_handler(self.single, self.parse),
            "unary_stream": grpc.unary_stream_rpc_method_handler(self.streaming, self.parse),
            "stream_unary": grpc.stream_unary_rpc_method_handler(self.first, self.parse),
            "stream_stream": grpc.stream_stream_rpc_method_handler(self.each, self.parse),
        }
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(self.name, handlers),))

    async def start(self) -> None:
        """Nothing to load."""

    async def stop(self) -> None:
        """Nothing to end."""

    def parse(self, data: bytes) -> Parcel:
        """A message from its bytes."""
        parcel = Parcel(data)
        self.seen.append(weakref.ref(parcel))
        return parcel

    async def single(self, request: Parcel, context: Any) -> bytes:
        """Refuses, with another error as the cause."""
        del context
        try:
            return await self._work(request)
        except KeyError as error:
            raise InvalidArgument("request", "Expected another one") from error

    async def streaming(self, request: Parcel, context: Any) -> AsyncIterator[bytes]:
        """The same, after an answer."""
        yield b"first"
        yield await self.single(request, context)

    async def first(self, requests: AsyncIterator[Parcel], context: Any) -> bytes:
        """The same, for the first of several messages."""
        return await self.single(await anext(aiter(requests)), context)

    async def each(self, requests: AsyncIterator[Parcel], context: Any) -> AsyncIterator[bytes]:
        """The same, with answers."""
        async for request in requests:
            yield await self.single(request, context)

    async def _work(self, request: Parcel) -> bytes:
        if request.data == b"wait":
            self.waiting.set()
            await asyncio.Event().wait()
        raise KeyError("no such thing")


@pytest.fixture
def without_collector() -> Iterator[None]:
    """The collector of circles does not run by itself."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def begin(channel: grpc.aio.Channel, kind: str, data: bytes) -> Any:
    call = getattr(channel, kind)(f"/{Refusing.name}/{kind}")
    return call(iter([data]) if kind.startswith("stream") else data, timeout=100)


async def end(call: Any, kind: str) -> None:
    if kind.endswith("stream"):
        async for _ in call:
            pass
    else:
        await call


async def all_freed(service: Refusing) -> bool:
    """Whether the messages are gone; the server may end its side a little after the client has seen the status."""
    for _ in range(1000):
        if service.seen and all(one() is None for one in service.seen):
            return True
        await asyncio.sleep(0.01)
    return False


@pytest.mark.usefixtures("without_collector")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("data", [b"refuse", b"refuse" * 20_000])
async def test_a_refused_request_is_freed_at_once(kind: str, data: bytes, serve: Any, connect: Any) -> None:
    service = Refusing()
    channel = connect(await serve(service))
    for _ in range(3):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await end(begin(channel, kind, data), kind)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert await all_freed(service)


@pytest.mark.usefixtures("without_collector")
@pytest.mark.parametrize("kind", KINDS)
async def test_the_request_of_a_client_that_left_is_freed_at_once(kind: str, serve: Any, connect: Any) -> None:
    service = Refusing()
    channel = connect(await serve(service))
    call = begin(channel, kind, b"wait")
    await asyncio.wait_for(service.waiting.wait(), 100)
    call.cancel()
    assert await all_freed(service)
