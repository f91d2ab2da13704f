"""Jobs as real processes: killed, paused, cancelled and drained; every one ends with the undisturbed result."""

import contextlib
import json
import os
import random
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from services.runtime.errors import DataLoss
from services.trainer.driver.attempt import DispatchSettings, Tables
from services.trainer.driver.dispatcher import Dispatcher
from services.trainer.jobs.checkpoints import Checkpoints
from services.trainer.jobs.families import Families
from services.trainer.jobs.records import State
from services.trainer.jobs.rows import read_job
from services.trainer.jobs.schema import jobs
from services.trainer.specs import EvaluateJob, read
from tests.mesh.trainer.conftest import PATIENCE_SECONDS, lives
from tests.support.job_works import expected
from tests.support.trainer_process import WORKS, Counts

SQLITE = pytest.mark.parametrize("url", ["sqlite"], indirect=True)
"""Of what hangs on processes alone; what the table does on either database its own tests show."""
EITHER_START = pytest.mark.parametrize(("url", "runner"), [("sqlite", "process"), ("sqlite", "cold")], indirect=["url"])
"""Forks of a template, and new interpreters: their processes have other parents, and end all the same."""


def test_a_job_from_its_entry_to_its_result(rig: Any) -> None:
    job = rig.job("count", b"[3, 0.01]")
    rig.trainer()
    done = rig.until(job, lambda each: each.state.ended)
    assert (done.state, done.result, done.attempts) == (State.SUCCEEDED, expected(3), 1)
    assert rig.notes(job) == [b"1", b"2", b"3"]
    assert done.figures["step"] == 3
    rig.cleared()


@SQLITE
@pytest.mark.parametrize(
    ("kind", "reason"), [("refused", "its labels differ"), ("broken", "ZeroDivisionError: by design")]
)
def test_a_job_that_fails_says_why(rig: Any, kind: str, reason: str) -> None:
    job = rig.job(kind)
    rig.trainer()
    done = rig.until(job, lambda each: each.state.ended)
    assert done.state is State.FAILED
    assert reason in done.reason


@SQLITE
def test_a_retry_goes_on_from_the_state_that_the_failure_left(rig: Any, tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    job = rig.job("stumbles", json.dumps([8, 0.01, str(flag)]).encode())
    first = rig.trainer()
    assert rig.until(job, lambda each: each.state.ended).state is State.FAILED
    # A trainer tidies its folder when it starts: the state must outlast that as well.
    first.terminate()
    assert first.wait(20) == 0
    rig.trainer()
    flag.touch()
    rig.table.retry(job)
    done = rig.until(job, lambda each: each.state is State.SUCCEEDED)
    assert done.result == expected(8)
    assert [int(note) for note in rig.notes(job)] == list(range(1, 9))
    rig.cleared()


@SQLITE
def test_a_job_that_dies_every_time_is_given_up_and_its_log_is_told(rig: Any) -> None:
    job = rig.job("deadly", max_attempts=3)
    rig.trainer()
    done = rig.until(job, lambda each: each.state.ended)
    assert (done.state, done.attempts) == (State.FAILED, 3)
    assert all(b"by signal SIGKILL" in note and b"last words" in note for note in rig.notes(job))
    assert len(rig.notes(job)) == 3


@SQLITE
def test_a_job_that_gets_further_every_time_is_not_given_up(rig: Any) -> None:
    job = rig.job("count", b"[60, 0.05]", max_attempts=2)
    rig.trainer()
    for share in (0.1, 0.3, 0.5, 0.7):
        rig.until(job, lambda each, share=share: each.progress > share)
        for process in rig.processes():
            os.kill(process, signal.SIGKILL)
    done = rig.until(job, lambda each: each.state.ended)
    assert (done.state, done.attempts, done.result) == (State.SUCCEEDED, 5, expected(60))


@EITHER_START
def test_a_killed_process_goes_on_from_its_state(rig: Any, runner: str) -> None:
    job = rig.job("count", b"[30, 0.03]", max_attempts=50)
    rig.trainer(runner=runner)
    chance = random.Random(5)
    kills = 0
    while not rig.table.get(job).state.ended:
        time.sleep(chance.uniform(0.1, 0.5))
        for pid in rig.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                kills += 1
        if kills >= 5:
            break
    done = rig.until(job, lambda each: each.state.ended)
    assert (done.state, done.result) == (State.SUCCEEDED, expected(30))
    assert kills >= 3


@EITHER_START
def test_a_killed_trainer_takes_its_process_along_and_another_goes_on(rig: Any, runner: str) -> None:
    first = rig.trainer(lease=2.0, runner=runner)
    job = rig.job("count", b"[60, 0.05]", max_attempts=50)
    rig.until(job, lambda each: each.progress > 0.1)
    pids = rig.processes()
    assert pids
    first.kill()
    rig.gone(pids)
    # On a loaded machine the first trainer's short lease may have run out before; the second one's does not.
    before = rig.table.get(job)
    assert not before.state.ended
    rig.trainer()
    done = rig.until(job, lambda each: each.state.ended)
    assert (done.result, done.attempts) == (expected(60), before.attempts + 1)


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_a_paused_trainer_never_runs_a_job_beside_another(rig: Any) -> None:
    """SIGSTOP past the lease: the process ends itself, and what the trainer writes when it wakes up changes nothing."""
    paused = rig.trainer(lease=4.0)  # the process leaves a tenth of it between its own end and that of the lease
    job = rig.job("count", b"[160, 0.05]", max_attempts=50)
    rig.until(job, lambda each: each.progress > 0.1)
    os.kill(paused.pid, signal.SIGSTOP)
    old, before = rig.processes(), rig.table.get(job).attempts
    rig.trainer()  # its lease holds to the end
    other = rig.until(job, lambda each: each.attempts > before)
    assert not any(map(lives, old))
    os.kill(paused.pid, signal.SIGCONT)
    done = rig.until(job, lambda each: each.state.ended)
    assert (done.state, done.result, done.attempts) == (State.SUCCEEDED, expected(160), before + 1)
    assert done.owner in {other.owner, ""}
    assert [int(note) for note in rig.notes(job)] == sorted(int(note) for note in rig.notes(job))
    assert paused.poll() is None


@EITHER_START
def test_cancelling_frees_everything(rig: Any, runner: str) -> None:
    """Its processes would run, and its lease hold, for longer than the test waits."""
    rig.trainer(lease=3600.0, runner=runner)
    job = rig.job("with_children")
    rig.until(job, lambda _: bool(rig.notes(job)))
    children = [int(pid) for pid in rig.notes(job)[0].split(b",")]
    pids = [*rig.processes(), *children]
    rig.table.cancel(job)
    assert rig.until(job, lambda each: each.state.ended).state is State.CANCELLED
    rig.gone(pids)
    rig.cleared()


@EITHER_START
def test_a_process_that_does_not_listen_is_killed(rig: Any, runner: str) -> None:
    rig.trainer(lease=3600.0, runner=runner)
    job = rig.job("stubborn")
    rig.until(job, lambda _: rig.notes(job) == [b"deaf"])
    pids = rig.processes()
    rig.table.cancel(job)
    assert rig.until(job, lambda each: each.state.ended).state is State.CANCELLED
    rig.gone(pids)


@SQLITE
def test_a_trainer_that_drains_gives_its_job_back(rig: Any) -> None:
    first = rig.trainer()
    job = rig.job("count", b"[25, 0.05]", max_attempts=1)
    rig.until(job, lambda each: each.progress > 0.2)
    pids = rig.processes()
    first.terminate()
    assert first.wait(PATIENCE_SECONDS) == 0
    rig.gone(pids)
    found = rig.table.get(job)
    assert (found.state, found.attempts) == (State.QUEUED, 0)
    rig.trainer()
    assert rig.until(job, lambda each: each.state.ended).result == expected(25)


@SQLITE
def test_jobs_at_once_are_as_many_as_there_are_slots(rig: Any) -> None:
    rig.trainer(slots=2)
    jobs = [rig.job("count", b"[8, 0.1]") for _ in range(3)]
    rig.until(jobs[1], lambda each: each.progress > 0)
    assert len(rig.processes()) == 2
    assert rig.table.get(jobs[2]).state is State.QUEUED
    for job in jobs:
        assert rig.until(job, lambda each: each.state.ended).result == expected(8)


@SQLITE
def test_what_cannot_be_read_or_started_stands_in_nobodys_way(rig: Any, tmp_path: Path) -> None:
    damaged, unread, first = rig.job("count", b"[1, 0.01]"), rig.job("count", b"{"), rig.job("count", b"[1, 0.01]")
    with rig.database.transaction() as connection:
        connection.execute(update(jobs).where(jobs.c.id == damaged).values(figures="{"))
    # A file in the way of its folder: as on a full disk, the machine cannot start it, and no attempt is to blame.
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / first).touch()

    def workers(kind: str, spec: bytes) -> int:
        if spec == b"{":
            read(EvaluateJob, spec)
        return 1

    settings = DispatchSettings(WORKS, tmp_path / "work", idle_seconds=0.05, pause_seconds=0.05, workers=workers)
    dispatcher = Dispatcher(Tables(rig.table, Checkpoints(rig.database)), settings)
    dispatcher.start()
    try:
        failed = rig.until(unread, lambda each: each.state.ended)
        assert (failed.state, failed.attempts) == (State.FAILED, 1)
        assert "Expected EvaluateJob in the job table" in failed.reason
        rig.until(first, lambda each: each.last_event > 6)  # tried and given back, again and again
        (tmp_path / "work" / first).unlink()
        done = rig.until(first, lambda each: each.state.ended)
        assert (done.state, done.attempts, done.result) == (State.SUCCEEDED, 1, expected(1))
    finally:
        dispatcher.close()
    with pytest.raises(DataLoss), rig.database.reading() as connection:
        read_job(connection, damaged)
    with rig.database.reading() as connection:
        assert connection.execute(select(jobs.c.state).where(jobs.c.id == damaged)).scalar_one() == "failed"


@SQLITE
def test_a_damaged_table_ends_no_slot(rig: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    dispatcher = Dispatcher(
        Tables(rig.table, Checkpoints(rig.database), Families(rig.database)),
        DispatchSettings(WORKS, tmp_path / "work", idle_seconds=0.05, families={"family": Counts()}),
    )
    dispatcher.start()
    try:
        with rig.database.transaction() as connection:
            connection.exec_driver_sql("ALTER TABLE jobs RENAME TO hidden")
        end = time.monotonic() + PATIENCE_SECONDS
        while sum("the job table" in record.message for record in caplog.records) < 4:
            assert time.monotonic() < end
            time.sleep(0.02)
        with rig.database.transaction() as connection:
            connection.exec_driver_sql("ALTER TABLE hidden RENAME TO jobs")
        job = rig.job("count", b"[1, 0.01]")
        assert rig.until(job, lambda each: each.state.ended).state is State.SUCCEEDED
    finally:
        dispatcher.close()
