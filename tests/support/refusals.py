"""Refusals, read as a server sends them.

The asynchronous gRPC client loses a status that comes while it still writes (grpc issue 36066); the synchronous one
does not. Babelscope's own clients note the first status; tests that speak messages go through `refusal`.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

CHANNEL = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]


@dataclass(frozen=True)
class Failure:
    """A status with its details."""

    code: grpc.StatusCode
    message: str
    fields: dict[str, str]
    quota: str
    retry: float | None
    resource: str


async def failure(call: Any) -> Failure:
    """Awaits a call, which must fail, and reads why."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return read_failure(caught.value)


async def refusal(address: str, stub: Callable[[grpc.Channel], Any], rpc: str, *messages: Any) -> Failure:
    """Sends all messages, which must be refused, and reads why.

    Args:
        address: Of the server.
        stub: The service's stub.
        rpc: A method that takes a stream.
        messages: The whole stream.
    """

    def call() -> Failure:
        with grpc.insecure_channel(address, options=CHANNEL) as channel, pytest.raises(grpc.RpcError) as caught:
            list(getattr(stub(channel), rpc)(iter(messages)))
        return read_failure(caught.value)

    return await asyncio.to_thread(call)


def read_failure(error: Any) -> Failure:
    """What an error carries."""
    found: dict[str, Any] = {}
    status = rpc_status.from_call(_Call(error))
    for detail in status.details if status else ():
        for kind in ("BadRequest", "QuotaFailure", "RetryInfo", "ResourceInfo"):
            message = getattr(error_details_pb2, kind)()
            if detail.Unpack(message):
                found[kind] = message
    violations = found["BadRequest"].field_violations if "BadRequest" in found else ()
    return Failure(
        code=error.code(),
        message=error.details() or "",
        fields={violation.field: violation.description for violation in violations},
        quota=found["QuotaFailure"].violations[0].subject if "QuotaFailure" in found else "",
        retry=found["RetryInfo"].retry_delay.ToNanoseconds() / 1e9 if "RetryInfo" in found else None,
        resource=found["ResourceInfo"].resource_name if "ResourceInfo" in found else "",
    )


class _Call:
    """An error of either client as `grpc_status` reads calls."""

    def __init__(self, error: Any) -> None:
        self._error = error

    def trailing_metadata(self) -> Sequence[tuple[str, Any]]:
        return tuple((key, value) for key, value in self._error.trailing_metadata() or ())

    def code(self) -> grpc.StatusCode:
        return self._error.code()

    def details(self) -> str:
        return self._error.details() or ""
