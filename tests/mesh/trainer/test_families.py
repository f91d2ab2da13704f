"""Jobs that have jobs of their own, as real processes: killed, cancelled and retried at any moment."""

import contextlib
import json
import os
import random
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from services.runtime.errors import FailedPrecondition
from services.trainer.jobs.records import Filter, State
from tests.support.job_works import expected

SQLITE = pytest.mark.parametrize("url", ["sqlite"], indirect=True)


def _family(rig: Any, *jobs: tuple[str, list[Any]]) -> str:
    found: str = rig.job("family", json.dumps(jobs).encode())
    return found


def _children(rig: Any, parent: str) -> list[Any]:
    return list(rig.table.page(Filter(parent=parent, oldest_first=True), 100)[0].jobs)


@SQLITE
def test_one_slot_is_enough_and_the_jobs_make_the_result(rig: Any) -> None:
    parent = _family(rig, ("count", [3, 0.01]), ("count", [4, 0.01]), ("count", [5, 0.01]))
    rig.trainer()
    done = rig.until(parent, lambda job: job.state.ended)
    assert (done.state, done.progress, done.attempts) == (State.SUCCEEDED, 1.0, 1)
    assert done.result == b" ".join(map(expected, (3, 4, 5)))
    children = _children(rig, parent)
    assert [child.parent for child in children] == [parent] * 3
    told = [event.payload.decode() for event in rig.table.events(parent) if event.kind == "note"]
    wanted = [f"jobs/{each.id} (place {each.labels['place']}) has ended: succeeded" for each in children]
    assert sorted(told) == sorted(wanted)
    states = [event.payload for event in rig.table.events(parent) if event.kind == "state"]
    assert states == [b"queued", b"running", b"succeeded"]


def test_kills_of_trainer_and_jobs_lose_nothing(rig: Any) -> None:
    """SIGKILL to the trainer and to processes of jobs, at random: the undisturbed result, no orphan, nothing left."""
    parent = _family(rig, *[("count", [12, 0.03])] * 4)
    chance = random.Random(11)
    trainer = rig.trainer(lease=1.0, slots=2)
    kills = 0
    while kills < 6 and not rig.table.get(parent).state.ended:
        time.sleep(chance.uniform(0.05, 0.4))
        if kills % 2:
            for pid in rig.processes():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        else:
            trainer.kill()
            trainer = rig.trainer(lease=1.0, slots=2)
        kills += 1
    done = rig.until(parent, lambda job: job.state.ended)
    assert (done.state, done.result) == (State.SUCCEEDED, b" ".join([expected(12)] * 4)), done
    assert kills >= 3
    assert len(_children(rig, parent)) == 4
    told = [event.payload for event in rig.table.events(parent) if event.kind == "note"]
    assert sum(b"has ended" in note for note in told) == 4
    rig.gone(rig.processes())
    rig.cleared()


@SQLITE
def test_cancelling_cancels_the_jobs_and_frees_everything(rig: Any) -> None:
    """A job learns of its cancellation well before its lease, longer than the test waits, has to be renewed."""
    rig.trainer(lease=3600.0)
    parent = _family(rig, ("with_children", []), ("count", [3, 0.01]))
    rig.until(parent, lambda job: job.state is State.RUNNING)
    first = _children(rig, parent)[0].id
    rig.until(first, lambda _: bool(rig.notes(first)))
    rig.table.cancel(parent)
    assert rig.until(parent, lambda job: job.state.ended).state is State.CANCELLED
    assert {child.state for child in _children(rig, parent)} == {State.CANCELLED}
    rig.gone(rig.processes())
    rig.cleared()


@SQLITE
def test_a_retry_does_again_what_failed_alone(rig: Any, tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    parent = _family(rig, ("count", [3, 0.01]), ("needs", [str(flag)]))
    rig.trainer()
    failed = rig.until(parent, lambda job: job.state.ended)
    assert failed.state is State.FAILED
    assert "1 of its 2 jobs did not succeed" in failed.reason
    assert "the flag is not there" in failed.reason
    counted, needy = _children(rig, parent)
    with pytest.raises(FailedPrecondition, match="retry that one"):
        rig.table.retry(needy.id)
    flag.touch()
    rig.table.retry(parent)
    done = rig.until(parent, lambda job: job.state.ended)
    assert (done.state, done.result) == (State.SUCCEEDED, expected(3) + b" there")
    assert _children(rig, parent)[0].last_event == counted.last_event


@SQLITE
def test_a_job_that_is_cancelled_before_it_began_has_no_jobs(rig: Any) -> None:
    parent = _family(rig, ("count", [3, 0.01]))
    assert rig.table.cancel(parent).state is State.CANCELLED
    rig.trainer()
    other = _family(rig, ("count", [2, 0.01]))
    assert rig.until(other, lambda job: job.state.ended).state is State.SUCCEEDED
    assert _children(rig, parent) == []


@SQLITE
def test_what_cannot_be_read_fails_with_the_reason(rig: Any) -> None:
    parent = rig.job("family", b"nonsense")
    rig.trainer()
    done = rig.until(parent, lambda job: job.state.ended)
    assert done.state is State.FAILED
    assert "JSONDecodeError" in done.reason
