"""A job's process as its trainer holds it: a group in a session of its own, with pipes both ways."""

import contextlib
import os
import queue
import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, Protocol

from services.trainer.driver.protocol import Assignment, Report, renewal
from services.trainer.driver.starts import UNKNOWN, Cold, Start, Started, Streams

CHILD: Final = "services.trainer.driver.child"
"""Module that does a job."""
_LOG_TAIL: Final = 2000
_POLL_SECONDS: Final = 0.02
_LAST_REPORTS_SECONDS: Final = 1.0


class Running(Protocol):
    """What does a job, as its trainer holds it."""

    def renew(self, lease_seconds: float) -> None:
        """Tells it how long its lease holds from now."""

    def report(self, timeout: float) -> Report | None:
        """The next report; None where none comes in time, or none comes any more."""

    @property
    def ended(self) -> bool:
        """Whether it has ended and all its reports were read."""

    def stop(self, patience: float = 0.0) -> None:
        """Ends it with all that it has started."""

    def last_words(self) -> str:
        """How it ended, with the end of its log, for people."""


class JobProcess:
    """A running process.

    Args:
        command: Module that the process runs, with its arguments; it keeps to `protocol`.
        assignment: What it is to do.
        env: Environment, beside this process's own.
        log: File that receives its output.
        start: How it is started.
    """

    def __init__(
        self, command: Sequence[str], assignment: Assignment, env: Mapping[str, str], log: Path, start: Start = Cold
    ) -> None:
        self._log = log
        self._reports: queue.Queue[Report | None] = queue.Queue()
        self._unsent = b""
        read_end, events = os.pipe()
        told, write_end = os.pipe()
        try:
            with log.open("ab") as output:
                self._process: Started = start(command, {**os.environ, **env}, Streams(told, output.fileno(), events))
        except BaseException:
            os.close(read_end)
            os.close(write_end)
            raise
        finally:
            os.close(events)
            os.close(told)
        self._told = os.fdopen(write_end, "wb")
        self._reader = threading.Thread(target=self._read, args=(read_end,), daemon=True, name="job-reports")
        self._reader.start()
        self._write(assignment.line())

    @property
    def pid(self) -> int:
        """Number of the process, and of its group; 0 as long as it has not started."""
        return self._process.pid

    def renew(self, lease_seconds: float) -> None:
        """Tells the process how long its lease holds from now."""
        self._write(renewal(lease_seconds))

    def assign(self, assignment: Assignment, log: Path) -> bool:
        """Gives another job to a process that was kept and has told its result.

        Args:
            assignment: What it is to do.
            log: File that receives its output from now on.

        Returns:
            Whether the process lived; nothing was given to one that does not.
        """
        if self._process.poll() is not None:
            return False
        self._log = log
        self._write(replace(assignment, log=str(log.absolute())).line())
        return True

    def report(self, timeout: float) -> Report | None:
        """The next report; None where none comes in time, or none comes any more."""
        self._write(b"")
        try:
            return self._reports.get(timeout=timeout)
        except queue.Empty:
            return None

    @property
    def ended(self) -> bool:
        """Whether the process has ended and all its reports were read."""
        if self._process.poll() is None:
            return False
        # What it wrote last may still be on its way; a process that it left behind may hold the pipe open.
        self._reader.join(_LAST_REPORTS_SECONDS)
        return self._reports.empty()

    def stop(self, patience: float = 0.0) -> None:
        """Ends the whole group: SIGTERM, then SIGKILL where it has not ended in time.

        Args:
            patience: Seconds between the two.
        """
        if patience and self._process.pid and self._process.poll() is None:
            self._process.signal(signal.SIGTERM)
            end = time.monotonic() + patience
            while self._process.poll() is None and time.monotonic() < end:
                time.sleep(_POLL_SECONDS)
        self._process.signal(signal.SIGKILL)
        self._process.wait()
        with contextlib.suppress(BrokenPipeError):
            self._told.close()

    @property
    def exit_code(self) -> int | None:
        """How the process ended, negative numbers being signals; None while it runs."""
        return self._process.poll()

    def last_words(self) -> str:
        """How the process ended, with the end of its log, for people."""
        code = self._process.poll()
        how = f"with exit code {code}"
        if code == UNKNOWN:
            how = "in an unknown way, after the template that had started it"
        elif code is not None and code < 0:
            how = f"by signal {signal.Signals(-code).name}"
        tail = ""
        if self._log.exists():
            with self._log.open("rb") as log:
                log.seek(max(0, log.seek(0, os.SEEK_END) - _LOG_TAIL))
                tail = log.read(_LOG_TAIL).decode(errors="replace").strip()
        return f"its process ended {how}" + (f"; its log ends with:\n{tail}" if tail else "")

    def _write(self, line: bytes) -> None:
        """Writes to the process, once it has started; one that has ended is seen by `ended`, not here."""
        self._unsent += line
        if self._unsent and self._process.pid:
            unsent, self._unsent = self._unsent, b""
            with contextlib.suppress(BrokenPipeError):
                self._told.write(unsent)
                self._told.flush()

    def _read(self, read_end: int) -> None:
        with os.fdopen(read_end, "rb") as lines:
            for line in lines:
                if not line.endswith(b"\n"):
                    return  # the process was killed while it wrote
                self._reports.put(Report.read(line))


Launch = Callable[[str, Assignment, Mapping[str, str], Path], Running]
"""Starts what does a job: from `MODULE:FUNCTION`, the assignment, the environment and the log."""


def launch(work: str, assignment: Assignment, env: Mapping[str, str], log: Path) -> JobProcess:
    """Starts a process that does a job itself, as a new interpreter."""
    return JobProcess((CHILD, work), assignment, env, log)
