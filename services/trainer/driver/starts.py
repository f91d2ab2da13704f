"""Two ways to start the process of a job: as a new interpreter, or forked from one that has loaded the libraries.

Either is a group in a session of its own, with the pipes and the log that it is given.
"""

import contextlib
import logging
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from services.trainer.driver.protocol import EVENTS_VARIABLE

log = logging.getLogger(__name__)

UNKNOWN: Final = 255
"""Exit code of a process whose template ended before it could tell how the process did."""
_START_SECONDS: Final = 120.0
"""Most seconds that a template takes to start a process, the loading of the libraries included."""
_LINE_BYTES: Final = 64
_STATUS_SECONDS: Final = 1.0
"""Most seconds that a template takes to tell how a process ended, which the kernel has told by then."""


class Started(Protocol):
    """A process that was started, or is about to be."""

    @property
    def pid(self) -> int:
        """Number of the process, and of its group; 0 as long as there is none."""

    def poll(self) -> int | None:
        """How it ended, negative numbers being signals; None where it has not."""

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal to the whole group, where there is one."""

    def wait(self) -> None:
        """Waits for the process, which has ended or was killed, and lets go of it."""


@dataclass(frozen=True, slots=True)
class Streams:
    """Descriptors of a new process. They are the caller's, who closes them once `Start` has returned.

    Attributes:
        told: What it reads from its standard input.
        output: File of its standard output and error.
        events: Pipe to which it writes its reports.
    """

    told: int
    output: int
    events: int

    def copied(self) -> "Streams":
        """The same ones under other numbers."""
        return Streams(os.dup(self.told), os.dup(self.output), os.dup(self.events))

    def close(self) -> None:
        """Closes them."""
        for each in (self.told, self.output, self.events):
            os.close(each)


Start = Callable[[Sequence[str], Mapping[str, str], Streams], Started]
"""Starts a process: from a module with its arguments, the whole environment, and the descriptors."""


class Cold:
    """A process that started as a new interpreter.

    Args:
        command: Module that it runs, with its arguments.
        env: Its whole environment.
        streams: Its descriptors.
    """

    def __init__(self, command: Sequence[str], env: Mapping[str, str], streams: Streams) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", *command],
            stdin=streams.told,
            stdout=streams.output,
            stderr=streams.output,
            env={**env, EVENTS_VARIABLE: str(streams.events)},
            pass_fds=(streams.events,),
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        """Number of the process, and of its group."""
        return self._process.pid

    def poll(self) -> int | None:
        """How it ended; None where it has not."""
        return self._process.poll()

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal to the whole group."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def wait(self) -> None:
        """Waits for its end."""
        self._process.wait()


class Forked:
    """A process that a template forks: at once, or as soon as it has loaded the libraries.

    The template says the number of the process and hands over a descriptor of it, by which its end is seen even where
    the template is gone. It leaves the process unreaped until the socket is closed, so that the number stays that of
    this process as long as anything is sent to its group. A template that ends before it has said the number has
    started nothing, and the process starts as a new interpreter.

    Args:
        door: Socket that speaks to the template of this one process.
        streams: Descriptors for the case that it starts without the template; closed here.
        template: The template.
        cold: Starts it without the template.
    """

    def __init__(
        self, door: socket.socket, streams: Streams, template: "Source", cold: Callable[[Streams], Started]
    ) -> None:
        self._door, self._streams = door, streams
        self._template, self._start = template, cold
        self._until = time.monotonic() + _START_SECONDS
        self._cold: Started | None = None
        self._pid = 0
        self._handle = -1
        self._code: int | None = None

    @property
    def pid(self) -> int:
        """Number of the process, and of its group; 0 as long as there is none."""
        self.poll()
        return self._cold.pid if self._cold is not None else self._pid

    def poll(self) -> int | None:
        """How it ended; None where it has not, or has not started yet."""
        if self._waits:
            self._settle()
        if self._cold is not None:
            return self._cold.poll()
        if self._code is None and self._pid and select.select([self._handle], [], [], 0)[0]:
            self._code = self._status()
        return self._code

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal to the whole group; where there is none yet, SIGKILL sees to it that there will be none."""
        self.poll()
        if self._cold is not None:
            self._cold.signal(number)
        elif self._waits:
            if number is signal.SIGKILL:
                self._code = -number
                self._door.close()
                self._streams.close()
        # Where the template is gone, nobody keeps the number: another process may have it by now.
        elif self._pid and not (self._code == UNKNOWN and Path(f"/proc/{self._pid}").exists()):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._pid, number)

    def wait(self) -> None:
        """Waits for the process and lets go of it: the template then reaps it."""
        if self._cold is not None:
            self._cold.wait()
        elif self._handle >= 0:
            select.select([self._handle], [], [])
            if self._code is None:
                self._code = self._status()
            os.close(self._handle)
            self._handle = -1
        self._door.close()

    @property
    def _waits(self) -> bool:
        """Whether it has not started yet, and is to."""
        return self._cold is None and not self._pid and self._code is None

    def _settle(self) -> None:
        """Takes what the template says of the start, where it has said anything."""
        late = time.monotonic() >= self._until
        if late:
            # What it has said until then counts.
            self._template.kill()
        if not late and not select.select([self._door], [], [], 0)[0]:
            return
        try:
            said, handles, *_ = socket.recv_fds(self._door, _LINE_BYTES, 1)
        except OSError:
            said, handles = b"", []
        if handles:
            self._pid, self._handle = int(said), handles[0]
            self._template.served = True
            self._streams.close()
            return
        log.warning("a job starts without the template", extra={"reason": "it is late" if late else "it is gone"})
        try:
            self._cold = self._start(self._streams)
        except BaseException:
            self._code = UNKNOWN
            raise
        finally:
            self._streams.close()

    def _status(self) -> int:
        """What the template says of the end of the process, which has ended."""
        with contextlib.suppress(OSError, ValueError):
            self._door.settimeout(_STATUS_SECONDS)
            return int(self._door.recv(_LINE_BYTES))
        return UNKNOWN


class Source(Protocol):
    """A template, as those see it that come of it.

    Attributes:
        served: Whether it has started anything yet.
    """

    served: bool

    def kill(self) -> None:
        """Ends it, and waits for its end."""
