"""A job of two workers on a real trainer: one that dies costs an attempt, and a retry may have another number."""

import os
import signal

import babelscope
import pytest
from babelscope import InvalidRequest
from babelscope.cli import run

from tests.support.job_processes import processes_of_jobs
from tests.support.tagged import tagged_sentences


def _trains(mesh: babelscope.LocalMesh, job: str, workers: int, after: int) -> int:
    """Waits until so many processes train; the number of the event that told of it."""
    for event in mesh.trainer.watch_job(job, from_event=after + 1):
        if event.kind == "progress" and event.stage == "train" and len(processes_of_jobs(mesh)) == workers:
            return event.number
    raise AssertionError(mesh.trainer.get_job(job))


def test_a_job_of_two_workers(mesh: babelscope.LocalMesh, capfd: pytest.CaptureFixture[str]) -> None:
    train = mesh.datagen.put_dataset(tagged_sentences(60, "en", 0)).name
    command = ["train", "--task", "pos", "--model", "tiny", "--train", f"en={train}", "--workers", "2"]
    assert run([*command, "--epochs", "2000", "--step-tokens", "128", "--detach", "--mesh", mesh.address]) == 0
    name = capfd.readouterr().out.strip()

    told = _trains(mesh, name, 2, 0)
    os.kill(max(processes_of_jobs(mesh)), signal.SIGKILL)  # the one that was started last, which reports nothing
    told = _trains(mesh, name, 2, told + 1)
    assert mesh.trainer.get_job(name).attempts == 2
    mesh.trainer.cancel_job(name)
    assert mesh.trainer.wait_for_job(name).state == "cancelled"
    assert not processes_of_jobs(mesh)

    with pytest.raises(InvalidRequest, match=r"Expected a number within 1\.\.8, but got 9"):
        mesh.trainer.retry_job(name, workers=9)
    told = mesh.trainer.get_job(name).last_event
    assert run(["jobs", "retry", name, "--workers", "1", "--mesh", mesh.address]) == 0
    _trains(mesh, name, 1, told)
    mesh.trainer.cancel_job(name)
    assert mesh.trainer.wait_for_job(name).state == "cancelled"
