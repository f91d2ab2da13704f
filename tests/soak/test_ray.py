"""Jobs on Ray whose processes are killed, from those of Ray to the trainer: all end with the undisturbed results."""

import contextlib
import os
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import babelscope
import pytest
from babelscope import Job

from services.trainer.cluster.session import members
from services.trainer.jobs.records import State
from tests.mesh.trainer.conftest import Rig
from tests.support.job_processes import processes_of_jobs
from tests.support.job_works import expected
from tests.support.ray_processes import RayOfTrainer, parent
from tests.support.tagged import tagged_sentences
from tests.support.tiny_models import build_model

pytestmark = pytest.mark.soak


@contextmanager
def _mesh(folder: Path, runner: str) -> Iterator[babelscope.LocalMesh]:
    env = {"BABELSCOPE_HUB": "false", "BABELSCOPE_RUNNER": runner, "BABELSCOPE_THREADS": "1"}
    services = ("metrics", "datagen", "trainer")
    with babelscope.local(services, store=folder / runner, model_roots=[folder / "models"], env=env) as made:
        yield made


def _enter(mesh: babelscope.LocalMesh) -> Job:
    put = mesh.datagen.put_dataset
    train, dev = put(tagged_sentences(400, "en", 0)).name, put(tagged_sentences(50, "en", 1)).name
    test = {"sv": put(tagged_sentences(50, "sv", 2)).name}
    how = {"epochs": 30.0, "learning_rate": 2e-3, "step_tokens": 128, "evaluations": 2}
    return mesh.trainer.fine_tune("tiny", "pos", {"en": train}, dev={"en": dev}, test=test, **how)  # type: ignore[arg-type]


def test_a_killed_fine_tuning_on_ray_equals_the_undisturbed_one_without_it(tmp_path: Path) -> None:
    build_model("bert", tmp_path / "models" / "tiny")
    with _mesh(tmp_path, "process") as mesh:
        undisturbed = mesh.trainer.wait_for_job(_enter(mesh).name)
    assert undisturbed.state == "succeeded", undisturbed
    with _mesh(tmp_path, "ray") as mesh:
        job = _enter(mesh)
        kills = 0
        while kills < 2 and not mesh.trainer.get_job(job.name).ended:
            time.sleep(4.0)
            for process in processes_of_jobs(mesh):
                with contextlib.suppress(OSError):
                    os.kill(parent(process), signal.SIGKILL)
                    kills += 1
        done = mesh.trainer.wait_for_job(job.name)
    assert kills
    assert (done.state, done.checkpoint) == ("succeeded", undisturbed.checkpoint), done
    assert done.figures == undisturbed.figures


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    """A job table without trainers yet."""
    made = Rig(f"sqlite:///{tmp_path}/jobs.db", tmp_path)
    yield made
    made.close()


@pytest.fixture
def ray() -> Iterator[RayOfTrainer]:
    """A place for Ray whose path is short enough for the names of sockets."""
    with tempfile.TemporaryDirectory(prefix="rt-") as folder:
        yield RayOfTrainer(Path(folder))


def _ends(condition: Any, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.parametrize("victim", ["raylet", "gcs_server", "host", "driver"])
def test_whatever_is_killed_the_job_ends_with_the_undisturbed_result(rig: Rig, ray: RayOfTrainer, victim: str) -> None:
    trainer = rig.trainer(runner="ray", TMPDIR=str(ray.temporary))
    job = rig.job("count", b"[100, 0.1]", max_attempts=10)
    for share in (0.1, 0.4):
        rig.until(job, lambda each, share=share: each.progress > share)
        session = ray.host(trainer)
        match victim:
            case "host":
                os.kill(session, signal.SIGKILL)
            case "driver":
                [driver] = ray.drivers(trainer)
                os.kill(driver, signal.SIGKILL)
            case _:
                ray.kill(session, victim)
    done = rig.until(job, lambda each: each.state.ended)
    assert (done.state, done.result) == (State.SUCCEEDED, expected(100))
    told = [int(note) for note in rig.notes(job) if note.isdigit()]
    # What was told within the last half second of Ray's life may be lost; nothing is told twice or out of order.
    assert told == sorted(set(told))
    session = ray.host(trainer)
    trainer.terminate()
    assert trainer.wait(60) == 0
    assert not members(session)
    assert not ray.folders()


def test_a_killed_trainer_takes_its_ray_along(rig: Rig, ray: RayOfTrainer) -> None:
    trainer = rig.trainer(runner="ray", lease=3.0, TMPDIR=str(ray.temporary))
    job = rig.job("count", b"[100, 0.1]")
    rig.until(job, lambda each: each.progress > 0.1)
    session, processes = ray.host(trainer), rig.processes()
    trainer.kill()
    _ends(lambda: not members(session) and not ray.folders() and not rig.processes())
    assert processes
    rig.trainer(lease=3.0)
    assert rig.until(job, lambda each: each.state.ended).result == expected(100)


def test_cancelling_frees_everything(rig: Rig, ray: RayOfTrainer) -> None:
    trainer = rig.trainer(runner="ray", TMPDIR=str(ray.temporary))
    job = rig.job("with_children")
    rig.until(job, lambda _: bool(rig.notes(job)))
    children = [int(pid) for pid in rig.notes(job)[0].split(b",")]
    start = time.monotonic()
    rig.table.cancel(job)
    assert rig.until(job, lambda each: each.state.ended).state is State.CANCELLED
    _ends(lambda: not any(Path(f"/proc/{pid}").exists() for pid in [*children, *rig.processes()]), 10.0)
    rig.cleared()
    assert time.monotonic() - start < 20
    assert members(ray.host(trainer))
