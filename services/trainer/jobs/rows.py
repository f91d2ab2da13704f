"""Rows of the tables to records.

SQLite keeps a value of any type in any column, so that a damaged or edited file may hold what the schema forbids.
"""

import json
import logging
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Double,
    Integer,
    LargeBinary,
    Row,
    Select,
    Table,
    func,
    select,
)

from services.runtime.errors import DataLoss, NotFound
from services.trainer.jobs.records import JobRecord, State
from services.trainer.jobs.schema import Bytes, jobs, labels

log = logging.getLogger(__name__)

_HALVES: Final = re.compile(r"[\ud800-\udfff]")
_skipped: Final[set[str]] = set()
_LARGEST: Final = 2**31 - 1
"""Largest whole number of a row: messages have no larger ones."""
_MOST_NOTED: Final = 100
_LATEST: Final = 1e11
"""Latest time, in seconds since the epoch: that of a message ends with the year 9999, after 2.5e11."""


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
    """The jobs of a query, with their labels. A damaged row is left out, with a line in the log for the first time."""
    found = []
    for row, tags in _rows(connection, query):
        try:
            found.append(_record(row, tags))
        except DataLoss as error:
            skipped(row.id, error)
    return found


def skipped(row: str, problem: object) -> None:
    """Notes a damaged row that is left out, with a line in the log for the first time.

    Args:
        row: Its id.
        problem: What is wrong with it.
    """
    if row not in _skipped:
        log.warning("damaged row skipped", extra={"row": row, "problem": str(problem)[:500]})
        _skipped.add(row)


def timely(column: "Column[Any]") -> ColumnElement[bool]:
    """Whether a column has a time, by which rows can be put in order: SQLite sorts texts behind all numbers."""
    return column.between(0, _LATEST)


def skip_untimely(connection: Connection, table: Table) -> None:
    """Notes the rows of a table that no page has, because the time of their entering is damaged."""
    damaged = select(table.c.id).where(~func.coalesce(timely(table.c.created), False)).limit(_MOST_NOTED)
    for row in connection.execute(damaged):
        skipped(str(row.id), "its `created` is no time")


def _rows(connection: Connection, query: Select[Any]) -> list[tuple[Row[Any], Mapping[str, str]]]:
    """The rows of a query, with their labels."""
    rows = connection.execute(query).all()
    tagged: dict[str, dict[str, str]] = {row.id: {} for row in rows}
    if rows:
        for row in connection.execute(select(labels).where(labels.c.job.in_(tagged))):
            tagged[row.job][row.name] = row.value
    return [(row, tagged[row.id]) for row in rows]


def check_row(table: Table, row: Row[Any]) -> None:
    """Refuses a row with a value that its column cannot have.

    Raises:
        DataLoss: It names the column.
    """
    for column in table.columns:
        value = getattr(row, column.name)
        if not (column.nullable if value is None else _fits(column, value)):
            raise DataLoss(
                f"Expected a whole row of {table.name}/{str(row.id)[:80]}, but its `{column.name}` is "
                f"{type(value).__name__} {str(value)[:80]!r}"
            )


def _fits(column: "Column[Any]", value: Any) -> bool:
    """Whether a column may have a value."""
    match column.type:
        case Bytes() | LargeBinary():
            return isinstance(value, bytes)
        case Boolean():
            return isinstance(value, bool)
        case Integer():
            return isinstance(value, int) and abs(value) <= (_LARGEST if column.name != "size" else 2**63)
        case Double():
            return isinstance(value, int | float) and 0 <= value <= _LATEST
        case _:
            return is_text(value)


def is_text(value: object) -> bool:
    """Whether a value of the table is a text that can be written again: SQLite may hold another, or no UTF-8."""
    return isinstance(value, str) and not _HALVES.search(value)


def _record(row: Row[Any], tags: Mapping[str, str]) -> JobRecord:
    """A job.

    Raises:
        DataLoss: The row is damaged.
    """
    check_row(jobs, row)
    try:
        state, figures = State(row.state), json.loads(row.figures)
    except (ValueError, RecursionError) as error:
        raise DataLoss(f"Expected a whole row of jobs/{row.id}, but {error}") from error
    if not all(is_text(text) for tag in tags.items() for text in tag):
        raise DataLoss(f"Expected texts by name as the labels of jobs/{row.id}, but got something else")
    if not isinstance(figures, dict) or not all(_is_number(each) for each in figures.values()):
        raise DataLoss(f"Expected numbers by name as the figures of jobs/{row.id}, but got something else")
    return JobRecord(
        id=row.id,
        kind=row.kind,
        spec=row.spec,
        state=state,
        reason=row.reason,
        progress=row.progress,
        figures=figures,
        attempts=row.attempts,
        max_attempts=row.max_attempts,
        priority=row.priority,
        parent=row.parent,
        labels=tags,
        result=row.result,
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


def _is_number(value: object) -> bool:
    """Whether a figure fits a message."""
    return isinstance(value, float) or (isinstance(value, int) and abs(value) < 2**63)
