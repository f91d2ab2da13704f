"""Processes of the jobs of a mesh's trainer."""

import contextlib
import os
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import babelscope


def processes_of_jobs(mesh: babelscope.LocalMesh) -> list[int]:
    """Those that live: children of the trainer, and those whose log lies in its folder."""
    return list(jobs_by_process(mesh))


def jobs_by_process(mesh: babelscope.LocalMesh) -> dict[int, str]:
    """Names of the jobs of those that live."""
    folder = work_folder(mesh).parent
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            command = (path / "cmdline").read_bytes()
            state = (path / "stat").read_text().rsplit(")", 1)[1].split()[0]
            log = (path / "fd" / "1").readlink()
        except (OSError, ValueError):
            continue
        if b"services.trainer.driver." in command and state != "Z" and log.is_relative_to(folder):
            # Workers but for the first have folders of their own where they are on Ray.
            found[int(path.name)] = f"jobs/{log.parent.name.partition('.')[0]}"
    return found


def work_folder(mesh: babelscope.LocalMesh) -> Path:
    """What jobs write while they run."""
    return mesh.logs["trainer"].parent.parent / "trainer" / "work"


def saved_steps(mesh: babelscope.LocalMesh, job: str) -> int:
    """Steps of the furthest state of a job, as the job table has it."""
    with closing(sqlite3.connect(f"file:{work_folder(mesh).parent / 'jobs.db'}?mode=ro", uri=True)) as database:
        [found] = database.execute("SELECT saved FROM jobs WHERE id = ?", (job.removeprefix("jobs/"),)).fetchone()
    return int(found)


def kill_jobs(mesh: babelscope.LocalMesh) -> int:
    """Kills them; how many there were."""
    found = processes_of_jobs(mesh)
    for pid in found:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return len(found)
