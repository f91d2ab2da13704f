"""Sweeps with processes killed at random: every one ends with the undisturbed figures, and nothing is left."""

import contextlib
import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import babelscope
import pytest
from babelscope import Job, SweepTask
from babelscope.local.supervision import RestartPolicy

from tests.support.job_processes import kill_jobs, processes_of_jobs
from tests.support.tagged import tagged_sentences
from tests.support.tiny_models import build_model

pytestmark = pytest.mark.soak
KILLS = 8  # each job is started five times at most


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[babelscope.LocalMesh]:
    """All four servers, with two slots for jobs; the trainer may die as often as it likes."""
    folder = tmp_path_factory.mktemp("sweeps")
    build_model("bert", folder / "models" / "tiny")
    env = {
        "BABELSCOPE_HUB": "false",
        "BABELSCOPE_LEASE_SECONDS": "3",
        "BABELSCOPE_SLOTS": "2",
        "BABELSCOPE_THREADS": "1",
    }
    services = ("encoder", "metrics", "datagen", "trainer")
    roots = [folder / "models"]
    with babelscope.local(
        services, store=folder / "store", model_roots=roots, env=env, restart=RestartPolicy(limit=100)
    ) as made:
        yield made


def _enter(mesh: babelscope.LocalMesh) -> Job:
    put = mesh.datagen.put_dataset
    train, dev = put(tagged_sentences(60, "en", 0)).name, put(tagged_sentences(20, "en", 1)).name
    task = SweepTask("pos", {"en": (train, dev)}, {"en": dev, "sv": put(tagged_sentences(20, "sv", 2)).name})
    axes: Any = {"random_init": {"1-2": (1, 2), "3-4": (3, 4)}, "seeds": (0, 1)}
    return mesh.trainer.sweep("tiny", [task], axes=axes, epochs=4.0, learning_rate=2e-3, step_tokens=128)


def test_a_sweep_under_kills_ends_with_the_undisturbed_figures(mesh: babelscope.LocalMesh) -> None:
    undisturbed = mesh.trainer.wait_for_job(_enter(mesh).name)
    assert undisturbed.state == "succeeded", undisturbed
    job = _enter(mesh)
    chance = random.Random(3)
    kills = 0
    while kills < KILLS and not mesh.trainer.get_job(job.name).ended:
        time.sleep(chance.uniform(0.5, 6.0))
        if kills % 3 == 2:
            pid = mesh.pids["trainer"]
            if pid is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                    kills += 1
        else:
            kills += bool(kill_jobs(mesh))
    done = mesh.trainer.wait_for_job(job.name)
    assert (done.state, done.sweep) == ("succeeded", undisturbed.sweep), done
    assert kills >= KILLS // 2
    assert not processes_of_jobs(mesh)
    assert not list((Path(mesh.logs["trainer"]).parent.parent / "trainer" / "work").iterdir())
