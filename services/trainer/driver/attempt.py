"""One attempt at one job: its process, its lease, its reports, its end."""

import logging
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from services.runtime.errors import ServiceError, Unavailable
from services.trainer.driver.families import Family
from services.trainer.driver.process import Launch, Running
from services.trainer.driver.protocol import LOG, WORKER_LOG, Assignment, Report
from services.trainer.driver.spare import Spare
from services.trainer.driver.workers import launch_workers
from services.trainer.jobs.checkpoints import Checkpoints
from services.trainer.jobs.families import Families
from services.trainer.jobs.records import JobRecord, Lease, NewEvent, State
from services.trainer.jobs.table import JobTable, LeaseLost

log = logging.getLogger(__name__)

_TICK: Final = 0.1
_LONGEST_RENEWAL: Final = 2.0
"""Most seconds between two renewals of a lease: a job that is cancelled learns of it by the next one."""


@dataclass(frozen=True)
class DispatchSettings:
    """How jobs are seen through.

    Attributes:
        works: `MODULE:FUNCTION` by kind of job; kinds that are not named are left to other trainers.
        workdir: Folder of the jobs' own folders.
        slots: Jobs at once.
        waiting: As `works`, for jobs that wait for other jobs most of the time, and so must not take their slots.
        waiting_slots: Such jobs at once.
        families: Kinds of jobs that have jobs of their own, and take no slot at all.
        lease_seconds: Length of a lease; it is renewed at a third of it, and every two seconds at least.
        idle_seconds: Time between two looks at an empty queue.
        stop_seconds: Time that a process has between SIGTERM and SIGKILL.
        pause_seconds: Time that a slot waits after a job for which this machine had no room.
        keep_seconds: Time for which a job that failed or was cancelled keeps its state, for a retry.
        env: Environment of the processes, beside this process's own.
        launch: How the jobs of `works` are started.
        launch_waiting: How those that wait for other jobs are started.
        workers: Number of workers by kind and specification of a job.
        shared: Kinds of which the jobs of one parent are done by one process, one after the other, where each has one
            worker; `launch` must start a process that can be kept.
        computes: Whether the device of this machine's jobs computes in a new process; asked when a job has lost it.
    """

    works: Mapping[str, str]
    workdir: Path
    slots: int = 1
    waiting: Mapping[str, str] = field(default_factory=dict)
    waiting_slots: int = 1
    families: Mapping[str, Family] = field(default_factory=dict)
    lease_seconds: float = 60.0
    idle_seconds: float = 1.0
    stop_seconds: float = 5.0
    pause_seconds: float = 10.0
    keep_seconds: float = 7 * 86_400.0
    env: Mapping[str, str] = field(default_factory=dict)
    launch: Launch = launch_workers
    launch_waiting: Launch = launch_workers
    workers: Callable[[str, bytes], int] = lambda kind, spec: 1
    shared: frozenset[str] = frozenset()
    computes: Callable[[], bool] = lambda: True

    def start(self, assignment: Assignment, log: Path) -> Running:
        """Starts what does a job."""
        if work := self.works.get(assignment.kind):
            return self.launch(work, assignment, self.env, log)
        return self.launch_waiting(self.waiting[assignment.kind], assignment, self.env, log)


@dataclass(frozen=True, slots=True)
class Tables:
    """Where the course of jobs is written.

    Attributes:
        jobs: The jobs.
        checkpoints: The checkpoints that they make.
        families: Jobs with jobs of their own; None where this trainer leaves them to others.
        notify: Called with a job's id after every write, so that those who watch it need not poll fast.
    """

    jobs: JobTable
    checkpoints: Checkpoints
    families: Families | None = None
    notify: Callable[[str], None] = lambda _: None


def has_state(folder: Path) -> bool:
    """Whether a job's folder holds more than logs: a state from which another attempt goes on."""
    logs = (LOG, WORKER_LOG)
    return folder.is_dir() and any(path.name not in logs and path.name[0] != "." for path in folder.iterdir())


class Attempt:
    """One attempt at one job.

    Args:
        tables: Tables that record the attempt's course.
        settings: How it is seen through.
        lease: The right to work on the job.
        job: The job.
        spare: The process that the slot's job before has left.
    """

    def __init__(self, tables: Tables, settings: DispatchSettings, lease: Lease, job: JobRecord, spare: Spare) -> None:
        self._tables, self._settings, self._spare = tables, settings, spare
        self._lease, self._job = lease, job
        self._folder = settings.workdir / job.id
        self._due = time.monotonic() + self._renewal
        self._held_until = time.monotonic() + settings.lease_seconds
        self._cancelled = False

    def see_through(self, closing: threading.Event) -> bool:
        """Runs the job's process to its end, and writes what comes of it.

        Returns:
            Whether this machine can do more jobs: False where the device of its jobs has failed for good.

        Raises:
            LeaseLost: The job is another trainer's by now; the process is gone.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        job = self._job
        try:
            workers = self._settings.workers(job.kind, job.spec)
        except ServiceError as error:  # no other attempt could read it, either
            self._tables.jobs.finish(self._lease, State.FAILED, reason=str(error))
            self._tables.notify(job.id)
            return True
        assignment = Assignment(
            job=job.id,
            kind=job.kind,
            spec=job.spec,
            attempt=self._lease.attempt,
            resume=job.resume,
            workdir=str(self._folder),
            lease_seconds=self._held_until - time.monotonic(),
            workers=workers,
            keep=bool(job.parent) and job.kind in self._settings.shared and workers == 1,
        )
        process = self._spare.take(job.parent, assignment, self._folder / LOG)
        final: Report | None = None
        computes = True
        try:
            while final is None and not process.ended and not closing.is_set() and not self._cancelled:
                report = process.report(_TICK)
                if report is not None:
                    self._write(report)
                    final = report if report.final else None
                if time.monotonic() >= self._due:
                    self._renew(process)
            computes = final is None or not final.lost or self._computes(process)
        finally:
            kept = final is not None and final.result is not None and self._spare.give(job.parent, assignment, process)
            if not kept:
                process.stop(self._settings.stop_seconds if final is None and self._patient(closing) else 0.0)
        self._end(process, final, closing, computes=computes)
        return computes

    @property
    def _renewal(self) -> float:
        """Seconds between two renewals of the lease."""
        return min(self._settings.lease_seconds / 3, _LONGEST_RENEWAL)

    def _patient(self, closing: threading.Event) -> bool:
        return closing.is_set() or self._cancelled

    def _renew(self, process: Running) -> None:
        """Keeps the lease alive; where the table cannot be asked, the old lease holds on until it runs out."""
        asked = time.monotonic()
        try:
            self._cancelled = self._tables.jobs.renew(self._lease, self._settings.lease_seconds)
        except Unavailable as error:
            log.warning("a lease could not be renewed", extra={"job": self._job.id, "reason": str(error)})
            if asked >= self._held_until:
                raise LeaseLost(
                    f"The lease of job {self._job.id} ran out while the table could not be asked"
                ) from error
            self._due = asked + min(1.0, self._settings.lease_seconds / 10)
            return
        # Counted from before the call: the table's clock started to run then at the earliest.
        self._held_until = asked + self._settings.lease_seconds
        self._due = asked + self._renewal
        process.renew(self._held_until - time.monotonic())

    def _write(self, report: Report) -> None:
        """Brings a report to the table, as often as it takes while the lease holds."""
        while True:
            try:
                if report.checkpoint is not None:
                    name, payload, size = report.checkpoint
                    self._tables.checkpoints.add(self._lease, name, payload, size)
                if report.final:
                    return
                self._tables.jobs.record(
                    self._lease,
                    [NewEvent(kind, payload) for kind, payload in report.events],
                    progress=report.progress,
                    figures=report.figures,
                    resume=report.resume,
                    saved=report.saved,
                )
                self._tables.notify(self._job.id)
                return
            except Unavailable as error:
                self._wait_for_the_table(error)

    def _wait_for_the_table(self, error: Unavailable) -> None:
        if time.monotonic() >= self._held_until:
            raise self._ran_out() from error
        time.sleep(_TICK)

    def _ran_out(self) -> LeaseLost:
        return LeaseLost(f"The lease of job {self._job.id} ran out while the table could not be asked")

    def _computes(self, process: Running) -> bool:
        """Whether the device of the attempt computes in a new process; the lease is kept alive meanwhile."""
        with ThreadPoolExecutor(1, thread_name_prefix="device") as pool:
            asked = pool.submit(self._settings.computes)
            while wait([asked], timeout=_TICK).not_done:
                if time.monotonic() >= self._due:
                    self._renew(process)
            return asked.result()

    def _end(self, process: Running, final: Report | None, closing: threading.Event, *, computes: bool) -> None:
        """Writes the end of the attempt.

        One whose device failed is no failure of the job. It counts where the device computes in a new process: then the
        job itself may have broken it, and would do so for ever.
        """
        ended = final is not None and not final.lost
        while True:
            try:
                if final is not None and final.result is not None:
                    self._tables.jobs.finish(self._lease, State.SUCCEEDED, result=final.result)
                elif final is not None and final.lost:
                    log.error("a job's device failed", extra={"job": self._job.id, "reason": final.failure})
                    words = f"its device failed: {final.failure}"
                    self._tables.jobs.record(self._lease, [NewEvent("note", words.encode())])
                    self._tables.jobs.release(self._lease, counted=computes)
                elif final is not None:
                    self._tables.jobs.finish(self._lease, State.FAILED, reason=final.failure or "")
                elif self._cancelled:
                    self._tables.jobs.finish(self._lease, State.CANCELLED)
                elif closing.is_set():
                    self._tables.jobs.release(self._lease, counted=False)
                else:
                    log.warning("a job's process died", extra={"job": self._job.id, "reason": process.last_words()})
                    self._tables.jobs.record(self._lease, [NewEvent("note", process.last_words().encode())])
                    self._tables.jobs.release(self._lease, counted=True)
                break
            except Unavailable as error:
                self._wait_for_the_table(error)
        succeeded = final is not None and final.result is not None
        # A job that failed or was cancelled may be retried, and goes on from its state.
        if succeeded or ((ended or self._cancelled) and not has_state(self._folder)):
            shutil.rmtree(self._folder, ignore_errors=True)
        self._tables.notify(self._job.id)
