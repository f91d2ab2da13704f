"""Fine-tuning on Ray ends with the checkpoint and the figures of fine-tuning without it, also where it is killed."""

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import babelscope
import pytest
from babelscope import Job

from tests.support.job_processes import processes_of_jobs
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
                    worker = int(Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[1])
                    os.kill(worker, signal.SIGKILL)
                    kills += 1
        done = mesh.trainer.wait_for_job(job.name)
    assert kills
    assert (done.state, done.checkpoint) == ("succeeded", undisturbed.checkpoint), done
    assert done.figures == undisturbed.figures
