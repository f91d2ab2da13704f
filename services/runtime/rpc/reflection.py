"""Server reflection, for tools such as grpcurl: what the server offers, under both names that the protocol has.

`grpc.reflection.v1` is `grpc.reflection.v1alpha` under another package, message by message. The library has the latter
alone; its answers serve both, as the bytes are the same.
"""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator
from typing import Any, Final

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool
from grpc_reflection.v1alpha import reflection, reflection_pb2

V1ALPHA: Final[str] = reflection.SERVICE_NAME
V1: Final = V1ALPHA.replace("v1alpha", "v1")
SERVICES: Final = (V1ALPHA, V1)
"""Full names of the protocol."""

_V1_FILE: Final = "grpc/reflection/v1/reflection.proto"
_METHOD: Final = "ServerReflectionInfo"


def register(server: grpc.aio.Server, names: tuple[str, ...], draining: asyncio.Event) -> None:
    """Adds reflection to a server.

    Args:
        server: Not yet started.
        names: Full names of the services that it offers.
        draining: Ends the streams: tools such as grpcui hold them open for hours.
    """
    _describe_v1()
    library: Any = reflection.aio.ReflectionServicer((*names, *SERVICES))

    async def answer(requests: Any, context: Any) -> AsyncIterator[Any]:
        """The library's answers, until the server drains."""
        async for each in library.ServerReflectionInfo(_until(draining, requests), context):
            yield each

    handler = grpc.stream_stream_rpc_method_handler(
        answer,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    server.add_generic_rpc_handlers(
        tuple(grpc.method_handlers_generic_handler(service, {_METHOD: handler}) for service in SERVICES)
    )


def _describe_v1() -> None:
    """Makes the descriptors of v1 from those of v1alpha, so that tools may ask about v1 itself."""
    pool: Any = descriptor_pool.Default()
    try:
        pool.FindServiceByName(V1)
    except KeyError:
        file = descriptor_pb2.FileDescriptorProto()
        reflection_pb2.DESCRIPTOR.CopyToProto(file)
        file.name, file.package = _V1_FILE, V1.rpartition(".")[0]
        for message in file.message_type:
            for field in (field for field in message.field if field.HasField("type_name")):
                field.type_name = field.type_name.replace(".v1alpha.", ".v1.")
        for method in (method for service in file.service for method in service.method):
            method.input_type = method.input_type.replace(".v1alpha.", ".v1.")
            method.output_type = method.output_type.replace(".v1alpha.", ".v1.")
        pool.AddSerializedFile(file.SerializeToString())


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
