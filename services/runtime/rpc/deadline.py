"""What is left of a client's deadline.

The handler's task is cancelled when the deadline passes or the client vanishes, so work that is awaited is freed by
itself; what is left tells the two apart.
"""

from typing import Any, Protocol


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
