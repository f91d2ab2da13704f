"""Errors to `google.rpc.Status`: what went wrong, and what a client needs to mend its request (AIP-193)."""

from collections.abc import Sequence

import grpc
from babelscope import errors as client_errors
from google.protobuf import any_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from services.runtime.errors import (
    DataLoss,
    DeadlinePassed,
    FailedPrecondition,
    InvalidArgument,
    LimitExceeded,
    NotFound,
    ServiceError,
    Unauthenticated,
    Unavailable,
)

DOMAIN = "babelscope"
REQUEST_ID_KEY = "x-request-id"
DETAILS_KEY = "grpc-status-details-bin"

# The status travels in HTTP/2 headers, of which clients take 8 KiB, and the message travels in them up to four times,
# once with three bytes for each that is not ASCII. A name that a client sends must not break the answer about it.
_MESSAGE_BYTES = 800
_NAME_BYTES = 200
_NEARBY = 5


def clip(text: str, limit: int = _MESSAGE_BYTES) -> str:
    """Shortens text to a number of bytes, between two characters, and shows that it did.

    Args:
        text: Any text.
        limit: Most bytes of UTF-8 kept.

    Returns:
        Text of at most `limit` bytes, the mark of omission not counted.
    """
    data = text.encode("utf-8", "replace")
    return data.decode() if len(data) <= limit else data[:limit].decode("utf-8", "ignore") + "..."


def is_known(error: BaseException) -> bool:
    """Whether a client is told about an error; any other is a fault of the server."""
    return isinstance(error, (ServiceError, client_errors.TensorError, client_errors.RpcError))


def to_status(error: BaseException, request_id: str) -> status_pb2.Status:
    """Describes an error to a client.

    Args:
        error: An error of a known class, or any other, of which the client learns nothing but the request's id.
        request_id: Id of the request, under which the log tells more.

    Returns:
        The status, with details.
    """
    code, message, details = _describe(error)
    status = status_pb2.Status(code=code.value[0], message=clip(message))
    for detail in (*details, error_details_pb2.RequestInfo(request_id=request_id)):
        packed = any_pb2.Any()
        packed.Pack(detail)
        status.details.append(packed)
    return status


def trailing_metadata(status: status_pb2.Status, request_id: str) -> tuple[tuple[str, str | bytes], ...]:
    """The trailers that carry a status with its details and the request's id."""
    return ((REQUEST_ID_KEY, request_id), (DETAILS_KEY, status.SerializeToString()))


def status_code(number: int) -> grpc.StatusCode:
    """The status of a number; UNKNOWN for a number that is none."""
    for code in grpc.StatusCode:
        if code.value[0] == number:
            return code
    return grpc.StatusCode.UNKNOWN


def _describe(error: BaseException) -> tuple[grpc.StatusCode, str, Sequence[Message]]:
    """Status, message and details of an error."""
    match error:
        case InvalidArgument() | client_errors.TensorError():
            return grpc.StatusCode.INVALID_ARGUMENT, str(error), _bad_request(error.field, error.problem)
        case NotFound():
            return grpc.StatusCode.NOT_FOUND, str(error), _missing(error.kind, error.name, error.nearby, str(error))
        case FailedPrecondition():
            violation = error_details_pb2.PreconditionFailure.Violation(
                type="UNUSABLE", subject=clip(error.subject, _NAME_BYTES), description=clip(error.reason)
            )
            detail = error_details_pb2.PreconditionFailure(violations=[violation])
            return grpc.StatusCode.FAILED_PRECONDITION, str(error), [detail]
        case LimitExceeded():
            return grpc.StatusCode.RESOURCE_EXHAUSTED, str(error), _quota(error)
        case Unavailable():
            return grpc.StatusCode.UNAVAILABLE, str(error), _retry(error.retry_after)
        case DeadlinePassed():
            return grpc.StatusCode.DEADLINE_EXCEEDED, str(error), _reason("DEADLINE_PASSED")
        case Unauthenticated():
            return grpc.StatusCode.UNAUTHENTICATED, str(error), _reason("UNAUTHENTICATED")
        case DataLoss():
            return grpc.StatusCode.DATA_LOSS, str(error), _reason("DATA_LOSS")
        case client_errors.RpcError():
            return _relay(error)
        case _:
            return grpc.StatusCode.INTERNAL, "The server failed; its log has the reason under this request's id", []


def _relay(error: client_errors.RpcError) -> tuple[grpc.StatusCode, str, Sequence[Message]]:
    """An error of another server that this one called: the same status, so that the client can act on it."""
    code = getattr(grpc.StatusCode, error.status, grpc.StatusCode.UNKNOWN)
    match error:
        case client_errors.InvalidRequest():
            return code, str(error), _bad_request(error.field, error.problem)
        case client_errors.NotFound():
            return code, str(error), _missing(error.kind, error.name, error.nearby, str(error))
        case client_errors.LimitExceeded():
            return code, str(error), _quota(LimitExceeded(error.subject, str(error), error.retry_after))
        case client_errors.ServerFault():
            fault = f"A server that this one called failed; its log has the reason under request {error.request_id!r}"
            return grpc.StatusCode.INTERNAL, fault, []
        case _:
            return code, str(error), _retry(error.retry_after)


def _bad_request(field: str, problem: str) -> list[Message]:
    """The field that is wrong."""
    violation = error_details_pb2.BadRequest.FieldViolation(field=clip(field, _NAME_BYTES), description=clip(problem))
    return [error_details_pb2.BadRequest(field_violations=[violation])]


def _missing(kind: str, name: str, nearby: Sequence[str], message: str) -> list[Message]:
    """What does not exist, and the names that look alike, separated by commas."""
    names = [clip(each, _NAME_BYTES // 2) for each in nearby[:_NEARBY]]
    return [
        error_details_pb2.ResourceInfo(
            resource_type=clip(kind, _NAME_BYTES), resource_name=clip(name, _NAME_BYTES), description=clip(message)
        ),
        *_reason("NOT_FOUND", {"nearby": ", ".join(names)}),
    ]


def _quota(error: LimitExceeded) -> list[Message]:
    """The limit, and when to try again where that helps."""
    violation = error_details_pb2.QuotaFailure.Violation(
        subject=clip(error.subject, _NAME_BYTES), description=clip(error.problem)
    )
    return [error_details_pb2.QuotaFailure(violations=[violation]), *_retry(error.retry_after)]


def _retry(seconds: float | None) -> list[Message]:
    """When a retry may succeed."""
    if seconds is None:
        return []
    info = error_details_pb2.RetryInfo()
    info.retry_delay.FromNanoseconds(int(seconds * 1e9))
    return [info]


def _reason(reason: str, metadata: dict[str, str] | None = None) -> list[Message]:
    """A reason for machines."""
    return [error_details_pb2.ErrorInfo(reason=reason, domain=DOMAIN, metadata=metadata or {})]
