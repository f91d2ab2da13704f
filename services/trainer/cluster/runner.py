"""How a trainer gives its jobs to Ray. The trainer itself holds no part of Ray, and so does not die with it."""

import os
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from services.runtime.errors import FailedPrecondition
from services.trainer.cluster import folders
from services.trainer.cluster.plan import Plan
from services.trainer.cluster.session import kill_session
from services.trainer.driver.process import JobProcess
from services.trainer.driver.protocol import Assignment
from services.trainer.driver.workers import THREADS, loopback

_CLOSE_SECONDS: Final = 10.0
_POLL_SECONDS: Final = 0.05
_QUIET: Final = {"RAY_USAGE_STATS_ENABLED": "0"}
_BOUNDS: Final = {
    # Logs of a process: one file of 4 MiB and the one before it.
    "RAY_ROTATION_MAX_BYTES": str(4 << 20),
    "RAY_ROTATION_BACKUP_COUNT": "1",
    # Jobs are as important as they are without Ray.
    "RAY_worker_niceness": "0",
}


class RayRunner:
    """Starts jobs on Ray: a cluster's, or one on this machine, which starts when the first job needs it.

    Args:
        address: Address of the cluster; empty for a Ray of this machine.
        cpus: Cores of a job, or of each of its workers on a cluster.
        gpus: GPUs of each worker of a job, or the share of one.
        slots: Jobs at once, for which a Ray of this machine has room.
        stop_seconds: Time that a job's process has between SIGTERM and SIGKILL.
        env: Environment of the jobs' processes that follows from this trainer's settings.

    Raises:
        FailedPrecondition: Ray is not installed.
    """

    def __init__(
        self, address: str, *, cpus: int, gpus: float, slots: int, stop_seconds: float, env: Mapping[str, str]
    ) -> None:
        if find_spec("ray") is None:
            raise FailedPrecondition("`runner`", "Expected Ray to be installed for `ray`: it is the extra `ray`")
        self._address, self._cpus, self._gpus = address, cpus, gpus
        self._stop_seconds, self._env = stop_seconds, dict(env)
        self._host = None if address else _Host(cpus * max(1, slots))

    def launch(self, work: str, assignment: Assignment, env: Mapping[str, str], log: Path) -> JobProcess:
        """Starts the driver of a job.

        Args:
            work: `MODULE:FUNCTION` that does the job.
            assignment: What it is to do.
            env: Environment of the job's process, beside that of its machine.
            log: File that receives the driver's output.
        """
        folder, access = self._host.ready() if self._host is not None else ("", {})
        # Of this machine, the workers share out the cores of a job; of a cluster, each one has as many.
        cpus = max(1, self._cpus // assignment.workers) if self._host is not None else self._cpus
        own = {THREADS: str(cpus), "BABELSCOPE_THREADS": str(cpus)} if assignment.workers > 1 else {}
        near = loopback() if assignment.workers > 1 and self._host is not None else {}
        plan = Plan(self._address, folder, cpus, self._gpus, {**env, **self._env, **own, **near}, self._stop_seconds)
        command = ("services.trainer.cluster.driver", work, plan.text())
        return JobProcess(command, assignment, _QUIET | access, log)

    def reach(self) -> tuple[str, str, dict[str, str]]:
        """Starts the Ray of this machine unless it runs, and does not wait for it.

        Returns:
            Address of the cluster, or else the folder of the Ray of this machine, and the environment of a process that
            reaches it.
        """
        folder, access = self._host.ready() if self._host is not None else ("", {})
        return self._address, folder, dict(os.environ) | _QUIET | access

    def close(self) -> None:
        """Ends the Ray that this started, with all its processes and files."""
        if self._host is not None:
            self._host.close()


class _Host:
    """Ray on this machine, reached only by those who know its token.

    Args:
        cpus: Cores that Ray gives away.
    """

    def __init__(self, cpus: int) -> None:
        self._cpus = cpus
        self._access = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._folder = Path()

    def ready(self) -> tuple[str, dict[str, str]]:
        """Starts Ray unless it runs, and does not wait for it.

        Returns:
            Its folder, and the environment of those who reach it.
        """
        with self._lock:
            if self._process is None or not _runs(self._process.pid):
                self._end()
                self._start()
            return str(self._folder), self._access

    def close(self) -> None:
        """Ends Ray."""
        with self._lock:
            self._end()

    def _start(self) -> None:
        folders.sweep()
        self._folder = folders.make()
        environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "services.trainer.cluster.host", str(self._folder), str(self._cpus)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            env=environment | _QUIET | _BOUNDS | self._access,
            start_new_session=True,
        )

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None
        process.stdin.close()
        end = time.monotonic() + _CLOSE_SECONDS
        while _runs(process.pid) and time.monotonic() < end:
            time.sleep(_POLL_SECONDS)
        # Its number cannot be another's before it is waited for.
        kill_session(process.pid)
        process.wait()
        folders.remove(self._folder)


def _runs(pid: int) -> bool:
    """Whether a child of this process has not ended; it is not waited for."""
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
