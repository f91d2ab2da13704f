"""A small service behind a real server on loopback."""

import asyncio
import errno
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest
from babelscope.errors import InvalidRequest, ServerFault, TensorError

from services.runtime import errors
from services.runtime.rpc import deadline
from services.runtime.server import Server
from services.runtime.settings import ServerSettings


def _caused(error: Exception, cause: Exception) -> Exception:
    """An error that was raised from another one."""
    error.__cause__ = cause
    return error


ERRORS: dict[bytes, BaseException] = {
    b"invalid": errors.InvalidArgument("spec.layers[0]", "Expected a layer within 0..12, but got 14"),
    b"missing": errors.NotFound("model", "bert-bas", ["bert-base", "bert-large"]),
    b"unusable": errors.FailedPrecondition("model x", "it is stored as pickle"),
    b"limit": errors.LimitExceeded("max_texts", "Expected at most 512 texts, but got 513"),
    b"full": errors.LimitExceeded("queue", "Expected room in the queue, but it is full", retry_after=2.5),
    b"loading": errors.Unavailable("The model is loading", retry_after=3.0),
    b"late": errors.DeadlinePassed("Expected the answer before the deadline"),
    b"damaged": errors.DataLoss("Expected object x to match its digest"),
    b"tensor": TensorError("activations.tensor", "Expected 8 bytes for F32 [2], but got 7"),
    b"relayed": InvalidRequest(
        "texts: Expected at least one text", field="texts", problem="Expected at least one text"
    ),
    b"elsewhere": ServerFault("Encode failed", request_id="abc"),
    b"fault": ValueError("the password is hunter2"),
    b"device": RuntimeError("CUDA error: an illegal memory access was encountered"),
    b"wrapped": _caused(ValueError("it failed"), RuntimeError("CUDA error: device-side assert triggered")),
    b"memory": MemoryError("Unable to allocate 1.00 TiB for an array"),
    b"disk": OSError(errno.ENOSPC, "No space left on device", "/scratch/a"),
    b"quota": _caused(errors.FailedPrecondition("model x", "it cannot be converted"), OSError(errno.EDQUOT, "Quota")),
    b"files": OSError(errno.EMFILE, "Too many open files"),
    b"mapped": OSError(errno.ENOMEM, "Cannot allocate memory"),
    b"forbidden": OSError(errno.EACCES, "Permission denied", "/models/secret"),
    b"read-only": OSError(errno.EROFS, "Read-only file system", "/scratch/secret"),
    b"broken": OSError(errno.EIO, "Input/output error", "/models/secret"),
    b"long": errors.InvalidArgument("名" * 5000, "前" * 50_000),
}


@dataclass
class Toy:
    """Echoes, counts, fails, or waits, in all four kinds of RPC."""

    name: str = "toy.v1.Toy"
    load: Callable[[], Awaitable[None]] | None = None
    started: int = 0
    cancelled: int = 0
    stopped: bool = False
    left: list[float | None] = field(default_factory=list)
    answered: asyncio.Event = field(default_factory=asyncio.Event)
    go: asyncio.Event = field(default_factory=asyncio.Event)
    holding: asyncio.Event = field(default_factory=asyncio.Event)
    freed: asyncio.Event = field(default_factory=asyncio.Event)

    def register(self, server: grpc.aio.Server) -> None:
        """Adds handlers of bytes."""
        handlers = {
            "Echo": grpc.unary_unary_rpc_method_handler(self.echo),
            "Hold": grpc.unary_unary_rpc_method_handler(self.hold),
            "Strict": grpc.unary_unary_rpc_method_handler(self.echo, request_deserializer=_strict),
            "Count": grpc.unary_stream_rpc_method_handler(self.count),
            "Write": grpc.unary_stream_rpc_method_handler(self.write),
            "Endless": grpc.unary_stream_rpc_method_handler(self.endless),
            "Sum": grpc.stream_unary_rpc_method_handler(self.sum),
            "Chat": grpc.stream_stream_rpc_method_handler(self.chat),
            "StrictChat": grpc.stream_stream_rpc_method_handler(self.chat, request_deserializer=_strict),
        }
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(self.name, handlers),))

    async def start(self) -> None:
        """Loads, where the test says how."""
        if self.load is not None:
            await self.load()

    async def stop(self) -> None:
        """Remembers that it was called."""
        self.stopped = True

    async def echo(self, request: bytes, context: Any) -> bytes:
        """Answers the request, or fails as it says."""
        self.left.append(deadline.remaining(context))
        self.answered.set()
        await self._fail(request, context)
        return request

    async def _fail(self, request: bytes, context: Any) -> None:
        if request in ERRORS:
            raise ERRORS[request]
        if request == b"abort":
            await context.abort(grpc.StatusCode.OUT_OF_RANGE, "aborted")
        if request == b"stray":
            future = asyncio.get_running_loop().create_future()
            future.cancel()
            await future

    async def hold(self, request: bytes, context: Any) -> bytes:
        """Answers when the test says `go`."""
        del context
        self.started += 1
        self.holding.set()
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.freed.set()
        return request

    async def count(self, request: bytes, context: Any) -> AsyncIterator[bytes]:
        """Yields, then fails as the request says."""
        for number in range(3):
            yield str(number).encode()
        await self._fail(request, context)

    async def write(self, request: bytes, context: Any) -> None:
        """The same, by writing."""
        for number in range(3):
            await context.write(str(number).encode())
        await self._fail(request, context)

    async def endless(self, request: bytes, context: Any) -> AsyncIterator[bytes]:
        """Yields until it is stopped."""
        del context
        self.holding.set()
        try:
            while not self.go.is_set():
                yield request
                await asyncio.sleep(0)
        except (asyncio.CancelledError, GeneratorExit):
            self.cancelled += 1
            raise
        finally:
            self.freed.set()

    async def sum(self, requests: AsyncIterator[bytes], context: Any) -> bytes:
        """Joins all requests, or fails as one of them says."""
        parts = []
        async for request in requests:
            await self._fail(request, context)
            parts.append(request)
        return b"".join(parts)

    async def chat(self, requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
        """Echoes each request, or fails as it says; ends when the client has."""
        try:
            async for request in requests:
                self.holding.set()
                await self._fail(request, context)
                yield request
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.freed.set()


def _strict(data: bytes) -> bytes:
    """A parser that breaks on some bytes."""
    if data == b"\xff":
        raise ValueError("no message")
    return data


Serve = Callable[..., Awaitable[Server]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Starts servers with given settings; drains them after the test."""
    servers: list[Server] = []

    async def start(service: Toy, **settings: Any) -> Server:
        server = Server(service, ServerSettings(**settings))
        servers.append(server)
        await server.start()
        return server

    yield start
    for server in servers:
        await server.drain(0.0)


@pytest.fixture
def toy() -> Toy:
    """The service."""
    return Toy()


@pytest.fixture
async def connect() -> AsyncIterator[Callable[..., grpc.aio.Channel]]:
    """Opens channels; closes them after the test."""
    channels: list[grpc.aio.Channel] = []

    def open_channel(server: Server, credentials: Any = None, port: int = 0) -> grpc.aio.Channel:
        address = f"localhost:{port or server.port}"
        options = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
        if credentials is None:
            channel = grpc.aio.insecure_channel(address, options=options)
        else:
            channel = grpc.aio.secure_channel(address, credentials, options=options)
        channels.append(channel)
        return channel

    yield open_channel
    for channel in channels:
        await channel.close()
