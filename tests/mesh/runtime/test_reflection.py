"""Reflection as grpcurl uses it: from a name to descriptors to a call, without any generated stub."""

from typing import Any

import grpc
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from grpc_reflection.v1alpha import reflection_pb2

from services.runtime.rpc.reflection import SERVICES, V1

HEALTH = "grpc.health.v1.Health"


class Tool:
    """A client that knows the protocol of reflection alone.

    Args:
        channel: To the server.
        service: Full name of the protocol.
    """

    def __init__(self, channel: grpc.aio.Channel, service: str) -> None:
        self._channel = channel
        self._info = channel.stream_stream(
            f"/{service}/ServerReflectionInfo",
            request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
            response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
        )
        self._pool = descriptor_pool.DescriptorPool()
        self._known: set[str] = set()

    async def ask(self, **question: Any) -> Any:
        """The answer to one question."""
        [answer] = [each async for each in self._info(iter([reflection_pb2.ServerReflectionRequest(**question)]))]
        return answer

    async def services(self) -> list[str]:
        """Names of all services."""
        return [service.name for service in (await self.ask(list_services="")).list_services_response.service]

    async def describe(self, symbol: str) -> Any:
        """A service's descriptor, from the server alone."""
        await self._add(await self.ask(file_containing_symbol=symbol))
        return self._pool.FindServiceByName(symbol)

    async def _add(self, answer: Any) -> None:
        for data in answer.file_descriptor_response.file_descriptor_proto:
            file = descriptor_pb2.FileDescriptorProto.FromString(data)
            if file.name not in self._known:
                self._known.add(file.name)
                for needed in file.dependency:
                    await self._add(await self.ask(file_by_filename=needed))
                self._pool.Add(file)

    async def call(self, service: Any, method: str, fields: dict[str, Any]) -> Any:
        """Calls a method by what its descriptor says."""
        found = service.methods_by_name[method]
        request = message_factory.GetMessageClass(found.input_type)(**fields)
        answer = message_factory.GetMessageClass(found.output_type)
        call = self._channel.unary_unary(
            f"/{service.full_name}/{method}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=answer.FromString,
        )
        return await call(request)


@pytest.mark.parametrize("protocol", SERVICES)
async def test_a_method_is_found_and_called(protocol: str, toy: Any, serve: Any, connect: Any) -> None:
    tool = Tool(connect(await serve(toy)), protocol)
    assert HEALTH in await tool.services()
    health = await tool.describe(HEALTH)
    assert (await tool.call(health, "Check", {"service": "toy.v1.Toy"})).status == 1


@pytest.mark.parametrize("protocol", SERVICES)
async def test_the_protocol_describes_itself_under_both_names(
    protocol: str, toy: Any, serve: Any, connect: Any
) -> None:
    tool = Tool(connect(await serve(toy)), protocol)
    for name in SERVICES:
        [method] = (await tool.describe(name)).methods
        package = name.rpartition(".")[0]
        assert method.input_type.full_name == f"{package}.ServerReflectionRequest"
        assert {field.message_type.file.package for field in method.output_type.fields if field.message_type} == {
            package
        }


async def test_what_does_not_exist_is_said_to_be_missing(toy: Any, serve: Any, connect: Any) -> None:
    tool = Tool(connect(await serve(toy)), V1)
    answer = await tool.ask(file_containing_symbol="toy.v1.Nothing")
    assert answer.error_response.error_code == grpc.StatusCode.NOT_FOUND.value[0]
