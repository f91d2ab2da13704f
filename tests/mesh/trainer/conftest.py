"""Trainers as real processes over a real job table."""

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import babelscope
import pytest

from services.trainer.jobs.database import Database
from services.trainer.jobs.records import JobRecord, NewJob
from services.trainer.jobs.table import JobTable
from tests.support.forked_trainer import ForkedTrainer
from tests.support.general_models import build_general
from tests.support.postgres import Postgres, running_postgres
from tests.support.tiny_models import build_model

ROOT = Path(__file__).resolve().parents[3]
PATIENCE_SECONDS = 200.0
"""Time that anything which has to happen may take on a loaded machine; no work of a test lasts as long by itself."""


def lives(pid: int) -> bool:
    """Whether a process runs."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/stat") as stat:  # noqa: PTH123
        return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    return False


@pytest.fixture(scope="session")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[babelscope.LocalMesh]:
    """All four servers, with a tiny model, one that transformers' own modules run, and one slot for jobs."""
    folder = tmp_path_factory.mktemp("mesh")
    build_model("bert", folder / "models" / "tiny")
    build_general("deberta-v2", folder / "models" / "deberta", num_hidden_layers=2, head=True)
    # One thread a job: two that wait for one another are slow beyond measure on a machine that others load.
    env = {"HUB": "false", "LEASE_SECONDS": "6", "SLOTS": "1", "THREADS": "1"}
    env = {f"BABELSCOPE_{name}": value for name, value in env.items()}
    services = ("encoder", "metrics", "datagen", "trainer")
    with babelscope.local(services, store=folder / "store", model_roots=[folder / "models"], env=env) as made:
        yield made


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL of the whole session."""
    with running_postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/jobs.db"
    server: Postgres = request.getfixturevalue("postgres")
    return server.database(f"jobs_{uuid4().hex}")


class Rig:
    """A job table and the trainers that work on it.

    Args:
        url: Of the database.
        folder: Where trainers work.
    """

    def __init__(self, url: str, folder: Path) -> None:
        self._url, self._folder = url, folder
        self.database = Database(url)
        self.table = JobTable(self.database)
        self.trainers: list[ForkedTrainer] = []

    def trainer(self, *, lease: float = 30.0, slots: int = 1, runner: str = "process", **env: str) -> ForkedTrainer:
        """Starts a trainer, and waits until it is ready."""
        arguments = [self._url, str(self._folder / "work"), str(lease), str(slots), runner]
        own = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'clients'}", **env}
        trainer = ForkedTrainer(arguments, own)
        self.trainers.append(trainer)
        assert trainer.stdout.readline() == "ready\n"
        return trainer

    def job(self, kind: str, spec: bytes = b"", **settings: int) -> str:
        """Enters a job."""
        return self.table.create(NewJob(kind, spec, **settings)).id  # type: ignore[arg-type]

    def until(self, job: str, condition: Callable[[JobRecord], bool]) -> JobRecord:
        """Waits until a job is as wanted."""
        end = time.monotonic() + PATIENCE_SECONDS
        while not condition(found := self.table.get(job)):
            assert time.monotonic() < end, found
            time.sleep(0.02)
        return found

    def gone(self, pids: list[int]) -> None:
        """Waits until processes have ended."""
        end = time.monotonic() + PATIENCE_SECONDS
        while any(map(lives, pids)):
            assert time.monotonic() < end, pids
            time.sleep(0.02)

    def cleared(self) -> None:
        """Waits until no job has left a folder: the table tells of a job's end before its folder is removed."""
        end = time.monotonic() + PATIENCE_SECONDS
        while left := list((self._folder / "work").iterdir()):
            assert time.monotonic() < end, left
            time.sleep(0.02)

    def notes(self, job: str) -> list[bytes]:
        """What a job's process has told, in order."""
        return [event.payload for event in self.table.events(job) if event.kind == "note"]

    def processes(self) -> list[int]:
        """Processes of this rig's jobs that live: their output goes to a log in its folder."""
        found = []
        for path in Path("/proc").glob("[0-9]*"):
            try:
                command = (path / "cmdline").read_bytes()
                state = (path / "stat").read_text().rsplit(")", 1)[1].split()[0]
                log = (path / "fd" / "1").readlink()
            except OSError:
                continue
            if b"services.trainer.driver." in command and state != "Z" and log.is_relative_to(self._folder):
                found.append(int(path.name))
        return found

    def close(self) -> None:
        """Ends all trainers."""
        for trainer in self.trainers:
            if trainer.poll() is None:
                trainer.send_signal(signal.SIGCONT)
                trainer.kill()
            trainer.wait()
            trainer.stdout.close()
        self.database.close()


@pytest.fixture
def rig(url: str, tmp_path: Path) -> Iterator[Rig]:
    """A job table without trainers yet."""
    made = Rig(url, tmp_path)
    yield made
    made.close()
