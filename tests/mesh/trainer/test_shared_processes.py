"""Jobs of one parent, done by one process one after the other: each under a lease and in a folder of its own."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from services.trainer.driver.process import JobProcess, launch
from services.trainer.driver.protocol import Assignment, Report
from services.trainer.jobs.records import Filter, State
from tests.mesh.trainer.conftest import PATIENCE_SECONDS, lives
from tests.support.job_works import expected

SQLITE = pytest.mark.parametrize("url", ["sqlite"], indirect=True)
LEASE_SECONDS = 3.0


def _assignment(folder: Path, job: str, spec: bytes = b"[2, 0.01]", lease: float = PATIENCE_SECONDS) -> Assignment:
    (folder / job).mkdir()
    return Assignment(job, "count", spec, 1, "", str(folder / job), lease, keep=True)


def _last(process: JobProcess) -> Report:
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        report = process.report(0.1)
        if report is not None and report.final:
            return report
    raise AssertionError("Expected a last report")


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[JobProcess]:
    """A process that has done one job, and waits for another."""
    assignment = _assignment(tmp_path, "first", lease=LEASE_SECONDS * 20)
    process = launch("tests.support.job_works:count", assignment, {}, tmp_path / "first" / "log")
    assert _last(process).result == expected(2)
    yield process
    process.stop()


def test_a_process_that_waits_holds_no_lease_and_takes_another_job(kept: JobProcess, tmp_path: Path) -> None:
    kept.renew(0.1)  # comes too late to be of the first job, and must not end the process
    time.sleep(1.5)
    assert lives(kept.pid)
    assert kept.assign(_assignment(tmp_path, "second", b"[3, 0.01]"), tmp_path / "second" / "log")
    assert _last(kept).result == expected(3)


def test_the_lease_of_the_next_job_ends_the_process_as_that_of_the_first_would(
    kept: JobProcess, tmp_path: Path
) -> None:
    log = tmp_path / "second" / "log"
    assert kept.assign(_assignment(tmp_path, "second", b"[1000, 0.05]", lease=LEASE_SECONDS), log)
    end = time.monotonic() + PATIENCE_SECONDS
    while not kept.ended and time.monotonic() < end:
        kept.report(0.1)
    assert kept.exit_code == -9
    assert not kept.assign(_assignment(tmp_path, "third"), tmp_path / "third" / "log")


def test_a_process_that_waits_ends_with_its_trainer(rig: Any, kept: JobProcess) -> None:
    kept._told.close()
    rig.gone([kept.pid])


@SQLITE
def test_jobs_of_one_parent_have_one_process_and_logs_of_their_own(rig: Any) -> None:
    rig.trainer()
    families = [rig.job("family", json.dumps([["whose", []]] * 3).encode()) for _ in range(2)]
    alone = [rig.job("whose"), rig.job("whose")]
    said = []
    for each in (*families, *alone):
        done = rig.until(each, lambda job: job.state.ended)
        assert done.state is State.SUCCEEDED
        said.append(done.result.decode().split())
    processes = [set(words[::2]) for words in said]
    assert [len(each) for each in processes] == [1] * 4
    assert len(set.union(*processes)) == 4
    for family, words in zip(families, said, strict=False):
        children = rig.table.page(Filter(parent=family), 100)[0].jobs
        assert {Path(log.removesuffix("(deleted)")).parent.name for log in words[1::2]} == {c.id for c in children}
    rig.gone([int(pid) for each in processes for pid in each])
    rig.cleared()


@SQLITE
def test_a_process_in_which_a_job_failed_does_no_other(rig: Any) -> None:
    rig.trainer()
    parent = rig.job("family", json.dumps([["whose", []], ["count", "no steps"], ["whose", []]]).encode())
    assert rig.until(parent, lambda job: job.state.ended).state is State.FAILED
    first, failed, last = rig.table.page(Filter(parent=parent, oldest_first=True), 100)[0].jobs
    assert [each.state for each in (first, failed, last)] == [State.SUCCEEDED, State.FAILED, State.SUCCEEDED]
    assert first.result.split()[0] != last.result.split()[0]
    rig.gone(rig.processes())
