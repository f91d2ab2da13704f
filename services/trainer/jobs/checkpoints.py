"""The checkpoints that jobs made: what is in the store, in the order of its making."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, and_, delete, func, insert, or_, select
from sqlalchemy.exc import IntegrityError

from services.runtime.errors import DataLoss, FailedPrecondition, NotFound
from services.trainer.jobs.database import Database
from services.trainer.jobs.pages import within_bytes
from services.trainer.jobs.records import CheckpointRecord, Lease, State
from services.trainer.jobs.rows import check_row, is_text, skip_untimely, skipped, timely
from services.trainer.jobs.schema import checkpoints, jobs
from services.trainer.jobs.table import LeaseLost


class Checkpoints:
    """All checkpoints.

    Args:
        database: Database that lists them.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, lease: Lease, name: str, payload: bytes, size: int) -> None:
        """Lists a checkpoint; one that is listed already stays as it is: equal contents have equal names.

        Raises:
            LeaseLost: The lease is another's by now; nothing is written.
        """
        try:
            with self._database.transaction() as connection:
                held = select(jobs.c.id).where(
                    jobs.c.id == lease.job, jobs.c.lease_token == lease.token, jobs.c.state == State.RUNNING.value
                )
                if not self._database.is_sqlite:
                    held = held.with_for_update()
                if connection.execute(held).first() is None:
                    raise LeaseLost(f"The lease of job {lease.job} (attempt {lease.attempt}) is another's by now")
                connection.execute(
                    insert(checkpoints).values(
                        id=name, job=lease.job, payload=payload, size=size, created=self._database.now()
                    )
                )
        except IntegrityError:
            return

    def get(self, name: str) -> CheckpointRecord:
        """A checkpoint.

        Raises:
            NotFound: There is none of that id.
        """
        with self._database.reading() as connection:
            row = connection.execute(select(checkpoints).where(checkpoints.c.id == name)).first()
        if row is None:
            raise NotFound("checkpoint", name)
        return _record(row)

    def exists(self, name: str) -> bool:
        """Whether there is a checkpoint of an id."""
        with self._database.reading() as connection:
            return connection.execute(select(checkpoints.c.id).where(checkpoints.c.id == name)).first() is not None

    def page(
        self, size: int, after: tuple[float, str] | None = None, job: str = ""
    ) -> tuple[Sequence[CheckpointRecord], tuple[float, str] | None]:
        """Checkpoints, newest first: as many as are wanted, and fewer where their descriptions are long.

        Args:
            size: Most checkpoints of a page.
            after: Time and id of the last one of the page before.
            job: Id of the job that made them; any where empty.

        Returns:
            The page, without damaged rows; time and id of its last row, None where there are no more.
        """
        order = (checkpoints.c.created.desc(), checkpoints.c.id.desc())
        query = (
            select(checkpoints.c.id, func.length(checkpoints.c.payload), checkpoints.c.created)
            .where(timely(checkpoints.c.created))
            .order_by(*order)
            .limit(size + 1)
        )
        if job:
            query = query.where(checkpoints.c.job == job)
        if after is not None:
            time, name = after
            query = query.where(
                or_(checkpoints.c.created < time, and_(checkpoints.c.created == time, checkpoints.c.id < name))
            )
        with self._database.reading() as connection:
            if after is None:
                skip_untimely(connection, checkpoints)
            rows = connection.execute(query).all()
            ids = [row[0] for row in rows[: within_bytes([row[1] for row in rows[:size]])]]
            found = connection.execute(select(checkpoints).where(checkpoints.c.id.in_(ids)).order_by(*order)).all()
        records = []
        for row in found:
            try:
                records.append(_record(row))
            except DataLoss as error:
                skipped(row.id, error)
        last = (rows[len(ids) - 1].created, ids[-1]) if len(rows) > len(ids) > 0 else None
        return records, last

    def remove(self, name: str) -> None:
        """Takes a checkpoint off the list.

        Raises:
            NotFound: There is none of that id.
            FailedPrecondition: The job that made it, the sweep of that job, or another job that names it has not ended.
        """
        with self._database.transaction() as connection:
            row = connection.execute(select(checkpoints.c.job).where(checkpoints.c.id == name)).first()
            if row is None:
                raise NotFound("checkpoint", name)
            going_on = select(jobs.c.id, jobs.c.spec).where(
                jobs.c.state.in_([state.value for state in State if not state.ended])
            )
            maker = row.job if is_text(row.job) else ""  # a damaged row may be removed
            family = {maker, connection.execute(select(jobs.c.parent).where(jobs.c.id == maker)).scalar()}
            for job in connection.execute(going_on):
                named = isinstance(job.spec, bytes) and f"checkpoints/{name}".encode() in job.spec
                if job.id in family or named:
                    raise FailedPrecondition(f"checkpoint {name}", f"jobs/{job.id}, which names it, has not ended")
            connection.execute(delete(checkpoints).where(checkpoints.c.id == name))


def _record(row: Row[Any]) -> CheckpointRecord:
    """A checkpoint.

    Raises:
        DataLoss: Its row is damaged.
    """
    check_row(checkpoints, row)
    return CheckpointRecord(row.id, row.job, row.payload, row.size, row.created)
