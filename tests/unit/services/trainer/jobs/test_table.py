"""Jobs entered, claimed, fenced and ended, on both databases, with several trainers at once."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from babelscope.v1 import trainer_pb2
from sqlalchemy import update

from services.runtime.errors import FailedPrecondition, InvalidArgument, NotFound
from services.trainer.jobs.checkpoints import Checkpoints
from services.trainer.jobs.database import Database
from services.trainer.jobs.families import Families
from services.trainer.jobs.records import Filter, Lease, NewEvent, NewJob, State
from services.trainer.jobs.schema import jobs
from services.trainer.jobs.table import JobTable, LeaseLost

LONG = 600.0


def _new(spec: bytes = b"spec", **settings: object) -> NewJob:
    return NewJob("fine_tune", spec, **settings)  # type: ignore[arg-type]


def _claim(table: JobTable, owner: str = "a", seconds: float = LONG) -> Lease:
    claimed = table.claim(owner, seconds)
    assert claimed is not None
    return claimed[0]


def _expire(database: Database, job: str) -> None:
    """Lets a lease run out, as if its trainer had been away for long."""
    with database.transaction() as connection:
        connection.execute(update(jobs).where(jobs.c.id == job).values(lease_until=1.0))


def test_a_job_from_its_entry_to_its_end(table: JobTable) -> None:
    made = table.create(_new(priority=3, labels={"team": "nlp", "run": "1"}))
    assert (made.state, made.attempts, made.priority) == (State.QUEUED, 0, 3)
    assert dict(made.labels) == {"team": "nlp", "run": "1"}
    claimed = table.claim("trainer-1", LONG)
    assert claimed is not None
    lease, job = claimed
    assert (job.id, job.state, job.owner, job.attempts) == (made.id, State.RUNNING, "trainer-1", 1)
    assert job.started >= made.created > 1.7e9
    table.record(lease, [NewEvent("note", b"one"), NewEvent("figure", b"two")], progress=0.5, figures={"loss": 2.0})
    table.record(lease, figures={"speed": 7.0})
    assert table.renew(lease, LONG) is False
    table.finish(lease, State.SUCCEEDED, result=b"result")
    done = table.get(made.id)
    assert (done.state, done.result, done.progress, done.owner) == (State.SUCCEEDED, b"result", 1.0, "")
    assert dict(done.figures) == {"loss": 2.0, "speed": 7.0}
    assert done.ended >= done.started
    happened = table.events(made.id)
    assert [event.number for event in happened] == [1, 2, 3, 4, 5]
    assert [(event.kind, event.payload) for event in happened] == [
        ("state", b"queued"),
        ("state", b"running"),
        ("note", b"one"),
        ("figure", b"two"),
        ("state", b"succeeded"),
    ]
    assert [event.number for event in table.events(made.id, start=4)] == [4, 5]
    assert done.last_event == 5
    assert table.claim("trainer-1", LONG) is None


def test_one_request_id_makes_one_job(table: JobTable, opened: Callable[[], Database]) -> None:
    others = [JobTable(opened()) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda each: each.create(_new(), "req-1").id, others))
    assert len(set(made)) == 1
    assert len(table.page(Filter(), 10)[0].jobs) == 1
    with pytest.raises(InvalidArgument, match="whose specification is another") as caught:
        table.create(_new(b"other"), "req-1")
    assert caught.value.field == "request_id"
    assert table.create(_new()).id != table.create(_new()).id


def test_the_order_of_the_queue(table: JobTable) -> None:
    made = [table.create(_new(priority=priority)).id for priority in (0, 5, 0, 5, -1)]
    assert [_claim(table).job for _ in made] == [made[1], made[3], made[0], made[2], made[4]]


def test_every_job_is_claimed_once_by_many_trainers(table: JobTable, opened: Callable[[], Database]) -> None:
    made = {table.create(_new()).id for _ in range(24)}
    tables = [JobTable(opened()) for _ in range(4)]
    start = threading.Barrier(len(tables))

    def work(number: int) -> list[str]:
        start.wait()
        mine = []
        while claimed := tables[number].claim(f"t{number}", LONG):
            mine.append(claimed[0].job)
            tables[number].finish(claimed[0], State.SUCCEEDED)
        return mine

    with ThreadPoolExecutor(len(tables)) as pool:
        counts = Counter(job for mine in pool.map(work, range(len(tables))) for job in mine)
    assert set(counts) == made
    assert set(counts.values()) == {1}


def test_a_lease_that_ran_out_fences_every_write(table: JobTable, opened: Callable[[], Database]) -> None:
    made = table.create(_new())
    old = _claim(table, "paused")
    table.record(old, progress=0.25)
    _expire(opened(), made.id)
    new = _claim(table, "other")
    assert (new.job, new.attempt) == (made.id, 2)
    before = table.get(made.id), table.events(made.id)
    for write in (
        lambda: table.record(old, [NewEvent("note", b"late")], progress=0.9, figures={"loss": 1.0}),
        lambda: table.renew(old, LONG),
        lambda: table.finish(old, State.SUCCEEDED, result=b"late"),
        lambda: table.release(old, counted=False),
    ):
        with pytest.raises(LeaseLost):
            write()
    assert (table.get(made.id), table.events(made.id)) == before
    assert table.get(made.id).progress == 0.25
    table.finish(new, State.FAILED, reason="because")
    with pytest.raises(LeaseLost):
        table.record(new, progress=1.0)
    assert table.get(made.id).reason == "because"


def test_a_lease_that_is_renewed_is_not_taken(table: JobTable) -> None:
    table.create(_new())
    lease = _claim(table, seconds=0.05)
    table.renew(lease, LONG)
    time.sleep(0.1)
    assert table.claim("b", LONG) is None


def test_a_job_that_kills_its_trainers_is_given_up(table: JobTable, opened: Callable[[], Database]) -> None:
    made = table.create(_new(max_attempts=2))
    for _ in range(2):
        _claim(table)
        _expire(opened(), made.id)
    assert table.claim("a", LONG) is None
    done = table.get(made.id)
    assert done.state is State.FAILED
    assert "its trainer died while it worked, 2 times" in done.reason
    assert table.events(made.id)[-1].payload == b"failed"


def test_attempts_before_one_that_got_further_do_not_count(table: JobTable, opened: Callable[[], Database]) -> None:
    made = table.create(_new(max_attempts=2))
    for saved in (3, 5, 9, 9):
        table.record(_claim(table), saved=saved)
        _expire(opened(), made.id)
    assert table.claim("a", LONG) is None
    done = table.get(made.id)
    assert (done.state, done.attempts) == (State.FAILED, 4)
    assert "its trainer died while it worked, 2 times without getting further" in done.reason
    table.retry(made.id)
    for _ in range(2):
        _claim(table)
        _expire(opened(), made.id)
    assert table.claim("a", LONG) is None


def test_a_released_job_is_queued_with_its_attempt_given_back(table: JobTable) -> None:
    made = table.create(_new(max_attempts=1))
    table.release(_claim(table), counted=False)
    assert (table.get(made.id).state, table.get(made.id).attempts) == (State.QUEUED, 0)
    assert _claim(table).job == made.id


def test_cancelling(table: JobTable) -> None:
    queued = table.create(_new())
    assert table.cancel(queued.id).state is State.CANCELLED
    assert table.cancel(queued.id).state is State.CANCELLED
    assert [event.payload for event in table.events(queued.id)] == [b"queued", b"cancelled"]
    running = table.create(_new())
    lease = _claim(table)
    assert table.cancel(running.id).state is State.RUNNING
    assert table.renew(lease, LONG) is True
    table.finish(lease, State.CANCELLED)
    assert table.get(running.id).state is State.CANCELLED
    ended = table.create(_new())
    table.finish(_claim(table), State.SUCCEEDED)
    with pytest.raises(FailedPrecondition, match="it has ended: succeeded"):
        table.cancel(ended.id)
    with pytest.raises(NotFound, match="Expected the name of a job"):
        table.cancel("nowhere")


def test_a_cancelled_sweep_takes_its_jobs_along(table: JobTable) -> None:
    sweep = table.create(_new())
    children = [table.create(_new(parent=sweep.id)).id for _ in range(3)]
    other = table.create(_new()).id
    table.cancel(sweep.id)
    assert {table.get(child).state for child in children} == {State.CANCELLED}
    assert table.get(other).state is State.QUEUED


def test_a_job_whose_trainer_died_while_it_was_cancelled_ends(table: JobTable, opened: Callable[[], Database]) -> None:
    made = table.create(_new())
    _claim(table)
    table.cancel(made.id)
    _expire(opened(), made.id)
    assert table.claim("b", LONG) is None
    assert table.get(made.id).state is State.CANCELLED


def test_retrying(table: JobTable) -> None:
    made = table.create(_new())
    with pytest.raises(FailedPrecondition, match="but it is queued"):
        table.retry(made.id)
    table.finish(_claim(table), State.FAILED, reason="no luck")
    again = table.retry(made.id)
    assert (again.state, again.reason, again.attempts, again.ended) == (State.QUEUED, "", 0, 0.0)
    assert _claim(table).job == made.id


def test_lists_are_filtered_and_paged(table: JobTable) -> None:
    made = [table.create(_new(labels={"n": str(n % 2)}, parent="p" if n < 2 else "")) for n in range(5)]
    ids = [job.id for job in made]
    assert [job.id for job in table.page(Filter(oldest_first=True), 10)[0].jobs] == ids
    assert [job.id for job in table.page(Filter(), 10)[0].jobs] == ids[::-1]
    first = table.page(Filter(), 2)[0].jobs
    rest = table.page(Filter(), 10, (first[-1].created, first[-1].id))[0].jobs
    assert [job.id for job in (*first, *rest)] == ids[::-1]
    assert [job.id for job in table.page(Filter(labels={"n": "1"}), 10)[0].jobs] == [ids[3], ids[1]]
    assert [job.id for job in table.page(Filter(parent="p"), 10)[0].jobs] == [ids[1], ids[0]]
    _claim(table)
    assert [job.id for job in table.page(Filter(states=(State.RUNNING,)), 10)[0].jobs] == [ids[0]]
    assert table.page(Filter(labels={"n": "' OR 1=1"}), 10)[0].jobs == []


def test_events_of_many_writers_have_no_gaps(table: JobTable, opened: Callable[[], Database]) -> None:
    made = table.create(_new())
    lease = _claim(table)
    tables = [JobTable(opened()) for _ in range(3)]
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda n: tables[n % 3].record(lease, [NewEvent("note", b"%d" % n)] * 2), range(15)))
    numbers = [event.number for event in table.events(made.id)]
    assert numbers == list(range(1, 33))


@pytest.mark.parametrize("reason", ["a\0b", "half \ud800 a pair", "long " * 10_000])
def test_a_job_fails_for_any_reason_and_so_does_what_made_it(reason: str, opened: Callable[[], Database]) -> None:
    database = opened()
    table, families = JobTable(database), Families(database)
    parent = table.create(NewJob("sweep", b"spec"))
    families.begin(parent.id, [_new(parent=parent.id)])
    claimed = table.claim("a", LONG, ["fine_tune"])
    assert claimed is not None
    lease, _ = claimed
    table.finish(lease, State.FAILED, reason=reason)
    assert families.finish(parent.id, State.FAILED, reason=reason)
    for job in (lease.job, parent.id):
        found = table.get(job)
        assert found.state is State.FAILED
        assert found.reason[:4] == reason[:4].replace("\0", "\ufffd")
        assert len(found.reason) < 11_000
        trainer_pb2.Job(reason=found.reason).SerializeToString()


def test_numbers_may_be_as_large_as_messages_and_files_are(opened: Callable[[], Database]) -> None:
    database = opened()
    table, checkpoints = JobTable(database), Checkpoints(database)
    made = table.create(_new())
    checkpoints.add(_claim(table), "c", b"{}", 5 << 40)
    assert checkpoints.get("c").size == 5 << 40
    for number in (2**31 - 1, 2**31, 2**63 - 1):
        assert table.events(made.id, number) == []


def test_jobs_that_are_entered_together_are_in_order(opened: Callable[[], Database]) -> None:
    database = opened()
    table, families = JobTable(database), Families(database)
    parent = table.create(_new())
    children = [NewJob("count", str(place).encode(), parent=parent.id) for place in range(30)]
    assert families.begin(parent.id, children)
    listed = table.page(Filter(parent=parent.id, oldest_first=True), 100)[0].jobs
    assert [job.spec for job in listed] == [child.spec for child in children]
    claimed = [table.claim("a", LONG, ["count"]) for _ in children]
    assert [each[1].spec for each in claimed if each is not None] == [child.spec for child in children]
