"""What is left of a client's deadline.

The handler's task is cancelled when the deadline passes or the client vanishes, so work that is awaited is freed by
itself. These helpers are for work that is not awaited: queues, threads, calls to other servers.
"""

from typing import Any, Protocol

from services.runtime.errors import DeadlinePassed


class Timed(Protocol):
    """The part of an RPC's context that knows its deadline."""

    def time_remaining(self) -> Any:
        """Seconds left; None without a deadline."""


def remaining(context: Timed) -> float | None:
    """Seconds until the client's deadline.

    Args:
        context: Of the RPC.

    Returns:
        Seconds, not below 0; None where the client set no deadline.
    """
    seconds = context.time_remaining()
    return None if seconds is None else max(0.0, float(seconds))


def check(context: Timed) -> None:
    """Stops work that nobody waits for any more.

    Args:
        context: Of the RPC.

    Raises:
        DeadlinePassed: Where no time is left.
    """
    if remaining(context) == 0.0:
        raise DeadlinePassed("Expected the answer before the deadline, but it has passed")


def within(context: Timed, seconds: float) -> float:
    """The shorter of a limit and what is left of the deadline.

    Args:
        context: Of the RPC.
        seconds: The limit.

    Returns:
        Seconds.
    """
    left = remaining(context)
    return seconds if left is None else min(seconds, left)
