"""One server process of the local mesh: started, watched, started again when it dies, and stopped."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import grpc

from babelscope.errors import MeshError
from babelscope.local import guard
from babelscope.transport import health
from babelscope.transport.channel import ClientConfig, open_channel
from babelscope.transport.services import SERVICES

_LOG_TAIL_BYTES: Final = 4000
_LOOK_SECONDS: Final = 0.05  # a file's birth cannot be awaited


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """How often a server that dies is started again.

    Args:
        limit: Restarts within the span.
        span: Length of time, in seconds.
        initial: Seconds before the first restart; doubles with each within the span.
        maximum: Longest such delay.
    """

    limit: int = 5
    span: float = 600.0
    initial: float = 0.2
    maximum: float = 5.0


class ServerProcess:
    """A server on loopback that is kept up.

    A thread of its own starts it and waits for it: on Linux a child dies with the *thread* that started it, and this
    one lives as long as its child.

    Args:
        name: `encoder`, `metrics`.
        command: Program and arguments.
        env: Its whole environment, without the port.
        folder: Its working folder; receives the port file.
        log: File to which its output is appended.
        policy: How often it is started again.
        port: Port to listen on; 0 takes any free one, and keeps it.
        on_end: Called, in a thread of its own, when it has ended for good.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        env: Mapping[str, str],
        folder: Path,
        log: Path,
        policy: RestartPolicy | None = None,
        port: int = 0,
        on_end: Callable[[], None] | None = None,
    ) -> None:
        self.name = name
        self.port = port
        self.restarts = 0
        self.log = log
        self._command = command
        self._env = env
        self._folder = folder
        self._port_file = folder / f"{name}.port"
        self._policy = policy or RestartPolicy()
        self._on_end = on_end
        self._deaths: deque[float] = deque()
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._stopping = threading.Event()
        self._ended = threading.Event()  # it has ended for good
        self._ready = False
        self._exit_code: int | None = None
        self._watching: grpc.Call | None = None
        self._thread = threading.Thread(target=self._supervise, name=f"babelscope-{name}", daemon=True)

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"127.0.0.1:{self.port}"

    @property
    def pid(self) -> int | None:
        """Process id of the running server; None where none runs."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    def start(self) -> None:
        """Starts it; returns at once."""
        self._thread.start()

    def wait_listening(self, deadline: float) -> int:
        """Waits until it listens; its port.

        Raises:
            MeshError: It ended, or the deadline (`time.monotonic`) passed.
        """
        while not self._port_file.exists():
            if self._ended.wait(_LOOK_SECONDS):
                raise self._failure("ended before it listened")
            if time.monotonic() > deadline:
                raise self._failure("did not listen in time")
        self.port = int(self._port_file.read_text(encoding="ascii"))
        return self.port

    def wait_serving(self, deadline: float) -> None:
        """Waits until it is healthy. From then on it is started again when it dies.

        Raises:
            MeshError: It ended, or the deadline (`time.monotonic`) passed.
        """
        with open_channel(ClientConfig(self.address)) as channel:
            call: Any = health.watch(channel)(
                SERVICES[self.name].full_name, timeout=max(0.0, deadline - time.monotonic()), wait_for_ready=True
            )
            self._watching = call
            if self._ended.is_set():
                call.cancel()
            try:
                for state in call:
                    if state == "serving":
                        self._ready = True
                        return
                raise self._failure("stopped telling its health")
            except grpc.RpcError:
                what = "ended before it was ready" if self._ended.is_set() else "was not ready in time"
                raise self._failure(what) from None
            finally:
                self._watching = None
                call.cancel()

    def stop(self, deadline: float) -> None:
        """Ends it for good: SIGTERM, and SIGKILL when the deadline (`time.monotonic`) passes."""
        self.terminate()
        process = self._process
        if process is not None:
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
        if self._thread.is_alive():
            self._thread.join()

    def terminate(self) -> None:
        """Asks it to end, without waiting."""
        self._stopping.set()
        with self._lock:
            if self._process is not None:
                self._process.send_signal(signal.SIGTERM)

    def check(self) -> None:
        """Asks whether it is up, or on its way up again.

        Raises:
            MeshError: It has died too often and was given up.
        """
        if self._ended.is_set() and not self._stopping.is_set():
            raise self._failure(f"died {len(self._deaths)} times and was given up")

    def tail(self) -> str:
        """The last lines of its log."""
        with contextlib.suppress(OSError), self.log.open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - _LOG_TAIL_BYTES))
            return log.read().decode("utf-8", "replace").strip()
        return ""

    def _supervise(self) -> None:
        """Starts it until it is stopped, or has died too often."""
        try:
            while not self._stopping.is_set():
                with self._lock:
                    if not self._stopping.is_set():
                        self._process = self._launch()
                process = self._process
                if process is None:
                    return
                self._exit_code = process.wait()
                if self._stopping.is_set() or not self._ready or not self._may_restart():
                    return
                wait = self._policy.initial * 2 ** (len(self._deaths) - 1)
                self._stopping.wait(min(self._policy.maximum, wait))
                self.restarts += 1
        finally:
            self._ended.set()
            watching = self._watching
            if watching is not None:
                watching.cancel()
            if self._on_end is not None:
                self._on_end()

    def _launch(self) -> subprocess.Popen[bytes]:
        """Starts the process, on the port that it had before."""
        env = {
            **self._env,
            "BABELSCOPE_HOST": "127.0.0.1",
            "BABELSCOPE_PORT": str(self.port),
            "BABELSCOPE_PORT_FILE": str(self._port_file),
        }
        guarded = [sys.executable, "-I", "-S", str(Path(guard.__file__)), str(os.getpid()), *self._command]
        with self.log.open("ab") as log:
            return subprocess.Popen(
                guarded,
                env=env,
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is the parent's to handle
            )

    def _may_restart(self) -> bool:
        """Whether it has not died too often of late."""
        now = time.monotonic()
        self._deaths.append(now)
        while now - self._deaths[0] > self._policy.span:
            self._deaths.popleft()
        return len(self._deaths) <= self._policy.limit

    def _failure(self, what: str) -> MeshError:
        """Why it is not up, with its log."""
        code = "" if self._exit_code is None else f" (exit code {self._exit_code})"
        return MeshError(f"The {self.name} {what}{code}; its log is {self.log}", log_tail=self.tail())
