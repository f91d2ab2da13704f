"""Jobs on Ray as real processes: what is killed ends, the job goes on, and a trainer that stops leaves nothing."""

import contextlib
import os
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from services.trainer.cluster.session import members
from services.trainer.jobs.records import State
from tests.support.job_works import expected

pytestmark = pytest.mark.parametrize("url", ["sqlite"], indirect=True)


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])


def _children(trainer: Any, module: str) -> list[int]:
    """Processes of a module that a trainer has started and that have not ended."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if module.encode() in (path / "cmdline").read_bytes() and _parent(int(path.name)) == trainer.pid:
                found.append(int(path.name))
    return found


class Ray:
    """The Ray of a rig's trainer.

    Args:
        temporary: Folder for temporary files.
    """

    def __init__(self, temporary: Path) -> None:
        self.temporary = temporary

    def host(self, trainer: Any) -> int:
        """The process that holds Ray, which leads its session."""
        [found] = _children(trainer, "services.trainer.cluster.host")
        return found

    def drivers(self, trainer: Any) -> list[int]:
        """The processes that see jobs through."""
        return _children(trainer, "services.trainer.cluster.driver")

    def folders(self) -> list[Path]:
        """Folders of Ray that are there."""
        return list(self.temporary.glob("babelscope-ray-*"))

    def kill(self, session: int, name: str) -> None:
        """Kills a process by its name."""
        [pid] = [pid for pid, each in members(session).items() if each == name]
        os.kill(pid, signal.SIGKILL)


def _ends(condition: Any, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.fixture
def ray() -> Iterator[Ray]:
    """A place for Ray whose path is short enough for the names of sockets."""
    with tempfile.TemporaryDirectory(prefix="rt-") as folder:
        yield Ray(Path(folder))


def test_a_killed_worker_of_ray_costs_a_job_one_attempt_and_the_trainer_leaves_nothing(rig: Any, ray: Ray) -> None:
    trainer = rig.trainer(runner="ray", TMPDIR=str(ray.temporary))
    job = rig.job("count", b"[40, 0.1]")
    rig.until(job, lambda each: each.progress > 0.1, 180)
    session = ray.host(trainer)
    [process] = rig.processes()
    worker = _parent(process)
    assert worker in members(session)
    os.kill(worker, signal.SIGKILL)
    done = rig.until(job, lambda each: each.state.ended, 180)
    assert (done.state, done.result, done.attempts) == (State.SUCCEEDED, expected(40), 2)
    notes = rig.notes(job)
    [note] = [note.decode() for note in notes if not note.isdigit()]
    assert "exit code 1" in note
    assert "ActorDiedError" in note
    trainer.terminate()
    assert trainer.wait(60) == 0
    assert not members(session)
    assert not ray.folders()
    assert not list((rig._folder / "work").iterdir())


@pytest.mark.soak
@pytest.mark.parametrize("victim", ["raylet", "gcs_server", "host", "driver"])
def test_whatever_of_ray_is_killed_the_job_ends_with_the_undisturbed_result(rig: Any, ray: Ray, victim: str) -> None:
    trainer = rig.trainer(runner="ray", TMPDIR=str(ray.temporary))
    job = rig.job("count", b"[100, 0.1]", max_attempts=10)
    for share in (0.1, 0.4):
        rig.until(job, lambda each, share=share: each.progress > share, 180)
        session = ray.host(trainer)
        match victim:
            case "host":
                os.kill(session, signal.SIGKILL)
            case "driver":
                [driver] = ray.drivers(trainer)
                os.kill(driver, signal.SIGKILL)
            case _:
                ray.kill(session, victim)
    done = rig.until(job, lambda each: each.state.ended, 240)
    assert (done.state, done.result) == (State.SUCCEEDED, expected(100))
    told = [int(note) for note in rig.notes(job) if note.isdigit()]
    # What was told within the last half second of Ray's life may be lost; nothing is told twice or out of order.
    assert told == sorted(set(told))
    session = ray.host(trainer)
    trainer.terminate()
    assert trainer.wait(60) == 0
    assert not members(session)
    assert not ray.folders()


@pytest.mark.soak
def test_a_killed_trainer_takes_its_ray_along(rig: Any, ray: Ray) -> None:
    trainer = rig.trainer(runner="ray", lease=3.0, TMPDIR=str(ray.temporary))
    job = rig.job("count", b"[100, 0.1]")
    rig.until(job, lambda each: each.progress > 0.1, 180)
    session, processes = ray.host(trainer), rig.processes()
    trainer.kill()
    _ends(lambda: not members(session) and not ray.folders() and not rig.processes())
    assert processes
    rig.trainer(lease=3.0)
    assert rig.until(job, lambda each: each.state.ended).result == expected(100)


@pytest.mark.soak
def test_cancelling_frees_everything(rig: Any, ray: Ray) -> None:
    trainer = rig.trainer(runner="ray", TMPDIR=str(ray.temporary))
    job = rig.job("with_children")
    rig.until(job, lambda _: bool(rig.notes(job)), 180)
    children = [int(pid) for pid in rig.notes(job)[0].split(b",")]
    start = time.monotonic()
    rig.table.cancel(job)
    assert rig.until(job, lambda each: each.state.ended).state is State.CANCELLED
    _ends(lambda: not any(Path(f"/proc/{pid}").exists() for pid in [*children, *rig.processes()]), 10.0)
    assert time.monotonic() - start < 20
    assert not list((rig._folder / "work").iterdir())
    assert members(ray.host(trainer))
