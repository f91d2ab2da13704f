"""Rows of the tables to records."""

import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, Select, select

from services.runtime.errors import DataLoss, NotFound
from services.trainer.jobs.records import JobRecord, State
from services.trainer.jobs.schema import jobs, labels

log = logging.getLogger(__name__)


def read_job(connection: Connection, job: str) -> JobRecord:
    """A job.

    Raises:
        NotFound: There is none of that id.
        DataLoss: Its row is damaged.
    """
    for row, tags in _rows(connection, select(jobs).where(jobs.c.id == job)):
        return _record(row, tags)
    raise NotFound("job", job, ())


def read_jobs(connection: Connection, query: Select[Any]) -> Sequence[JobRecord]:
    """The jobs of a query, with their labels. A damaged row is left out, with a line in the log."""
    found = []
    for row, tags in _rows(connection, query):
        try:
            found.append(_record(row, tags))
        except DataLoss as error:
            log.warning("damaged job skipped", extra={"job": row.id, "problem": str(error)})
    return found


def _rows(connection: Connection, query: Select[Any]) -> list[tuple[Row[Any], Mapping[str, str]]]:
    """The rows of a query, with their labels."""
    rows = connection.execute(query).all()
    tagged: dict[str, dict[str, str]] = {row.id: {} for row in rows}
    if rows:
        for row in connection.execute(select(labels).where(labels.c.job.in_(tagged))):
            tagged[row.job][row.name] = row.value
    return [(row, tagged[row.id]) for row in rows]


def _record(row: Row[Any], tags: Mapping[str, str]) -> JobRecord:
    """A job.

    Raises:
        DataLoss: The row is damaged.
    """
    try:
        state, figures = State(row.state), json.loads(row.figures)
    except ValueError as error:
        raise DataLoss(f"Expected a whole row of jobs/{row.id}, but {error}") from error
    if not isinstance(figures, dict) or not all(isinstance(each, int | float) for each in figures.values()):
        raise DataLoss(f"Expected numbers by name as the figures of jobs/{row.id}, but got something else")
    return JobRecord(
        id=row.id,
        kind=row.kind,
        spec=bytes(row.spec),
        state=state,
        reason=row.reason,
        progress=row.progress,
        figures=figures,
        attempts=row.attempts,
        max_attempts=row.max_attempts,
        priority=row.priority,
        parent=row.parent,
        labels=tags,
        result=bytes(row.result),
        resume=row.resume,
        last_event=row.last_event,
        cancel_requested=row.cancel_requested,
        owner=row.owner,
        lease_until=row.lease_until,
        created=row.created,
        started=row.started,
        ended=row.ended,
        updated=row.updated,
    )
