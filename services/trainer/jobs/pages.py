"""Pages of the tables: bounded by their number of rows and by the bytes of these."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, and_, exists, func, or_, select

from services.trainer.jobs.records import Filter, JobRecord
from services.trainer.jobs.rows import read_jobs, skip_untimely, timely
from services.trainer.jobs.schema import jobs, labels

PAGE_BYTES: Final = 1 << 20
"""Bytes of the rows of a page, but for its first: what is listed is held in memory, and a client takes 4 MiB."""


@dataclass(frozen=True, slots=True)
class JobPage:
    """Some jobs, in order.

    Attributes:
        jobs: The jobs.
        ids: Ids of all of them, those of damaged rows among them.
        last: Time of entering and id of the last one; None where there is none.
    """

    jobs: Sequence[JobRecord]
    ids: Sequence[str]
    last: tuple[float, str] | None


def read_page(
    connection: Connection, wanted: Filter, size: int, after: tuple[float, str] | None = None
) -> tuple[JobPage, bool]:
    """Jobs in the order of their entering: as many as are wanted, and fewer where they are long.

    Args:
        connection: Connection to the database.
        wanted: Filter that the jobs must pass.
        size: Most jobs of a page.
        after: Time of entering and id of the last job of the page before.

    Returns:
        The page, and whether there are more. Damaged rows are left out of its jobs, of which there may be none.
    """
    if after is None:
        skip_untimely(connection, jobs)
    query = select(jobs.c.id, jobs.c.created, _weight().label("weight")).where(timely(jobs.c.created))
    if wanted.states:
        query = query.where(jobs.c.state.in_([state.value for state in wanted.states]))
    if wanted.parent:
        query = query.where(jobs.c.parent == wanted.parent)
    for name, value in wanted.labels.items():
        query = query.where(exists().where(labels.c.job == jobs.c.id, labels.c.name == name, labels.c.value == value))
    key = (jobs.c.created, jobs.c.id)
    if after is not None:
        query = query.where(_beyond(key, after, later=wanted.oldest_first))
    order = [column.asc() if wanted.oldest_first else column.desc() for column in key]
    rows = connection.execute(query.order_by(*order).limit(size + 1)).all()
    ids = [row.id for row in rows[: within_bytes([row.weight for row in rows[:size]])]]
    found = {job.id: job for job in read_jobs(connection, select(jobs).where(jobs.c.id.in_(ids)))}
    last = (rows[len(ids) - 1].created, ids[-1]) if ids else None
    return JobPage([found[job] for job in ids if job in found], ids, last), len(rows) > len(ids)


def within_bytes(weights: Sequence[int]) -> int:
    """How many rows of some bytes a page has: at least one, where there is one."""
    taken = total = 0
    for weight in weights:
        total += weight
        if taken and total > PAGE_BYTES:
            break
        taken += 1
    return taken


def _beyond(key: tuple[Any, Any], after: tuple[float, str], *, later: bool) -> ColumnElement[bool]:
    """What comes after an entry, in the order of two columns."""
    (first, second), (time, name) = key, after
    if later:
        return or_(first > time, and_(first == time, second > name))
    return or_(first < time, and_(first == time, second < name))


def _weight() -> ColumnElement[int]:
    """Bytes of a job that a page would have, about; neither database reads long values for it."""
    tags = select(func.sum(func.length(labels.c.name) + func.length(labels.c.value))).where(labels.c.job == jobs.c.id)
    weight: ColumnElement[int] = func.coalesce(tags.scalar_subquery(), 0)
    for column in (jobs.c.spec, jobs.c.result, jobs.c.figures, jobs.c.reason):
        weight = weight + func.length(column)
    return weight
