"""Becomes another program, which ends when its parent ends: `python guard.py PARENT_PID PROGRAM ARG...`.

Run as a script, with the standard library alone. On Linux the kernel sends SIGKILL when the parent dies, however it
dies, and the program takes this process over; elsewhere this process stays, and looks every second for the parent.
"""

import ctypes
import os
import platform
import signal
import subprocess
import sys

_PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> int:
    """Runs a program bound to its parent.

    Args:
        arguments: Process id of the parent, the program, its arguments.

    Returns:
        The program's exit code, where this process did not become the program.
    """
    parent, command = int(arguments[0]), arguments[1:]
    if platform.system() == "Linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before the line above
            return 1
        os.execv(command[0], command)  # noqa: S606
    return _stay(parent, command)


def _stay(parent: int, command: list[str]) -> int:
    """Runs the program as a child and ends it when the parent is gone."""
    child = subprocess.Popen(command)
    signal.signal(signal.SIGTERM, lambda *_: child.terminate())
    while True:
        try:
            return child.wait(timeout=1.0)
        except subprocess.TimeoutExpired:
            if os.getppid() != parent:
                child.kill()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
