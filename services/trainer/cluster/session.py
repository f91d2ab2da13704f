"""Processes of one session of the kernel, which is what all that a process starts stays in unless it asks to leave."""

import contextlib
import os
import signal
import time
from pathlib import Path
from typing import Final

_POLL_SECONDS: Final = 0.05


def members(session: int) -> dict[int, str]:
    """Names of a session's processes by their ids, without those that have ended."""
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        process = _read(path)
        if process is not None and process[0] == session:
            found[int(path.name)] = process[1]
    return found


def lives(session: int, pid: int) -> bool:
    """Whether a process of a session has not ended."""
    process = _read(Path("/proc") / str(pid))
    return process is not None and process[0] == session


def kill_session(session: int) -> None:
    """Kills all processes of a session but this one, and waits until they are gone."""
    while pids := members(session).keys() - {os.getpid()}:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(_POLL_SECONDS)


def _read(process: Path) -> tuple[int, str] | None:
    """Session and name of a process; None where it has ended."""
    try:
        stat = (process / "stat").read_text("utf-8", errors="replace")
    except OSError:
        return None
    # The name stands in parentheses, and may hold some itself.
    head, _, tail = stat.rpartition(")")
    state, _, _, session, *_ = tail.split()
    return None if state in "ZX" else (int(session), head.partition("(")[2])
