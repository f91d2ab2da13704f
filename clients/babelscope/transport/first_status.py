"""The status that a server sent, even where grpc.aio loses it.

When a server ends a stream while the client still writes, grpc.aio may replace the status that has come by one of its
own making, `INTERNAL: Internal error from Core` (grpc issue 36066). The status is therefore noted the moment it comes.
"""

from collections.abc import Coroutine, Iterable
from dataclasses import dataclass
from typing import Any, Final

import grpc

_MASK: Final = "Internal error from Core"


@dataclass(frozen=True, slots=True)
class _Noted:
    """A status, in the form of an error."""

    status: grpc.StatusCode
    text: str | None
    trailer: Iterable[tuple[str, str | bytes]] | None

    def code(self) -> grpc.StatusCode:
        """The status."""
        return self.status

    def details(self) -> str | None:
        """The server's message."""
        return self.text

    def trailing_metadata(self) -> Iterable[tuple[str, str | bytes]] | None:
        """The trailer."""
        return self.trailer


class FirstStatus:
    """Notes the first status of a call.

    Args:
        call: A call that has just been made.
    """

    def __init__(self, call: Any) -> None:
        self._noted: _Noted | None = None
        call.add_done_callback(self._note)

    def of(self, error: grpc.RpcError) -> Any:
        """The error with the status that the server sent; None where that was OK."""
        status: Any = error
        if status.details() != _MASK:
            return status
        if self._noted is None or self._noted.details() == _MASK:
            # Core refused the write and had no status: the stream is gone, for whatever reason.
            return _Noted(grpc.StatusCode.UNAVAILABLE, "the stream broke while it was written to", ())
        return None if self._noted.code() is grpc.StatusCode.OK else self._noted

    def _note(self, call: Any) -> None:
        """Called when the call is done, before anything else can happen."""
        if self._noted is None and not call.cancelled():
            code = _now(call.code())
            if code is not None:
                self._noted = _Noted(code, _now(call.details()), _now(call.trailing_metadata()))


def _now(answer: Coroutine[Any, Any, Any]) -> Any:
    """The result of a coroutine that need not wait; None where it would."""
    try:
        answer.send(None)
    except StopIteration as done:
        return done.value
    answer.close()
    return None
