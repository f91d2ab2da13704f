"""What leaves the job table, what stays, and for how many jobs there is room; on both databases."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, func, select, text, update

from services.runtime.errors import FailedPrecondition, LimitExceeded, NotFound
from services.trainer.jobs import database as module
from services.trainer.jobs.checkpoints import Checkpoints
from services.trainer.jobs.database import Database
from services.trainer.jobs.families import Families
from services.trainer.jobs.records import NewJob, State
from services.trainer.jobs.retention import Retention
from services.trainer.jobs.room import Room
from services.trainer.jobs.schema import events, jobs, labels
from services.trainer.jobs.table import JobTable

DAY = 86_400.0


class Shelf:
    """A job table with jobs that have ended."""

    def __init__(self, database: Database) -> None:
        self.database, self.table = database, JobTable(database)
        self.retention, self.checkpoints = Retention(database), Checkpoints(database)

    def job(self, state: State = State.CANCELLED, *, days: float = 0.0, parent: str = "", checkpoint: str = "") -> str:
        """Enters a job that ended some days ago."""
        made = self.table.create(NewJob("study", b"{}", parent=parent, labels={"team": "nlp"}, priority=1)).id
        if checkpoint or state is State.SUCCEEDED or state is State.FAILED:
            claimed = self.table.claim("test", 600.0)
            assert claimed is not None
            lease, found = claimed
            assert found.id == made
            if checkpoint:
                self.checkpoints.add(lease, checkpoint, b"{}", 1)
            self.table.finish(lease, state)
        elif state is State.CANCELLED:
            self.table.cancel(made)
        if state.ended:
            with self.database.transaction() as connection:
                past = self.database.now() - days * DAY
                connection.execute(update(jobs).where(jobs.c.id == made).values(ended=past))
        return made

    def left(self) -> set[str]:
        """Ids of all jobs; no label and no event is left of another."""
        with self.database.reading() as connection:
            found = set(connection.execute(select(jobs.c.id)).scalars())
            for table in (labels, events):
                assert set(connection.execute(select(table.c.job)).scalars()) <= found
        return found


@pytest.fixture
def shelf(opened: Callable[[], Database]) -> Shelf:
    """The table of one trainer."""
    return Shelf(opened())


def test_a_job_goes_with_all_that_it_made(shelf: Shelf) -> None:
    study, other = shelf.job(), shelf.job()
    sweeps = [shelf.job(parent=study) for _ in range(2)]
    deep = shelf.job(State.SUCCEEDED, parent=sweeps[1])
    for made in (*sweeps, deep):
        with pytest.raises(FailedPrecondition, match="has made it: it goes with that one"):
            shelf.retention.remove(made)
    assert shelf.retention.remove(study) == 4
    assert shelf.left() == {other}
    with pytest.raises(NotFound):
        shelf.retention.remove(study)


@pytest.mark.parametrize("deep", [False, True])
def test_what_a_checkpoint_names_or_has_not_ended_stays(deep: bool, shelf: Shelf) -> None:
    first = shelf.job()
    parent = shelf.job(parent=first) if deep else ""
    made = shelf.job(State.SUCCEEDED, parent=parent, checkpoint="c" * 64)
    top = first if deep else made
    with pytest.raises(FailedPrecondition, match=f"checkpoints/{'c' * 64} names jobs/{made}"):
        shelf.retention.remove(top)
    shelf.checkpoints.remove("c" * 64)
    queued = shelf.job(State.QUEUED, parent=made)
    with pytest.raises(FailedPrecondition, match=f"jobs/{queued} has not ended: it is queued"):
        shelf.retention.remove(top)
    assert {top, made, queued} <= shelf.left()
    shelf.table.cancel(queued)
    shelf.retention.remove(top)
    assert not {top, made, queued} & shelf.left()


def test_old_jobs_that_came_to_nothing_go_by_themselves(shelf: Shelf) -> None:
    kept = {
        shelf.job(days=1),
        shelf.job(State.SUCCEEDED, days=100),
        shelf.job(State.FAILED, days=100, checkpoint="c" * 64),
    }
    waits = shelf.job(days=100)
    kept |= {waits, shelf.job(State.SUCCEEDED, days=100, parent=waits, checkpoint="d" * 64)}
    gone = [shelf.job(days=100), shelf.job(State.FAILED, days=100)]
    shelf.job(State.SUCCEEDED, parent=gone[0])
    orphan = shelf.job(days=100, parent="0" * 32)
    assert orphan in shelf.left()
    kept.add(shelf.job(State.QUEUED))
    assert shelf.retention.sweep(30 * DAY, lambda: True) == 0
    assert shelf.retention.sweep(30 * DAY) == 4
    assert shelf.left() == kept
    assert shelf.retention.sweep(30 * DAY) == 0


def test_there_is_room_for_so_many_jobs(opened: Callable[[], Database]) -> None:
    database = opened()
    table = JobTable(database, Room(10, 6))

    def enter(caller: str, size: int = 1, request_id: str = "") -> str:
        return table.create(NewJob("study", b"{}", caller=caller, size=size), request_id).id

    first = enter("ada", 6, "once")
    with pytest.raises(
        LimitExceeded, match=r"at most 6 jobs of one caller .* there are 6 and this is 1 more"
    ) as caught:
        enter("ada")
    assert caught.value.subject == "max_caller_jobs"
    assert enter("ada", 6, "once") == first  # the same request is no other job
    [enter("bob") for _ in range(4)]
    with pytest.raises(LimitExceeded, match="at most 10 jobs that wait or run") as caught:
        enter("bob")
    assert caught.value.subject == "max_jobs"
    table.cancel(first)
    enter("bob")
    with pytest.raises(LimitExceeded, match="there are 5 and this is 6 more"):
        table.retry(first)
    assert table.get(first).state is State.CANCELLED


def test_jobs_that_come_at_once_do_not_pass_the_limit(opened: Callable[[], Database]) -> None:
    trainers = [JobTable(opened(), Room(20, 20)) for _ in range(2)]

    def enter(number: int) -> bool:
        try:
            trainers[number % 2].create(NewJob("study", b"{}", caller="ada"))
        except LimitExceeded:
            return False
        return True

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(enter, range(64))) == 20


def test_the_jobs_of_a_sweep_are_counted_once(opened: Callable[[], Database]) -> None:
    database = opened()
    table = JobTable(database, Room(10, 10))
    sweep = table.create(NewJob("sweep", b"{}", caller="ada", size=3)).id
    children = [NewJob("fine_tune", b"{}", parent=sweep, size=0) for _ in range(2)]
    assert Families(database).begin(sweep, children)
    table.create(NewJob("study", b"{}", caller="ada", size=7))
    with pytest.raises(LimitExceeded, match="there are 10 and"):
        table.create(NewJob("study", b"{}", caller="ada"))


def test_jobs_of_the_version_before_are_kept_and_still_entered(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/jobs.db"
    config = Config()
    config.set_main_option("script_location", str(module._MIGRATIONS))
    row = text(
        "INSERT INTO jobs (id, kind, spec, state, reason, progress, figures, attempts, max_attempts, priority, parent, "
        "result, resume, last_event, cancel_requested, owner, lease_token, lease_until, created, started, ended, "
        "updated) VALUES (:id, 'study', x'7B7D', 'queued', '', 0, '{}', 0, 5, 0, '', x'', '', 0, false, '', '', 0, 1, "
        "0, 0, 1)"
    )
    engine = create_engine(url)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        connection.execute(row, {"id": "a"})
    engine.dispose()
    database = Database(url)
    with database.transaction() as connection:
        connection.execute(row, {"id": "b"})  # by a trainer that is not yet replaced
        assert connection.execute(select(func.sum(jobs.c.size))).scalar_one() == 2
    assert [JobTable(database).get(job).state for job in "ab"] == [State.QUEUED] * 2
    database.close()
