"""The trainer's side of the template from which processes of jobs are forked."""

import json
import logging
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from services.trainer.driver.process import CHILD, JobProcess
from services.trainer.driver.protocol import Assignment
from services.trainer.driver.starts import Cold, Forked, Started, Streams

log = logging.getLogger(__name__)

TEMPLATE: Final = "services.trainer.driver.template"
_LATE: Final = ("BABELSCOPE_", "GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME")
"""Beginnings of the variables that are read after the libraries were loaded."""
_MOST_BYTES: Final = 100_000
"""Longest request: a socket takes as much before anybody reads it."""
_AGAIN_SECONDS: Final = 60.0
"""Time after which a template that could not start anything is tried again."""
_CLOSE_SECONDS: Final = 5.0


class Warm:
    """Starts processes as forks of a template, which starts with the first of them.

    A process that has other variables than the template among those that libraries read while they are loaded starts
    as a new interpreter, and so does every one where the template cannot be had.

    Args:
        modules: Modules that the template loads; that must start no thread, and ask for no GPU.
        env: Variables of the template beside those of this process.
    """

    def __init__(self, modules: Sequence[str], env: Mapping[str, str]) -> None:
        self._modules, self._env = tuple(modules), dict(env)
        self._lock = threading.Lock()
        self._template: _Template | None = None
        self._closed = False

    def launch(self, work: str, assignment: Assignment, env: Mapping[str, str], log: Path) -> JobProcess:
        """Starts a process that does a job itself; see `process.launch`."""
        return JobProcess((CHILD, work), assignment, env, log, start=self.start)

    def start(self, command: Sequence[str], env: Mapping[str, str], streams: Streams) -> Started:
        """Starts a process; see `starts.Start`. The module of the command is that of `CHILD`."""
        line = json.dumps({"arguments": command[1:], "env": dict(env)}).encode() + b"\n"
        if command[0] != CHILD or len(line) > _MOST_BYTES:
            return Cold(command, env, streams)
        with self._lock:
            template = self._ready(env)
        if template is not None and (door := template.ask(line, streams)) is not None:
            return Forked(door, streams.copied(), template, partial(Cold, command, env))
        return Cold(command, env, streams)

    @property
    def pid(self) -> int | None:
        """Number of the template; None where there is none."""
        with self._lock:
            template = self._template
        return template.pid if template is not None and template.lives else None

    def close(self) -> None:
        """Ends the template."""
        with self._lock:
            self._closed = True
            template, self._template = self._template, None
        if template is not None:
            template.close()

    def _ready(self, env: Mapping[str, str]) -> "_Template | None":
        """The template, where it lives or can be started, and suits an environment."""
        found = self._template
        if found is not None and not found.lives:
            if not found.served and time.monotonic() < found.begun + _AGAIN_SECONDS:
                return None
            log.warning("the template of jobs has ended", extra={"pid": found.pid})
            found.close()
            found = self._template = None
        if found is None and not self._closed and hasattr(os, "pidfd_open"):
            own = {**os.environ, **self._env}
            if _read_early(own) == _read_early(env):
                found = self._template = _Template(self._modules, own)
        return found if found is not None and found.suits(env) else None


class _Template:
    """A running template.

    Args:
        modules: Modules that it loads.
        env: Its whole environment.
    """

    def __init__(self, modules: Sequence[str], env: Mapping[str, str]) -> None:
        self.begun, self.served = time.monotonic(), False
        self._early = _read_early(env)
        self._control, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", TEMPLATE, str(theirs.fileno()), *modules],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env=env,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    @property
    def lives(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def suits(self, env: Mapping[str, str]) -> bool:
        """Whether what it has loaded is what a new interpreter of this environment would load."""
        return self._early == _read_early(env)

    def ask(self, line: bytes, streams: Streams) -> socket.socket | None:
        """Asks for a process; the socket on which it is told of, None where the template is gone."""
        door, theirs = socket.socketpair()
        try:
            with theirs:
                socket.send_fds(door, [line], [streams.told, streams.output, streams.events])
                socket.send_fds(self._control, [b"."], [theirs.fileno()])
        except OSError:
            door.close()
            return None
        return door

    def kill(self) -> None:
        """Ends it, and waits for its end; what it has started goes on."""
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """Lets it end, and waits for its end."""
        self._control.close()
        try:
            self._process.wait(_CLOSE_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()


def _read_early(env: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """Of an environment, what may be read while libraries are loaded, with the folder from which modules come."""
    return str(Path.cwd()), {name: value for name, value in env.items() if not name.startswith(_LATE)}
