"""Slots that claim jobs from the table and see each through: its process, its lease, its reports, its end."""

import logging
import os
import socket
import threading

from babelscope.data import atomic

from services.runtime.errors import NotFound, Unavailable
from services.trainer.driver.attempt import Attempt, DispatchSettings, Tables
from services.trainer.jobs.table import LeaseLost

log = logging.getLogger(__name__)


class Dispatcher:
    """Works through the table until it is closed.

    Args:
        tables: Jobs and checkpoints.
        settings: How jobs are seen through.
    """

    def __init__(self, tables: Tables, settings: DispatchSettings) -> None:
        self._tables, self._settings = tables, settings
        self._owner = f"{socket.gethostname()}:{os.getpid()}"
        self._closing = threading.Event()
        self._wake = threading.Event()
        self._threads = [
            threading.Thread(target=self._slot, name=f"job-slot-{number}") for number in range(settings.slots)
        ]

    def start(self) -> None:
        """Starts to claim jobs."""
        self._settings.workdir.mkdir(parents=True, exist_ok=True)
        self._sweep()
        for thread in self._threads:
            thread.start()

    def wake(self) -> None:
        """Looks at the queue at once: a job was entered."""
        self._wake.set()

    def close(self) -> None:
        """Stops: running jobs go back to the queue, to go on from their last checkpoint. Waits for their processes."""
        self._closing.set()
        self._wake.set()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()

    def _sweep(self) -> None:
        """Removes what ended and unknown jobs have left, unless a process still works there."""
        for folder in self._settings.workdir.iterdir():
            try:
                ended = self._tables.jobs.get(folder.name).state.ended
            except NotFound:
                ended = True
            if ended:
                atomic.remove_unowned(folder)

    def _slot(self) -> None:
        while not self._closing.is_set():
            try:
                claimed = self._tables.jobs.claim(
                    self._owner, self._settings.lease_seconds, tuple(self._settings.works)
                )
            except Unavailable as error:
                log.warning("the job table cannot be asked", extra={"reason": str(error)})
                claimed = None
            if claimed is None:
                self._wake.wait(self._settings.idle_seconds)
                self._wake.clear()
                continue
            lease, job = claimed
            self._tables.notify(job.id)
            try:
                Attempt(self._tables, self._settings, lease, job).see_through(self._closing)
            except LeaseLost as error:
                log.warning("a job is another trainer's by now", extra={"job": job.id, "reason": str(error)})
            except Exception:
                # The job's lease runs out, and it is claimed again: nothing is lost.
                log.exception("a job could not be seen through", extra={"job": job.id})
