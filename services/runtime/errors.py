"""The errors a domain module may raise, with what a client needs to mend its request.

No gRPC here: `services.runtime.rpc.status` turns each class into a status with `google.rpc` details.

    ServiceError
    ├── InvalidArgument      INVALID_ARGUMENT     BadRequest: the field, what was expected, what was got
    ├── NotFound             NOT_FOUND            ResourceInfo, with names that exist nearby
    ├── FailedPrecondition   FAILED_PRECONDITION  the thing exists and cannot be used, with the reason
    ├── LimitExceeded        RESOURCE_EXHAUSTED   QuotaFailure: the limit; RetryInfo where waiting helps
    ├── Unavailable          UNAVAILABLE          RetryInfo
    ├── DeadlinePassed       DEADLINE_EXCEEDED
    ├── Unauthenticated      UNAUTHENTICATED      no token, or not the right one
    └── DataLoss             DATA_LOSS            a stored object that does not match its digest
"""

import traceback
from collections.abc import Sequence


class ServiceError(Exception):
    """Base of all errors that a client is told about."""


class InvalidArgument(ServiceError):
    """A client's mistake in one field of its request.

    Args:
        field: Path of the field, `spec.layers[2]`.
        problem: A sentence that says what was expected and what was got.
    """

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem


class NotFound(ServiceError):
    """Something by a name that does not exist.

    Args:
        kind: What was looked for: `model`, `dataset`.
        name: The name asked for.
        nearby: Names that exist and look alike.
        note: A clause that says where it was looked for, or where it could not be looked for.
    """

    def __init__(self, kind: str, name: str, nearby: Sequence[str] = (), note: str = "") -> None:
        parts = [f"Expected the name of a {kind}, but there is none called {name!r}", note]
        parts.append(f"did you mean {', '.join(nearby)}?" if nearby else "")
        super().__init__("; ".join(part for part in parts if part))
        self.kind = kind
        self.name = name
        self.nearby = tuple(nearby)
        self.note = note


class FailedPrecondition(ServiceError):
    """Something exists and cannot be used as asked.

    Args:
        subject: What it is: `model distilgpt2`.
        reason: Why not, a sentence.
    """

    def __init__(self, subject: str, reason: str) -> None:
        super().__init__(f"{subject}: {reason}")
        self.subject = subject
        self.reason = reason


class LimitExceeded(ServiceError):
    """More than the server takes.

    Args:
        subject: The limit's name: `max_streams`.
        problem: The limit and what was got, a sentence.
        retry_after: Seconds after which a retry may succeed; None where waiting does not help.
    """

    def __init__(self, subject: str, problem: str, retry_after: float | None = None) -> None:
        super().__init__(f"{subject}: {problem}")
        self.subject = subject
        self.problem = problem
        self.retry_after = retry_after


class Unavailable(ServiceError):
    """Not now: starting, draining, or a peer that cannot be reached.

    Args:
        problem: What is missing, a sentence.
        retry_after: Seconds after which a retry may succeed.
    """

    def __init__(self, problem: str, retry_after: float = 1.0) -> None:
        super().__init__(problem)
        self.retry_after = retry_after


class DeadlinePassed(ServiceError):
    """The client's deadline passed before the work was done."""


class Unauthenticated(ServiceError):
    """The client did not say who it is, or not in the right way."""


class DataLoss(ServiceError):
    """A stored object does not match its digest, or is cut short."""


def release_frames(error: BaseException) -> None:
    """Drops the tracebacks of an error and of its causes, and the local variables of their frames.

    An error refers to its frames, and their variables may refer to the error. Such a cycle is freed by the garbage
    collector alone, which counts objects and not bytes: refused messages of megabytes would accumulate.

    Args:
        error: An error that has been logged and answered; nobody can print its traceback afterwards.
    """
    met: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in met:
            continue
        met.add(id(one))
        traceback.clear_frames(one.__traceback__)
        one.__traceback__ = None
        waiting += [one.__cause__, one.__context__]
        if isinstance(one, BaseExceptionGroup):
            waiting += one.exceptions
