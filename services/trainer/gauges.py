"""What Prometheus is told of the job table."""

import math
from collections.abc import Callable

from services.runtime.errors import ServiceError
from services.runtime.telemetry import Telemetry
from services.trainer.jobs.counts import count, waiting_seconds
from services.trainer.jobs.database import Database
from services.trainer.jobs.records import State


def watch(telemetry: Telemetry, database: Database, damaged: Callable[[], int]) -> None:
    """Reads the table at every scrape. All trainers of one table tell the same.

    Args:
        telemetry: Metrics in which they are registered.
        database: Database that holds the job table.
        damaged: Gives the number of rows that could not be read when they were last listed.
    """

    def known(read: Callable[[], float]) -> Callable[[], float]:
        """A figure that is unknown while the database does not answer or is damaged: the others are told still."""

        def ask() -> float:
            try:
                return read()
            except ServiceError:
                return math.nan

        return ask

    gauge = telemetry.gauge
    gauge("trainer_damaged_rows", "Jobs and checkpoints that lists leave out", lambda: float(damaged()))
    gauge("trainer_jobs_queued", "Jobs that wait for a trainer", known(lambda: count(database, State.QUEUED)))
    gauge("trainer_jobs_running", "Jobs that a trainer works on", known(lambda: count(database, State.RUNNING)))
    gauge(
        "trainer_queue_seconds", "Time that the oldest queued job has waited", known(lambda: waiting_seconds(database))
    )
