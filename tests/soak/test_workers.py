"""Jobs of two workers under kills of either: the job goes on to the undisturbed numbers, and nothing is left."""

import contextlib
import os
import random
import signal
from collections.abc import Iterator
from typing import Any

import babelscope
import pytest
from babelscope import Job

from tests.support.job_processes import processes_of_jobs
from tests.support.tagged import tagged_sentences
from tests.support.tiny_models import build_model

pytestmark = pytest.mark.soak
KILLS = 4  # each job is started five times at most


@pytest.fixture(scope="module", params=["process", "ray"])
def mesh(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[babelscope.LocalMesh]:
    """All four servers; a job has two cores, one for each worker."""
    folder = tmp_path_factory.mktemp("workers")
    build_model("bert", folder / "models" / "tiny")
    env = {"HUB": "false", "LEASE_SECONDS": "60", "SLOTS": "1", "THREADS": "2", "RUNNER": request.param}
    env = {f"BABELSCOPE_{name}": value for name, value in env.items()}
    services = ("encoder", "metrics", "datagen", "trainer")
    with babelscope.local(services, store=folder / "store", model_roots=[folder / "models"], env=env) as made:
        yield made


def _enter(mesh: babelscope.LocalMesh) -> Job:
    put = mesh.datagen.put_dataset
    train, dev = put(tagged_sentences(60, "en", 0)).name, put(tagged_sentences(20, "en", 1)).name
    return mesh.trainer.fine_tune(
        "tiny", "pos", {"en": train}, dev={"en": dev}, epochs=12.0, learning_rate=2e-3, step_tokens=128, workers=2
    )


def test_a_job_of_two_workers_under_kills_ends_with_the_undisturbed_numbers(mesh: babelscope.LocalMesh) -> None:
    first = mesh.trainer.wait_for_job(_enter(mesh).name)
    assert (first.state, first.provenance.get("workers")) == ("succeeded", "2"), first
    job = _enter(mesh)
    chance = random.Random(7)
    kills, seen = 0, 0
    for event in mesh.trainer.watch_job(job.name):
        if event.kind != "progress" or event.stage != "train" or kills == KILLS or event.done <= seen:
            continue
        running = processes_of_jobs(mesh)
        if len(running) == 2:
            seen, kills = event.done, kills + 1
            with contextlib.suppress(ProcessLookupError):
                os.kill(chance.choice(running), signal.SIGKILL)
    done = mesh.trainer.get_job(job.name)
    assert (done.state, done.checkpoint) == ("succeeded", first.checkpoint), done
    assert (kills, done.attempts) == (KILLS, KILLS + 1)
    assert not processes_of_jobs(mesh)
