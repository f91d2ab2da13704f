"""A real PostgreSQL on a Unix socket and loopback, for the time of the tests."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_PROGRAMS = Path("/usr/lib/postgresql")


def _program(name: str) -> str:
    """A program of the newest PostgreSQL of Debian's packages; the test is skipped where there is none."""
    found = sorted(_PROGRAMS.glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3]))
    if not found:
        pytest.skip(f"PostgreSQL not found: {_PROGRAMS}/*/bin/{name}")
    return str(found[-1])


def _as_owner(folder: Path) -> list[str]:
    """PostgreSQL refuses to run as root: a prefix that makes it run as the user that Debian's package makes."""
    if os.getuid() != 0:
        return []
    try:
        owner = pwd.getpwnam("postgres")
    except KeyError:
        pytest.skip("PostgreSQL cannot run as root, and there is no user `postgres`")
    os.chown(folder, owner.pw_uid, owner.pw_gid)
    return ["setpriv", f"--reuid={owner.pw_uid}", f"--regid={owner.pw_gid}", "--clear-groups"]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Postgres:
    """A server that can be stopped and started again.

    Args:
        folder: Where its files are; it must be reachable for the user `postgres`.
    """

    def __init__(self, folder: Path) -> None:
        self._prefix = _as_owner(folder)
        self._data = folder / "data"
        self._log = folder / "log"
        self.port = _free_port()
        self._run(_program("initdb"), "-D", str(self._data), "-U", "babelscope", "--auth=trust", "--no-sync")
        self.start()

    @property
    def url(self) -> str:
        """The address of a database for the job table."""
        return f"postgresql://babelscope@127.0.0.1:{self.port}/postgres"

    def database(self, name: str) -> str:
        """The address of a new, empty database."""
        self._run(_program("createdb"), "-h", "127.0.0.1", "-p", str(self.port), "-U", "babelscope", name)
        return f"postgresql://babelscope@127.0.0.1:{self.port}/{name}"

    def start(self) -> None:
        """Starts it, and waits until it answers."""
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off"
        self._run(_program("pg_ctl"), "-D", str(self._data), "-l", str(self._log), "-w", "-o", options, "start")

    def stop(self) -> None:
        """Stops it at once; connections break."""
        self._run(_program("pg_ctl"), "-D", str(self._data), "-w", "-m", "immediate", "stop")

    def _run(self, *command: str) -> None:
        done = subprocess.run([*self._prefix, *command], capture_output=True, text=True, cwd="/")
        assert done.returncode == 0, done.stderr + done.stdout


@contextmanager
def running_postgres() -> Iterator[Postgres]:
    """A server in a folder of its own, stopped and removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix="babelscope-postgres-", dir="/tmp"))
    try:
        server = Postgres(folder)
        yield server
        server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
