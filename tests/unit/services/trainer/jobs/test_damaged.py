"""Damaged rows harm no other row, and a damaged file is told as such: SQLite keeps what no schema allows."""

import contextlib
import random
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from services.runtime.errors import DataLoss, ServiceError
from services.trainer.api.messages import write_event, write_job
from services.trainer.jobs import rows
from services.trainer.jobs.checkpoints import Checkpoints
from services.trainer.jobs.database import Database
from services.trainer.jobs.records import EventRecord, Filter, Lease, NewJob, State
from services.trainer.jobs.schema import jobs
from services.trainer.jobs.table import JobTable

SPEC = b'{"yaml":"name: s"}'
NO_TEXT = "CAST(x'ff41' AS TEXT)"
VALUES: tuple[Any, ...] = (NO_TEXT, "abc", b"\xff", 10**18, 1e300)
COLUMNS = [name for name in jobs.columns.keys() if name != "id"]  # noqa: SIM118 - not a mapping


class Shelf:
    """A job table in a file that can be written to past its schema."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.database = Database(f"sqlite:///{path}")
        self.table = JobTable(self.database)

    def harm(self, table: str, column: str, value: Any, key: str) -> bool:
        """Puts a value of any type into the row of an id. Returns whether the column took it for another one."""
        connection = sqlite3.connect(self.path)
        try:
            where = "id" if table != "job_events" else "job"
            if value is NO_TEXT:
                connection.execute(f"UPDATE {table} SET {column} = {NO_TEXT} WHERE {where} = ?", (key,))
            else:
                connection.execute(f"UPDATE {table} SET {column} = ? WHERE {where} = ?", (value, key))
            connection.commit()
        except sqlite3.IntegrityError:
            return False
        finally:
            connection.close()
        return True


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    """An empty table."""
    made = Shelf(tmp_path / "jobs.db")
    yield made
    made.database.close()


@pytest.mark.parametrize("column", COLUMNS)
def test_a_row_of_any_values_harms_no_other(column: str, shelf: Shelf) -> None:
    for value in VALUES:
        harmed, whole = (shelf.table.create(NewJob("study", SPEC)).id for _ in range(2))
        if not shelf.harm("jobs", column, value, harmed):
            continue
        page, _ = shelf.table.page(Filter(oldest_first=True), 1000)
        assert whole in [job.id for job in page.jobs], value
        for call in (lambda job: write_job(shelf.table.get(job)), shelf.table.cancel):
            with contextlib.suppress(ServiceError):  # which one depends on the value
                call(harmed)
        # The one at the head of the queue is set aside, so that the other is worked on.
        claimed = []
        while (next_one := shelf.table.claim("test", 30.0)) is not None:
            claimed.append(next_one[1].id)
        assert whole in claimed, value


@pytest.mark.parametrize("oldest_first", [False, True])
@pytest.mark.parametrize("value", [*VALUES, -1.0])
def test_pages_go_on_beyond_a_row_without_a_time(value: Any, *, oldest_first: bool, shelf: Shelf) -> None:
    made = [shelf.table.create(NewJob("study", SPEC)).id for _ in range(5)]
    shelf.harm("jobs", "created", value, made[2])
    wanted, found, last, more = Filter(oldest_first=oldest_first), [], None, True
    while more:
        page, more = shelf.table.page(wanted, 1, last)
        found += [job.id for job in page.jobs]
        last = page.last
    assert sorted(found) == sorted(job for job in made if job != made[2])
    assert made[2] in rows._skipped


def _three(shelf: Shelf) -> tuple[Lease, Checkpoints]:
    """Checkpoints a, b and c of a job that is worked on."""
    checkpoints = Checkpoints(shelf.database)
    shelf.table.create(NewJob("study", SPEC))
    claimed = shelf.table.claim("test", 30.0)
    assert claimed is not None
    for name in "abc":
        checkpoints.add(claimed[0], name * 64, b"{}", 1)
    return claimed[0], checkpoints


def _pages(checkpoints: Checkpoints) -> list[list[str]]:
    """First letters of the ids on each page of one."""
    found, last = checkpoints.page(1)
    pages = [[each.id[0] for each in found]]
    while last is not None:
        found, last = checkpoints.page(1, last)
        pages.append([each.id[0] for each in found])
    return pages


@pytest.mark.parametrize("value", [*VALUES, -1.0])
def test_pages_of_checkpoints_go_on_beyond_a_row_without_a_time(value: Any, shelf: Shelf) -> None:
    _, checkpoints = _three(shelf)
    shelf.harm("checkpoints", "created", value, "b" * 64)
    assert _pages(checkpoints) == [["c"], ["a"]]


def test_a_damaged_job_that_is_claimed_fails_with_the_reason(shelf: Shelf) -> None:
    harmed = shelf.table.create(NewJob("study", SPEC)).id
    shelf.harm("jobs", "figures", "{", harmed)
    assert shelf.table.claim("test", 30.0) is None
    connection = sqlite3.connect(shelf.path)
    state, reason = connection.execute("SELECT state, reason FROM jobs").fetchone()
    connection.close()
    assert state == "failed"
    assert f"Expected a whole row of jobs/{harmed}" in reason
    assert [event.payload for event in shelf.table.events(harmed)] == [b"queued", b"failed"]


@pytest.mark.parametrize("column", ["job", "payload", "size"])
def test_a_damaged_checkpoint_harms_no_other(column: str, shelf: Shelf) -> None:
    lease, checkpoints = _three(shelf)
    shelf.harm("checkpoints", column, NO_TEXT, "b" * 64)
    assert _pages(checkpoints) == [["c"], [], ["a"]]
    with pytest.raises(DataLoss, match=f"`{column}`"):
        checkpoints.get("b" * 64)
    shelf.table.finish(lease, State.SUCCEEDED)
    other = shelf.table.create(NewJob("study", SPEC)).id
    shelf.harm("jobs", "spec", "abc", other)
    checkpoints.remove("b" * 64)
    checkpoints.remove("a" * 64)


@pytest.mark.parametrize(
    "event",
    [
        EventRecord(1, 1e9, "state", b"later"),
        EventRecord(1, 1e300, "note", b""),
        EventRecord(1, 1e9, "checkpoint", b"\xff"),
        EventRecord(1, 1e9, "progress", b"{"),
        EventRecord(2**63, 1e9, "note", b""),
    ],
)
def test_a_damaged_event_is_told_as_such(event: EventRecord) -> None:
    with pytest.raises(DataLoss):
        write_event(event)


@pytest.mark.parametrize("harm", ["cut", "zeros", "noise", "no database"])
@pytest.mark.parametrize("at_work", [False, True])
def test_a_damaged_file_is_told_as_such(harm: str, *, at_work: bool, shelf: Shelf) -> None:
    for number in range(30):
        shelf.table.create(NewJob("study", SPEC + b" " * 500 * number))
    shelf.database.close()  # all is in the one file
    if at_work:
        shelf.table.page(Filter(), 1)
    data, turn = bytearray(shelf.path.read_bytes()), random.Random(0)
    if harm == "cut":
        del data[len(data) // 2 :]
    elif harm == "zeros":
        data[4096:] = bytes(len(data) - 4096)
    elif harm == "noise":
        data[100:] = turn.randbytes(len(data) - 100)
    else:
        data[:] = b"no database" * 1000
    with shelf.path.open("r+b") as file:
        file.truncate(0)
        file.write(data)

    def use() -> None:
        table = shelf.table if at_work else JobTable(Database(f"sqlite:///{shelf.path}"))
        table.page(Filter(), 1000)
        table.claim("test", 30.0)

    with pytest.raises(DataLoss, match="Expected a whole job table"):
        use()
