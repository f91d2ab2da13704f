"""Processes of the jobs of a mesh's trainer."""

import contextlib
import os
import signal
from pathlib import Path

import babelscope


def processes_of_jobs(mesh: babelscope.LocalMesh) -> list[int]:
    """Those that live: children of the trainer, and those whose log lies in its folder."""
    folder = mesh.logs["trainer"].parent.parent / "trainer"
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            command = (path / "cmdline").read_bytes()
            state = (path / "stat").read_text().rsplit(")", 1)[1].split()[0]
            log = (path / "fd" / "1").readlink()
        except (OSError, ValueError):
            continue
        if b"services.trainer.driver.child" in command and state != "Z" and log.is_relative_to(folder):
            found.append(int(path.name))
    return found


def kill_jobs(mesh: babelscope.LocalMesh) -> int:
    """Kills them; how many there were."""
    found = processes_of_jobs(mesh)
    for pid in found:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return len(found)
