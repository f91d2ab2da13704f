"""What is left of a client's deadline.

The handler's task is cancelled when the deadline passes or the client vanishes, so work that is awaited is freed by
itself; what is left tells the two apart.
"""

from typing import Any, Final, Protocol

_ROUNDED: Final = 0.02
"""Share of a deadline that gRPC may add as it writes it into the request: it keeps two or three digits, rounded up."""
_ON_ITS_WAY: Final = 0.02
"""Seconds by which a client's clock may be ahead: it began when the request left."""


class Timed(Protocol):
    """The part of an RPC's context that knows its deadline."""

    def time_remaining(self) -> Any:
        """Seconds left; None without a deadline."""


def remaining(context: Timed) -> float | None:
    """Seconds until the client's deadline.

    Args:
        context: gRPC context of the RPC.

    Returns:
        Seconds, not below 0; None where the client set no deadline.
    """
    seconds = context.time_remaining()
    return None if seconds is None else max(0.0, float(seconds))


def passed(context: Timed, given: float | None) -> bool:
    """Whether an RPC that was cancelled was so by its deadline.

    The client's own clock is the first to say so in half of all cases, and what it sends is then a cancellation.

    Args:
        context: gRPC context of the RPC.
        given: What was left of the deadline when the RPC began.
    """
    left = remaining(context)
    return left is not None and given is not None and left <= _ROUNDED * given + _ON_ITS_WAY
