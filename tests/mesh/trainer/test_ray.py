"""Jobs on Ray as real processes: what is killed ends, the job goes on, and a trainer that stops leaves nothing."""

import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from services.trainer.cluster.session import members
from services.trainer.jobs.records import State
from tests.support.job_works import expected
from tests.support.ray_processes import RayOfTrainer, parent

pytestmark = pytest.mark.parametrize("url", ["sqlite"], indirect=True)


@pytest.fixture
def ray() -> Iterator[RayOfTrainer]:
    """A place for Ray whose path is short enough for the names of sockets."""
    with tempfile.TemporaryDirectory(prefix="rt-") as folder:
        yield RayOfTrainer(Path(folder))


def test_a_killed_worker_costs_a_job_one_attempt_and_the_trainer_leaves_nothing(rig: Any, ray: RayOfTrainer) -> None:
    trainer = rig.trainer(runner="ray", TMPDIR=str(ray.temporary))
    job = rig.job("count", b"[40, 0.1]")
    rig.until(job, lambda each: each.progress > 0.1)
    session = ray.host(trainer)
    [process] = rig.processes()
    worker = parent(process)
    assert worker in members(session)
    os.kill(worker, signal.SIGKILL)
    done = rig.until(job, lambda each: each.state.ended)
    assert (done.state, done.result, done.attempts) == (State.SUCCEEDED, expected(40), 2)
    notes = rig.notes(job)
    [note] = [note.decode() for note in notes if not note.isdigit()]
    assert "exit code 1" in note
    assert "ActorDiedError" in note
    job = rig.job("with_children")
    rig.until(job, lambda _: bool(rig.notes(job)))
    rig.table.cancel(job)
    assert rig.until(job, lambda each: each.state.ended).state is State.CANCELLED
    rig.cleared()  # it holds logs alone, of which Ray's worker has one of its own
    trainer.terminate()
    assert trainer.wait(60) == 0
    assert not members(session)
    assert not ray.folders()
    assert not list((rig._folder / "work").iterdir())
