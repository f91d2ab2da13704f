"""A module's `main` in forks of one process that has loaded it: `python -m tests.support.forking MODULE...`.

The test kills some of the forks; each would load the same libraries for seconds. The first module is the one that runs;
a line of standard input holds the file of a fork's output and its arguments. Two lines answer: its number, and how it
has ended.
"""

import importlib
import json
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

ROOT = Path(__file__).resolve().parents[2]


class Fork:
    """A running fork.

    Args:
        template: What forked it.
        stdout: Its output.
    """

    def __init__(self, template: "subprocess.Popen[str]", stdout: TextIO) -> None:
        self._template, self.stdout = template, stdout
        assert template.stdout is not None
        self._answers = template.stdout
        self.pid = int(self._answers.readline())

    def kill(self) -> None:
        """Sends SIGKILL; the process is not reaped before the template says so."""
        os.kill(self.pid, signal.SIGKILL)

    def end(self) -> int:
        """Closes the output and waits for the end; how it has ended."""
        self.stdout.close()
        return int(self._answers.readline())

    def rest(self) -> str:
        """All its output, to an end without an error."""
        found = self.stdout.read()
        assert self.end() == 0
        return found


class Forks:
    """Starts forks, one after the other has ended.

    Args:
        template: Process that has loaded the modules.
        folder: Folder for its files.
    """

    def __init__(self, template: "subprocess.Popen[str]", folder: Path) -> None:
        self._template, self._folder = template, folder
        self._number = 0

    def start(self, *arguments: object) -> Fork:
        """Starts one with arguments."""
        output = self._folder / f"output-{self._template.pid}-{self._number}"
        self._number += 1
        os.mkfifo(output)
        assert self._template.stdin is not None
        self._template.stdin.write(json.dumps([str(output), *map(str, arguments)]) + "\n")
        self._template.stdin.flush()
        return Fork(self._template, output.open(encoding="utf-8"))


@contextmanager
def forking(folder: Path, *modules: str) -> Iterator[Forks]:
    """Forks of a process that has loaded modules, of which the first one's `main` runs.

    Args:
        folder: Folder for files.
        modules: Names.
    """
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'clients'}"}
    command = [sys.executable, "-m", "tests.support.forking", *modules]
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as template:
        try:
            yield Forks(template, folder)
        finally:
            assert template.stdin is not None
            template.stdin.close()


def main() -> None:
    """Forks until the test is over."""
    running, *_ = [importlib.import_module(name) for name in sys.argv[1:]]
    for line in sys.stdin:
        output, *arguments = json.loads(line)
        pid = os.fork()
        if pid == 0:
            os.dup2(os.open(output, os.O_WRONLY), 1)
            sys.argv[1:] = arguments
            try:
                running.main()
                sys.stdout.flush()
            except BaseException:
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        _answer(pid)
        _answer(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


def _answer(number: int) -> None:
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
