"""Pages of jobs: bounded in bytes, whole although rows are damaged; and tables that cannot be written to."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import event, update

from services.runtime.errors import DataLoss, FailedPrecondition, LimitExceeded
from services.trainer.api.listing import Damaged
from services.trainer.api.messages import write_job
from services.trainer.jobs.database import Database, Unwritable
from services.trainer.jobs.pages import PAGE_BYTES
from services.trainer.jobs.records import Filter, NewJob
from services.trainer.jobs.schema import jobs
from services.trainer.jobs.table import JobTable

SPEC = b'{"yaml":"name: s"}'


def test_a_page_of_long_jobs_is_short(opened: Callable[[], Database]) -> None:
    table = JobTable(opened())
    long = bytes(PAGE_BYTES // 3)
    ids = [table.create(NewJob("study", long, labels={"n": str(number)})).id for number in range(7)]
    found, after, pages = [], None, 0
    more = True
    while more:
        page, more = table.page(Filter(oldest_first=True), 1000, after)
        assert sum(len(job.spec) for job in page.jobs) <= PAGE_BYTES
        found += [job.id for job in page.jobs]
        after, pages = page.last, pages + 1
    assert found == ids
    assert pages == 4  # of two each, as labels and states count as well, and one
    table.create(NewJob("study", bytes(2 * PAGE_BYTES)))
    page, more = table.page(Filter(), 1000)
    assert (len(page.jobs), more) == (1, True)


@pytest.mark.parametrize(
    "harm",
    [{"state": "later"}, {"figures": "{"}, {"figures": '{"a": "b"}'}, {"spec": b"{"}, {"kind": "of_a_later_version"}],
)
def test_a_damaged_row_harms_no_other(harm: dict[str, Any], opened: Callable[[], Database]) -> None:
    database = opened()
    table, damaged = JobTable(database), Damaged()
    ids = [table.create(NewJob("study", SPEC)).id for _ in range(3)]
    with database.transaction() as connection:
        connection.execute(update(jobs).where(jobs.c.id == ids[1]).values(**harm))
    page, _ = table.page(Filter(oldest_first=True), 10)
    assert page.ids == ids
    written = damaged.whole(page.jobs, write_job)
    for job in set(page.ids).difference(job.id for job in page.jobs):
        damaged.found(job, "damaged")
    assert [job.name for job in written] == [f"jobs/{ids[0]}", f"jobs/{ids[2]}"]
    assert damaged.count == 1
    with pytest.raises(DataLoss):
        write_job(table.get(ids[1]))
    claimed = table.claim("test", 30.0)
    assert claimed is not None


@pytest.mark.parametrize(
    ("pragma", "told"), [("query_only = 1", FailedPrecondition), ("max_page_count = 1", LimitExceeded)]
)
def test_a_table_that_cannot_be_written_to_says_why(pragma: str, told: type[Exception], tmp_path: Any) -> None:
    url = f"sqlite:///{tmp_path}/jobs.db"
    Database(url).close()
    database = Database(url)
    database.close()
    event.listen(database.engine, "connect", lambda connection, _: connection.execute(f"PRAGMA {pragma}"))
    table = JobTable(database)
    with pytest.raises(Unwritable) as caught:
        table.create(NewJob("study", bytes(1_000_000)))
    assert type(caught.value.error) is told
    assert table.page(Filter(), 10)[1] is False  # what is there can be read
    database.close()
