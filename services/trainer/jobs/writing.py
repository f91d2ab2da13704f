"""What several doors of the job table write: entries, events, and what a job's parent is told of it."""

import logging
import uuid
from collections.abc import Sequence
from typing import Final

from sqlalchemy import Connection, func, insert, select, update

from services.trainer.jobs.database import Database
from services.trainer.jobs.records import NewEvent, NewJob, State
from services.trainer.jobs.rows import is_text
from services.trainer.jobs.schema import events, jobs, labels

log = logging.getLogger(__name__)

LONGEST_REASON: Final = 10_000
"""Characters of the reason for which a job failed: it is read by people, and is part of every list."""
_STEP_SECONDS: Final = 1e-6
"""Time between two jobs that are entered together, by what the table says of it."""


def readable(reason: str) -> str:
    """A reason as every database and every message takes it, whatever it quotes.

    Args:
        reason: Text of any length. NUL and halves of surrogate pairs in it, which are no text to PostgreSQL and to
            UTF-8, are replaced.
    """
    whole = (
        reason[:LONGEST_REASON].encode("utf-8", "replace").decode("utf-8").replace("\x00", "\N{REPLACEMENT CHARACTER}")
    )
    return whole if len(reason) <= LONGEST_REASON else f"{whole} [{len(reason) - LONGEST_REASON} characters left out]"


def enter(database: Database, connection: Connection, job: NewJob, request_id: str = "", place: int = 0) -> str:
    """Enters a job.

    Args:
        database: The database.
        connection: Connection within a transaction.
        job: The job.
        request_id: By which it is known again; none where empty.
        place: Its place among those that are entered together, which keeps them in order: SQLite's clock shows
            milliseconds, and many jobs are entered within one.

    Returns:
        Its id.

    Raises:
        IntegrityError: The request id has made a job before.
    """
    new = uuid.uuid4().hex
    now = database.now() + place * _STEP_SECONDS
    connection.execute(
        insert(jobs).values(
            id=new,
            request_id=request_id or None,
            kind=job.kind,
            spec=job.spec,
            state=State.QUEUED.value,
            max_attempts=job.max_attempts,
            priority=job.priority,
            parent=job.parent,
            caller=job.caller,
            size=job.size,
            created=now,
            updated=now,
        )
    )
    if job.labels:
        connection.execute(
            insert(labels), [{"job": new, "name": name, "value": value} for name, value in job.labels.items()]
        )
    append(database, connection, new, [NewEvent("state", State.QUEUED.value.encode())])
    return new


def append(database: Database, connection: Connection, job: str, happened: Sequence[NewEvent]) -> None:
    """Adds events with the next numbers; the job's own row, which is locked by the update, gives them out."""
    if not happened:
        return
    last = connection.execute(
        update(jobs)
        .where(jobs.c.id == job)
        .values(last_event=jobs.c.last_event + len(happened))
        .returning(jobs.c.last_event)
    ).scalar_one()
    for number, each in enumerate(happened, last - len(happened) + 1):
        connection.execute(
            insert(events).values(job=job, number=number, time=database.now(), kind=each.kind, payload=each.payload)
        )


def append_state(database: Database, connection: Connection, job: str, state: State, reason: str = "") -> None:
    """Adds the event of a job's new state; where it has ended, its parent is told in the same transaction.

    The row of a job is always locked before that of its parent, so that no two transactions wait for one another.
    """
    append(database, connection, job, [NewEvent("state", state.value.encode())])
    if not state.ended:
        return
    parent = connection.execute(select(jobs.c.parent).where(jobs.c.id == job)).scalar_one()
    if (
        not is_text(parent)
        or not parent
        or connection.execute(select(jobs.c.id).where(jobs.c.id == parent)).first() is None
    ):
        return
    tags = connection.execute(select(labels.c.name, labels.c.value).where(labels.c.job == job).order_by(labels.c.name))
    said = ", ".join(f"{name} {value}" for name, value in tags)
    words = f"jobs/{job}" + (f" ({said})" if said else "") + f" has ended: {state.value}"
    append(database, connection, parent, [NewEvent("note", (f"{words}: {reason}" if reason else words).encode())])


def set_aside(database: Database, connection: Connection, job: str, reason: str) -> None:
    """Fails a job whose row is damaged. Its number of events is counted anew, as that may be what is damaged.

    Args:
        database: Database that holds it.
        connection: Connection within a transaction.
        job: Id of the job.
        reason: What is wrong with its row.
    """
    log.error("damaged job failed", extra={"job": job, "problem": reason[:500]})
    last = select(func.coalesce(func.max(events.c.number), 0)).where(events.c.job == job).scalar_subquery()
    now = database.now()
    ended = {"state": State.FAILED.value, "reason": readable(reason), "ended": now, "updated": now}
    cleared = {"owner": "", "lease_token": "", "lease_until": 0.0, "last_event": last}
    connection.execute(update(jobs).where(jobs.c.id == job).values(**ended, **cleared))
    append_state(database, connection, job, State.FAILED, readable(reason))
