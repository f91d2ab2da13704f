"""The process of a job: `python -m services.trainer.driver.child MODULE:FUNCTION`, started by a trainer, or its fork.

One that is kept does several jobs of one parent, one after the other, each under a lease of its own. It is kept after a
job that succeeded alone: what failed may have left anything behind.

The function gets the assignment and a `Channel`, and answers with the result. Whatever it raises fails the job: a
`ServiceError` with its own words, anything else with its type and message; the log has the traceback. Where the device
failed, it fails the attempt alone.
"""

import gc
import importlib
import logging
import math
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Final

from babelscope.data.atomic import owned

from services.runtime.devices import is_device_lost
from services.runtime.errors import ServiceError
from services.trainer.driver.protocol import EVENTS_VARIABLE, Assignment, Died, Report, read_told

log = logging.getLogger(__name__)

Work = Callable[[Assignment, "Channel"], bytes]
"""What a kind of job does: from its assignment to its result."""

_MARGIN: Final = 0.1
"""Share of a lease before whose end the process ends itself."""


class Channel:
    """The way to the trainer, for the work.

    Args:
        file: File that receives the reports.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._lock = threading.Lock()

    def tell(self, report: Report) -> None:
        """Writes a report, whole."""
        with self._lock:
            self._file.write(report.line())
            self._file.flush()


class Lease:
    """Watches the lease from a thread of its own, and ends the whole group of processes when it runs out.

    Args:
        lines: Renewals of the trainer; their end means that the trainer is gone.
        seconds: Time that the lease holds from now.
    """

    def __init__(self, lines: BinaryIO, seconds: float) -> None:
        self._lines = lines
        self._end = self._until(seconds)
        self._assigned: queue.Queue[Assignment] = queue.Queue()
        self._lock = threading.Lock()
        threading.Thread(target=self._read, daemon=True, name="lease-reader").start()
        threading.Thread(target=self._watch, daemon=True, name="lease-watch").start()

    @staticmethod
    def _until(seconds: float) -> float:
        return time.monotonic() + seconds * (1 - _MARGIN)

    @property
    def seconds(self) -> float:
        """Seconds that the lease holds from now, less a margin."""
        return self._end - time.monotonic()

    def rest(self) -> None:
        """The job is done: what is still said of its lease counts for nothing, until there is another assignment."""
        with self._lock:
            self._end = math.inf

    def next(self) -> Assignment:
        """The next assignment, whose lease is watched from its coming on; waits for it."""
        return self._assigned.get()

    def _read(self) -> None:
        for line in self._lines:
            told = read_told(line)
            if isinstance(told, Assignment):
                self._end = self._until(told.lease_seconds)
                self._assigned.put(told)
                continue
            with self._lock:
                if self._end < math.inf:
                    self._end = self._until(told)
        end_group()

    def _watch(self) -> None:
        # CLOCK_MONOTONIC goes on while the process is stopped, so that one that wakes up late ends at once.
        while (left := self._end - time.monotonic()) > 0:
            time.sleep(min(left, 0.5))
        end_group()


def end_group() -> None:
    """Kills this process and all that it has started."""
    os.killpg(os.getpgrp(), signal.SIGKILL)


def main() -> None:
    """Does one job, or several of them one after the other."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    channel = Channel(os.fdopen(int(os.environ.pop(EVENTS_VARIABLE)), "wb"))
    # Without a buffer, whose lock a thread that reads would hold for ever when the interpreter ends.
    lines = os.fdopen(0, "rb", buffering=0)
    line = lines.readline()
    if not line:  # the trainer is gone already
        return
    assignment = Assignment.read(line)
    lease = Lease(lines, assignment.lease_seconds)
    while True:
        with owned(Path(assignment.workdir)):
            report = _work(assignment, channel)
        if not assignment.keep or report.result is None:
            channel.tell(report)
            return
        # What the job has left in circles is let go of before the next one needs the room.
        gc.collect()
        lease.rest()
        channel.tell(report)
        assignment = lease.next()
        _log_to(assignment.log)


def _log_to(path: str) -> None:
    """Has this process, and all that it starts, write its output to another file."""
    sys.stdout.flush()
    sys.stderr.flush()
    number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    try:
        for stream in (1, 2):
            os.dup2(number, stream)
    finally:
        os.close(number)


def _work(assignment: Assignment, channel: Channel) -> Report:
    """Does what is assigned, and says how it ended."""
    module, _, name = sys.argv[1].partition(":")
    try:
        work: Work = getattr(importlib.import_module(module), name)
        return Report(result=work(assignment, channel))
    except Died as error:
        log.error("the attempt ends: %s", error)
        # At once: what waits for a worker that is gone may hang at the interpreter's end.
        logging.shutdown()
        os._exit(1)
    except Exception as error:
        log.exception("the job failed")
        told = str(error) if isinstance(error, ServiceError) else f"{type(error).__name__}: {error}"
        return Report(failure=told, lost=is_device_lost(error))


if __name__ == "__main__":
    main()
