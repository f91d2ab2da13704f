"""Figures of the job table as a whole, and what Prometheus is told of them."""

import math
from collections.abc import Callable

import pytest
from sqlalchemy import update

from services.runtime.errors import Unavailable
from services.runtime.telemetry import Telemetry
from services.trainer import gauges
from services.trainer.jobs.counts import count, waiting_seconds
from services.trainer.jobs.database import Database
from services.trainer.jobs.records import NewJob, State
from services.trainer.jobs.schema import jobs
from services.trainer.jobs.table import JobTable


def test_jobs_are_counted_by_state_and_the_oldest_wait_is_measured(opened: Callable[[], Database]) -> None:
    database = opened()
    table = JobTable(database)
    assert count(database, State.QUEUED) == 0
    assert waiting_seconds(database) == 0
    made = [table.create(NewJob("fine_tune", b"spec")).id for _ in range(3)]
    assert table.claim("a", 600.0) is not None
    assert [count(database, state) for state in State] == [2, 1, 0, 0, 0]
    with database.transaction() as connection:
        connection.execute(update(jobs).where(jobs.c.id == made[1]).values(updated=database.now() - 500.0))
        connection.execute(update(jobs).where(jobs.c.id == made[0]).values(updated=database.now() - 9000.0))
    assert 500 <= waiting_seconds(database) < 600


def test_a_job_tried_again_waits_anew(opened: Callable[[], Database]) -> None:
    database = opened()
    table = JobTable(database)
    job = table.create(NewJob("fine_tune", b"spec")).id
    with database.transaction() as connection:
        connection.execute(update(jobs).values(created=1.0, updated=1.0))
    table.cancel(job)
    table.retry(job)
    assert count(database, State.QUEUED) == 1
    assert waiting_seconds(database) < 600


def test_a_scrape_goes_on_without_the_database(opened: Callable[[], Database], monkeypatch: pytest.MonkeyPatch) -> None:
    database, telemetry = opened(), Telemetry()
    JobTable(database).create(NewJob("fine_tune", b"spec"))
    gauges.watch(telemetry, database, lambda: 0)
    read = telemetry.registry.get_sample_value
    assert read("trainer_jobs_queued") == 1
    assert read("trainer_jobs_running") == 0
    assert read("trainer_queue_seconds") >= 0  # type: ignore[operator]

    def away() -> None:
        raise Unavailable("The job table does not answer")

    monkeypatch.setattr(database, "reading", away)
    assert math.isnan(read("trainer_jobs_queued") or 0.0)
    assert math.isnan(read("trainer_queue_seconds") or 0.0)
