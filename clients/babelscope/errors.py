"""The errors that this library raises, in one tree.

    BabelscopeError
    ├── RpcError               a server answered with an error, or could not be reached
    │   ├── InvalidRequest     INVALID_ARGUMENT, OUT_OF_RANGE   .field, .problem
    │   ├── NotFound           NOT_FOUND                        .kind, .name, .nearby
    │   ├── Refused            FAILED_PRECONDITION, UNAUTHENTICATED, PERMISSION_DENIED, UNIMPLEMENTED, ...
    │   ├── LimitExceeded      RESOURCE_EXHAUSTED               .subject, .retry_after
    │   ├── Unavailable        UNAVAILABLE                      .retry_after
    │   ├── DeadlineExceeded   DEADLINE_EXCEEDED
    │   ├── DataCorrupted      DATA_LOSS, or an answer that contradicts itself
    │   ├── Cancelled          CANCELLED
    │   └── ServerFault        INTERNAL, UNKNOWN: a fault of the server, to be reported with .request_id
    ├── TensorError            an array that does not fit its description: .field, .problem
    ├── CorpusError            a corpus file that cannot be read: .path, .line, .problem
    ├── StoreError             a store that cannot be looked into
    ├── StudyError             a study file or a study's result that cannot be used
    ├── NoSuchService          a service that the address of a mesh does not name; also a LookupError
    └── MeshError              servers of the local mesh that do not start or do not stay up

`babelscope.transport.status` makes an `RpcError` from a gRPC status with its `google.rpc` details.
"""

from collections.abc import Sequence
from pathlib import Path


class BabelscopeError(Exception):
    """Base of all errors of this library."""


class RpcError(BabelscopeError):
    """A server answered with an error, or could not be reached.

    Args:
        message: A sentence that says what happened.
        status: Name of the gRPC status: `NOT_FOUND`.
        method: Name of the call: `EncoderService.Encode`.
        request_id: Id under which the server's log tells more.
        retry_after: Seconds after which the server holds a retry worth while; None where it does not say.
    """

    default_status = "UNKNOWN"

    def __init__(
        self,
        message: str,
        *,
        status: str = "",
        method: str = "",
        request_id: str = "",
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status or self.default_status
        self.method = method
        self.request_id = request_id
        self.retry_after = retry_after

    def __str__(self) -> str:
        return self.message


class InvalidRequest(RpcError):
    """The request has a mistake in one field.

    Args:
        message: A sentence that says what happened.
        field: Path of the field: `spec.layers[2]`; empty where the server does not name one.
        problem: What was expected and what was got.
        status: Name of the gRPC status.
        method: Name of the call.
        request_id: Id of the request.
    """

    default_status = "INVALID_ARGUMENT"

    def __init__(
        self,
        message: str,
        *,
        field: str = "",
        problem: str = "",
        status: str = "",
        method: str = "",
        request_id: str = "",
    ) -> None:
        super().__init__(message, status=status, method=method, request_id=request_id)
        self.field = field
        self.problem = problem or message


class NotFound(RpcError):
    """Something by a name that does not exist.

    Args:
        message: A sentence that says what happened.
        kind: What was looked for: `model`.
        name: The name asked for.
        nearby: Names that exist and look alike.
        status: Name of the gRPC status.
        method: Name of the call.
        request_id: Id of the request.
    """

    default_status = "NOT_FOUND"

    def __init__(
        self,
        message: str,
        *,
        kind: str = "",
        name: str = "",
        nearby: Sequence[str] = (),
        status: str = "",
        method: str = "",
        request_id: str = "",
    ) -> None:
        super().__init__(message, status=status, method=method, request_id=request_id)
        self.kind = kind
        self.name = name
        self.nearby = tuple(nearby)


class Refused(RpcError):
    """The thing exists and cannot be used as asked, or the caller may not use it."""

    default_status = "FAILED_PRECONDITION"


class LimitExceeded(RpcError):
    """More than the server takes, with the limit.

    Args:
        message: A sentence that says what happened.
        subject: Name of the limit: `max_streams`.
        status: Name of the gRPC status.
        method: Name of the call.
        request_id: Id of the request.
        retry_after: Seconds after which a retry may succeed; None where waiting does not help.
    """

    default_status = "RESOURCE_EXHAUSTED"

    def __init__(
        self,
        message: str,
        *,
        subject: str = "",
        status: str = "",
        method: str = "",
        request_id: str = "",
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, status=status, method=method, request_id=request_id, retry_after=retry_after)
        self.subject = subject


class Unavailable(RpcError):
    """The server cannot be reached, is starting, or is draining."""

    default_status = "UNAVAILABLE"


class DeadlineExceeded(RpcError):
    """The call's deadline passed before its work was done."""

    default_status = "DEADLINE_EXCEEDED"


class DataCorrupted(RpcError):
    """Stored data that does not match its digest, or an answer that contradicts itself or an earlier one."""

    default_status = "DATA_LOSS"


class Cancelled(RpcError):
    """The call was cancelled."""

    default_status = "CANCELLED"


class ServerFault(RpcError):
    """A fault of the server, to be reported with its `request_id`."""

    default_status = "INTERNAL"


class TensorError(BabelscopeError):
    """An array that does not fit its description.

    Args:
        field: Path of the tensor in its message: `activations.tensor`.
        problem: A sentence that says what was expected and what was got.
    """

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem


class CorpusError(BabelscopeError):
    """A corpus file that cannot be read.

    Args:
        path: The file.
        line: Line of the fault, from 1; 0 where the fault is the whole file's.
        problem: A sentence that says what was expected and what was got.
    """

    def __init__(self, path: Path, line: int, problem: str) -> None:
        super().__init__(f"{path}:{line}: {problem}" if line else f"{path}: {problem}")
        self.path = path
        self.line = line
        self.problem = problem


class StoreError(BabelscopeError):
    """A store, or what is to be kept of it, that cannot be looked into."""


class StudyError(BabelscopeError):
    """A study file or a study's result that cannot be used."""


class NoSuchService(BabelscopeError, LookupError):
    """A service that the address of a mesh does not name."""


class MeshError(BabelscopeError):
    """Servers of the local mesh that do not start or do not stay up.

    Args:
        message: A sentence that says what happened.
        log_tail: Last lines of the server's log.
    """

    def __init__(self, message: str, *, log_tail: str = "") -> None:
        super().__init__(f"{message}\n{log_tail}" if log_tail else message)
        self.message = message
        self.log_tail = log_tail
