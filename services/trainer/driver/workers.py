"""The processes of a job that several workers do together on this machine, held as if they were one."""

import os
import secrets
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from services.trainer.driver.process import JobProcess, Running, launch
from services.trainer.driver.protocol import Assignment, Report

_LOOPBACK: Final = "lo"
_MEETING: Final = ".meeting-"
THREADS: Final = "OMP_NUM_THREADS"
LaunchOne = Callable[[str, Assignment, Mapping[str, str], Path], JobProcess]
"""As `Launch`, for one process."""


class Workers:
    """Processes of one job, each in a session of its own. They end together.

    What the first one reports is what the job reports, but for the failure of another one, which is the job's.

    Args:
        processes: The processes by rank.
        meeting: File by which they find one another; removed when they have ended.
    """

    def __init__(self, processes: Sequence[JobProcess], meeting: Path) -> None:
        self._first, *self._others = processes
        self._meeting = meeting

    def renew(self, lease_seconds: float) -> None:
        """Tells all processes how long the lease holds from now."""
        for each in (self._first, *self._others):
            each.renew(lease_seconds)

    def report(self, timeout: float) -> Report | None:
        """The next report; None where none comes in time, or none comes any more."""
        for each in self._others:
            while (report := each.report(0.0)) is not None:
                if report.failure is not None:
                    return report
        return self._first.report(timeout)

    @property
    def ended(self) -> bool:
        """Whether the first process has ended and all its reports were read, or another one has died."""
        return self._first.ended or self._dead is not None

    @property
    def _dead(self) -> JobProcess | None:
        """A process besides the first one that has ended before its work was done."""
        return next((each for each in self._others if each.ended and each.exit_code), None)

    def stop(self, patience: float = 0.0) -> None:
        """Ends all processes; see `JobProcess.stop`.

        Args:
            patience: Seconds between SIGTERM and SIGKILL, for the first one; the others have no state to lose.
        """
        try:
            self._first.stop(patience)
        finally:
            for each in self._others:
                each.stop()
            self._meeting.unlink(missing_ok=True)

    def last_words(self) -> str:
        """How the job ended, with the end of its log, for people."""
        # One that was killed says more than those that missed it.
        killed = [each for each in (self._first, *self._others) if (each.exit_code or 0) < 0]
        return (killed[0] if killed else self._dead or self._first).last_words()


def launch_workers(
    work: str, assignment: Assignment, env: Mapping[str, str], log: Path, each: LaunchOne = launch
) -> Running:
    """Starts the processes that do a job on this machine, as many as the assignment says.

    Args:
        work: `MODULE:FUNCTION` that does the job.
        assignment: What is to be done.
        env: Environment of the processes, beside this process's own.
        log: File that receives their output.
        each: Starts one of them.
    """
    number = assignment.workers
    if number == 1:
        return each(work, assignment, env, log)
    threads = str(max(1, int(env.get(THREADS, os.cpu_count() or 1)) // number))
    shared = {**env, THREADS: threads, "BABELSCOPE_THREADS": threads, **loopback()}
    folder = Path(assignment.workdir)
    for left in folder.glob(f"{_MEETING}*"):  # of a trainer that was killed
        left.unlink(missing_ok=True)
    meeting = folder / f"{_MEETING}{secrets.token_hex(4)}"
    started: list[JobProcess] = []
    try:
        for rank in range(number):
            own = replace(assignment, rank=rank, place=rank, meeting=f"file://{meeting}")
            started.append(each(work, own, shared, log))
    except BaseException:
        for process in started:
            process.stop()
        meeting.unlink(missing_ok=True)
        raise
    return Workers(started, meeting)


def loopback() -> dict[str, str]:
    """Settings by which workers of one machine speak to one another on the loopback alone, where that has a name."""
    names = {name for _, name in socket.if_nameindex()}
    return {"GLOO_SOCKET_IFNAME": _LOOPBACK, "NCCL_SOCKET_IFNAME": _LOOPBACK} if _LOOPBACK in names else {}
