"""Trainers without a door as forks of one process that has loaded `tests.support.trainer_process`.

Of the processes that tests of the driver start and kill, each would load the same libraries for most of a second.
"""

import io
import multiprocessing
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path

from tests.support import trainer_process

ROOT = Path(__file__).resolve().parents[2]
_FORKS = multiprocessing.get_context("forkserver")


def _main(arguments: Sequence[str], env: Mapping[str, str], output: Connection) -> None:
    os.environ.clear()
    os.environ.update(env)
    os.chdir(ROOT)
    os.dup2(output.fileno(), 1)
    output.close()
    sys.argv[1:] = arguments
    trainer_process.main()


class ForkedTrainer:
    """A running trainer, with what these tests need of `subprocess.Popen`.

    Args:
        arguments: Those of the module.
        env: Its whole environment.
    """

    def __init__(self, arguments: Sequence[str], env: Mapping[str, str]) -> None:
        _FORKS.set_forkserver_preload(["tests.support.forked_trainer"])
        ours, theirs = _FORKS.Pipe(duplex=False)
        self._process = _FORKS.Process(target=_main, args=(list(arguments), dict(env), theirs), daemon=True)
        self._process.start()
        theirs.close()
        self.stdout = io.TextIOWrapper(os.fdopen(os.dup(ours.fileno()), "rb"), encoding="utf-8")
        ours.close()
        assert self._process.pid is not None
        self.pid: int = self._process.pid

    def poll(self) -> int | None:
        """How it has ended; None while it lives."""
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Waits for its end; how it has ended."""
        self._process.join(timeout)
        assert self._process.exitcode is not None, "it lives"
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        """Sends a signal to a trainer that lives."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Sends SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Sends SIGKILL."""
        self.send_signal(signal.SIGKILL)
