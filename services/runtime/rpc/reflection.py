"""Server reflection: what the server offers, for tools such as grpcurl."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator
from typing import Any

import grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2_grpc

SERVICE: str = reflection.SERVICE_NAME


def register(server: grpc.aio.Server, names: tuple[str, ...], draining: asyncio.Event) -> None:
    """Adds reflection to a server.

    Args:
        server: Not yet started.
        names: Full names of the services that it offers.
        draining: Ends the streams: tools such as grpcui hold them open for hours.
    """
    library: Any = reflection.aio.ReflectionServicer((*names, SERVICE))

    class Reflection(reflection_pb2_grpc.ServerReflectionServicer):
        """The library's answers, until the server drains."""

        async def ServerReflectionInfo(self, request_iterator: Any, context: Any) -> AsyncIterator[Any]:  # noqa: N802
            """Answers what the server offers."""
            async for answer in library.ServerReflectionInfo(_until(draining, request_iterator), context):
                yield answer

    add: Any = reflection_pb2_grpc.add_ServerReflectionServicer_to_server
    add(Reflection(), server)


async def _until(event: asyncio.Event, items: AsyncIterable[Any]) -> AsyncIterator[Any]:
    """Items until an event happens."""
    iterator = aiter(items)
    happened = asyncio.ensure_future(event.wait())
    try:
        while True:
            item = asyncio.ensure_future(_next(iterator))
            await asyncio.wait((item, happened), return_when=asyncio.FIRST_COMPLETED)
            if not item.done():
                item.cancel()
                return
            if (value := item.result()) is None:
                return
            yield value
    finally:
        happened.cancel()


async def _next(iterator: AsyncIterator[Any]) -> Any:
    """The next item; None at the end."""
    return await anext(iterator, None)
