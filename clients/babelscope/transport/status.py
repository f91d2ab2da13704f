"""From a gRPC status with its `google.rpc` details to an error of `babelscope.errors`.

The same function serves both twins: the errors of `grpc` and of `grpc.aio` answer the same questions.
"""

from collections.abc import Iterable
from typing import Any, Final, Protocol

import grpc
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2, status_pb2

from babelscope import errors

_DETAILS_KEY: Final = "grpc-status-details-bin"
_REQUEST_ID_KEY: Final = "x-request-id"
_KINDS: Final[dict[grpc.StatusCode, type[errors.RpcError]]] = {
    grpc.StatusCode.INVALID_ARGUMENT: errors.InvalidRequest,
    grpc.StatusCode.OUT_OF_RANGE: errors.InvalidRequest,
    grpc.StatusCode.NOT_FOUND: errors.NotFound,
    grpc.StatusCode.FAILED_PRECONDITION: errors.Refused,
    grpc.StatusCode.ALREADY_EXISTS: errors.Refused,
    grpc.StatusCode.UNAUTHENTICATED: errors.Refused,
    grpc.StatusCode.PERMISSION_DENIED: errors.Refused,
    grpc.StatusCode.UNIMPLEMENTED: errors.Refused,
    grpc.StatusCode.RESOURCE_EXHAUSTED: errors.LimitExceeded,
    grpc.StatusCode.UNAVAILABLE: errors.Unavailable,
    grpc.StatusCode.ABORTED: errors.Unavailable,
    grpc.StatusCode.DEADLINE_EXCEEDED: errors.DeadlineExceeded,
    grpc.StatusCode.DATA_LOSS: errors.DataCorrupted,
    grpc.StatusCode.CANCELLED: errors.Cancelled,
}
# What gRPC itself says, in a status of its own choosing, when the peer died.
_BROKEN: Final = ("Stream removed", "RST_STREAM", "Connection reset", "Socket closed", "GOAWAY")


class Status(Protocol):
    """What the errors of both twins offer."""

    def code(self) -> grpc.StatusCode:
        """The status."""

    def details(self) -> str | None:
        """The server's message."""

    def trailing_metadata(self) -> Iterable[tuple[str, str | bytes]] | None:
        """The trailer, which carries the details."""


def from_rpc(error: Status, *, method: str, address: str = "", request_id: str = "") -> errors.RpcError:
    """Translates the error of a call.

    Args:
        error: What the call raised.
        method: Name of the call, for the message: `EncoderService.Encode`.
        address: Whom it called.
        request_id: The id that the request carried; the server's own answer counts for more.
    """
    code, text = error.code(), error.details() or ""
    trailer = _trailer(error)
    details = _details(trailer)
    request_info = details.get("RequestInfo")
    common: dict[str, Any] = {
        "status": code.name,
        "method": method,
        "request_id": _request_id(trailer) or (request_info.request_id if request_info else "") or request_id,
    }
    kind = _KINDS.get(code, errors.ServerFault)
    if kind is errors.ServerFault and any(sign in text for sign in _BROKEN):
        kind = errors.Unavailable
    if kind is errors.InvalidRequest:
        return _invalid(text, details, common)
    if kind is errors.NotFound:
        return _not_found(text, details, common)
    if kind is errors.LimitExceeded:
        return _limit(text, details, common)
    if kind is errors.Unavailable:
        # A server that answers for itself sends details; without them it is gRPC that speaks.
        where = f" at {address}" if address else ""
        message = text if details else f"{method}{where} cannot be reached: {text}"
        return errors.Unavailable(message, retry_after=_retry_after(details), **common)
    if kind is errors.DeadlineExceeded:
        return errors.DeadlineExceeded(f"{method}: the deadline passed before the answer was complete", **common)
    if kind is errors.ServerFault:
        return errors.ServerFault(f"{method} failed: {text} (request {common['request_id']})", **common)
    return kind(text or f"{method}: {code.name}", **common)


def _trailer(error: Status) -> dict[str, str | bytes]:
    """The trailer by key; the last value counts."""
    return dict(error.trailing_metadata() or ())


def _request_id(trailer: dict[str, str | bytes]) -> str:
    """The request id that the server answered with."""
    value = trailer.get(_REQUEST_ID_KEY, "")
    return value if isinstance(value, str) else ""


def _details(trailer: dict[str, str | bytes]) -> dict[str, Any]:
    """The first detail of each kind, by the name of its message. Details that cannot be read are left out."""
    raw = trailer.get(_DETAILS_KEY)
    if not isinstance(raw, bytes):
        return {}
    found: dict[str, Message] = {}
    try:
        packed = status_pb2.Status.FromString(raw).details
        for item in packed:
            name = item.TypeName().removeprefix("google.rpc.")
            message_type = getattr(error_details_pb2, name, None)
            if message_type is not None and name not in found:
                found[name] = message_type.FromString(item.value)
    except DecodeError:
        return found
    return found


def _retry_after(details: dict[str, Any]) -> float | None:
    """Seconds of the RetryInfo, if any."""
    info = details.get("RetryInfo")
    return None if info is None else info.retry_delay.seconds + info.retry_delay.nanos / 1e9


def _invalid(text: str, details: dict[str, Any], common: dict[str, Any]) -> errors.InvalidRequest:
    """A mistake in a field: BadRequest."""
    violations = details["BadRequest"].field_violations if "BadRequest" in details else ()
    field = violations[0].field if violations else ""
    problem = violations[0].description if violations else text
    message = text if not field or field in text else f"{field}: {text}"
    return errors.InvalidRequest(message, field=field, problem=problem, **common)


def _not_found(text: str, details: dict[str, Any], common: dict[str, Any]) -> errors.NotFound:
    """A name that does not exist: ResourceInfo, and ErrorInfo's `nearby`, a comma-separated list."""
    resource, info = details.get("ResourceInfo"), details.get("ErrorInfo")
    nearby = info.metadata.get("nearby", "") if info else ""
    return errors.NotFound(
        text,
        kind=resource.resource_type if resource else "",
        name=resource.resource_name if resource else "",
        nearby=[name.strip() for name in nearby.split(",") if name.strip()],
        **common,
    )


def _limit(text: str, details: dict[str, Any], common: dict[str, Any]) -> errors.LimitExceeded:
    """More than the server takes: QuotaFailure and RetryInfo."""
    violations = details["QuotaFailure"].violations if "QuotaFailure" in details else ()
    subject = violations[0].subject if violations else ""
    return errors.LimitExceeded(text, subject=subject, retry_after=_retry_after(details), **common)
