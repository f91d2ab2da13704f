"""Rows of the tables to records."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, or_, select

from services.runtime.errors import NotFound
from services.trainer.jobs.records import JobRecord, State
from services.trainer.jobs.schema import jobs, labels


def read_job(connection: Connection, job: str) -> JobRecord:
    """A job.

    Raises:
        NotFound: There is none of that id.
    """
    found = read_jobs(connection, select(jobs).where(jobs.c.id == job))
    if not found:
        raise NotFound("job", job, ())
    return found[0]


def read_jobs(connection: Connection, query: Select[Any]) -> Sequence[JobRecord]:
    """The jobs of a query, with their labels."""
    rows = connection.execute(query).all()
    tagged: dict[str, dict[str, str]] = {row.id: {} for row in rows}
    if rows:
        for row in connection.execute(select(labels).where(labels.c.job.in_(tagged))):
            tagged[row.job][row.name] = row.value
    return [_record(row, tagged[row.id]) for row in rows]


def beyond(key: tuple[Any, Any], after: tuple[float, str], *, later: bool) -> ColumnElement[bool]:
    """What comes after an entry, in the order of two columns."""
    (first, second), (time, name) = key, after
    if later:
        return or_(first > time, and_(first == time, second > name))
    return or_(first < time, and_(first == time, second < name))


def _record(row: Row[Any], tags: Mapping[str, str]) -> JobRecord:
    return JobRecord(
        id=row.id,
        kind=row.kind,
        spec=bytes(row.spec),
        state=State(row.state),
        reason=row.reason,
        progress=row.progress,
        figures=json.loads(row.figures),
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
