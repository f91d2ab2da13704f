"""Slots that claim jobs from the table and see each through: its process, its lease, its reports, its end."""

import logging
import os
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

from babelscope.data import atomic

from services.runtime.errors import DataLoss, NotFound, ServiceError, Unavailable
from services.trainer.driver.attempt import Attempt, DispatchSettings, Tables, has_state
from services.trainer.driver.families import FamilyWatch
from services.trainer.driver.spare import Spare
from services.trainer.jobs.records import Lease, State
from services.trainer.jobs.table import LeaseLost

log = logging.getLogger(__name__)


class Dispatcher:
    """Works through the table until it is closed.

    Args:
        tables: Jobs and checkpoints.
        settings: How jobs are seen through.
        broken: Called from a thread when the device of the jobs has failed for good: no more jobs are claimed then, so
            that other trainers do them.
    """

    def __init__(self, tables: Tables, settings: DispatchSettings, broken: Callable[[], None] = lambda: None) -> None:
        self._tables, self._settings, self._broken = tables, settings, broken
        self._lost = threading.Event()
        self._owner = f"{socket.gethostname()}:{os.getpid()}"
        self._closing = threading.Event()
        pools = [(settings.slots, tuple(settings.works))]
        if settings.slots:
            pools.append((settings.waiting_slots, tuple(settings.waiting)))
        # One event a thread: a notice that wakes one thread must not be lost to the others.
        self._wakes: list[threading.Event] = []
        self._threads: list[threading.Thread] = []
        for slots, kinds in pools:
            for _ in range(slots if kinds else 0):
                wake = threading.Event()
                self._wakes.append(wake)
                name = f"job-slot-{len(self._threads)}"
                self._threads.append(threading.Thread(target=self._slot, args=(kinds, wake), name=name))
        self._families = (
            FamilyWatch(tables.families, settings.families, tables.notify, settings.idle_seconds)
            if settings.slots and settings.families and tables.families is not None
            else None
        )

    def start(self) -> None:
        """Starts to claim jobs."""
        self._settings.workdir.mkdir(parents=True, exist_ok=True)
        self._tidy()
        for thread in self._threads:
            thread.start()
        if self._families is not None:
            self._families.start()

    def wake(self) -> None:
        """Looks at the queue at once: a job was entered."""
        for wake in self._wakes:
            wake.set()
        if self._families is not None:
            self._families.wake()

    def close(self) -> None:
        """Stops: running jobs go back to the queue, to go on from their last checkpoint. Waits for their processes."""
        self._closing.set()
        self.wake()
        if self._families is not None:
            self._families.close()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()

    def _tidy(self) -> None:
        """Removes what jobs have left that need it no more, and unknown ones, unless a process still works there."""
        for folder in self._settings.workdir.iterdir():
            try:
                state = self._tables.jobs.get(folder.name).state
            except NotFound:
                state = State.SUCCEEDED
            except DataLoss as error:
                log.warning("a job's folder stays", extra={"job": folder.name, "problem": str(error)[:500]})
                continue
            if state is State.SUCCEEDED or (state.ended and not self._may_be_retried(folder)):
                atomic.remove_unowned(folder)

    def _may_be_retried(self, folder: Path) -> bool:
        """Whether a job that failed or was cancelled has left a state, and not too long ago."""
        return has_state(folder) and time.time() - folder.stat().st_mtime < self._settings.keep_seconds

    def _slot(self, kinds: tuple[str, ...], wake: threading.Event) -> None:
        spare = Spare(self._settings.start)
        try:
            while not (self._closing.is_set() or self._lost.is_set()):
                self._work(kinds, wake, spare)
        finally:
            spare.end()

    def _work(self, kinds: tuple[str, ...], wake: threading.Event, spare: Spare) -> None:
        """Sees the next job through, or waits where there is none."""
        try:
            claimed = self._tables.jobs.claim(self._owner, self._settings.lease_seconds, kinds)
        except Unavailable as error:
            log.warning("the job table cannot be asked", extra={"reason": str(error)})
            claimed = None
        except Exception:  # a slot that ends is never filled again, and its server would take jobs and run none
            log.exception("the job table cannot be read")
            claimed = None
        if claimed is None:
            spare.end()
            wake.wait(self._settings.idle_seconds)
            wake.clear()
            return
        lease, job = claimed
        self._tables.notify(job.id)
        try:
            if not Attempt(self._tables, self._settings, lease, job, spare).see_through(self._closing):
                log.error("the device of the jobs has failed for good", extra={"job": job.id})
                self._lost.set()
                self._broken()
        except LeaseLost as error:
            log.warning("a job is another trainer's by now", extra={"job": job.id, "reason": str(error)})
        except OSError as error:
            log.warning("a job could not be started", extra={"job": job.id, "reason": str(error)})
            self._give_back(lease)
            self._closing.wait(self._settings.pause_seconds)
        except Exception:
            # The job's lease runs out, and it is claimed again: nothing is lost.
            log.exception("a job could not be seen through", extra={"job": job.id})
        if self._families is not None and job.parent:
            self._families.wake()

    def _give_back(self, lease: Lease) -> None:
        """Gives a job back that this machine has no room for now; the attempt does not count."""
        try:
            self._tables.jobs.release(lease, counted=False)
        except (LeaseLost, ServiceError) as error:  # its lease runs out
            log.warning("a job could not be given back", extra={"job": lease.job, "reason": str(error)})
