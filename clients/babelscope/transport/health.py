"""`grpc.health.v1` in the few bytes that it is, so that the light client needs no further package.

The messages are `HealthCheckRequest {string service = 1}` and `HealthCheckResponse {ServingStatus status = 1}`.
"""

from typing import Any, Final

import grpc

STATES: Final = ("unknown", "serving", "not serving", "service unknown")
"""What a server may say, by number."""

_CHECK: Final = "/grpc.health.v1.Health/Check"
_WATCH: Final = "/grpc.health.v1.Health/Watch"


def encode_request(service: str) -> bytes:
    """The request's bytes; names are shorter than 128 bytes."""
    name = service.encode()
    if len(name) > 127:
        raise ValueError(f"Expected a service name of at most 127 bytes, but got {len(name)}")
    return bytes((0x0A, len(name))) + name


def decode_response(data: bytes) -> str:
    """The state that an answer's bytes tell of, one of `STATES`."""
    number = data[1] if len(data) >= 2 and data[0] == 0x08 else 0
    return STATES[number] if number < len(STATES) else STATES[0]


def check(channel: grpc.Channel | grpc.aio.Channel) -> Any:
    """The `Check` call of either twin: takes a service's name, answers with its state."""
    return channel.unary_unary(_CHECK, request_serializer=encode_request, response_deserializer=decode_response)


def watch(channel: grpc.Channel | grpc.aio.Channel) -> Any:
    """The `Watch` call of either twin: takes a service's name, answers with its state whenever that changes."""
    return channel.unary_stream(_WATCH, request_serializer=encode_request, response_deserializer=decode_response)
