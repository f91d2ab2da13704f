"""Signals to a process that has not yet begun to serve."""

import os
import signal
from typing import Any, Final

TAKEN: Final = (signal.SIGTERM, signal.SIGINT)


def end_while_starting() -> None:
    """Ends this process at once at SIGTERM and SIGINT, until its server takes them and drains.

    Linux drops signals without a handler that are sent to the first process of a container. One that is told to end
    while it imports its packages would start up, serve, and be killed with whatever it does by then.
    """
    for number in TAKEN:
        signal.signal(number, _end)


def _end(_number: int, _frame: Any) -> None:
    os._exit(0)  # at once: imports and loads under way would otherwise be waited for
