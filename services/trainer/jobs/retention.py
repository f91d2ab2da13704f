"""Jobs that nobody needs any more leave the table, with the jobs that they made, their labels and their events."""

import logging
from collections.abc import Callable, Sequence
from typing import Final

from sqlalchemy import Connection, delete, or_, select

from services.runtime.errors import FailedPrecondition, NotFound
from services.trainer.jobs.database import Database
from services.trainer.jobs.records import State
from services.trainer.jobs.schema import checkpoints, jobs

log = logging.getLogger(__name__)

_ENDED: Final = tuple(state.value for state in State if state.ended)
_AT_ONCE: Final = 1000
"""Ids that one statement names."""


class Retention:
    """Removes jobs. None goes that a checkpoint of the list names as the one that made it, or that another job made.

    Args:
        database: Database that holds them.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def remove(self, job: str) -> int:
        """Removes a job that has ended, and the jobs that it made.

        Returns:
            How many were removed.

        Raises:
            NotFound: There is none of that id.
            FailedPrecondition: One of them has not ended or has made a checkpoint that is there, or another job made
                this one.
        """
        with self._database.transaction() as connection:
            row = connection.execute(select(jobs.c.parent).where(jobs.c.id == job)).first()
            if row is None:
                raise NotFound("job", job, ())
            if row.parent and connection.execute(select(jobs.c.id).where(jobs.c.id == row.parent)).first():
                raise FailedPrecondition(f"job {job}", f"jobs/{row.parent} has made it: it goes with that one")
            family = self._family(connection, job)
            for some in _parts(family):
                made = select(checkpoints.c.id, checkpoints.c.job).where(checkpoints.c.job.in_(some))
                if (found := connection.execute(made.limit(1)).first()) is not None:
                    raise FailedPrecondition(
                        f"job {job}", f"checkpoints/{found.id} names jobs/{found.job}, which made it"
                    )
            for some in _parts(family):
                connection.execute(delete(jobs).where(jobs.c.id.in_(some)))
            return len(family)

    def sweep(self, seconds: float, stop: Callable[[], bool] = lambda: False) -> int:
        """Removes jobs that failed or were cancelled some time ago, as far as `remove` lets them go.

        Args:
            seconds: Time since their end.
            stop: Whether to leave the rest to the next time.

        Returns:
            How many were removed.
        """
        query = select(jobs.c.id).where(
            jobs.c.state.in_((State.FAILED.value, State.CANCELLED.value)),
            jobs.c.ended < self._database.now() - seconds,
            or_(jobs.c.parent == "", jobs.c.parent.not_in(select(jobs.c.id))),
            jobs.c.id.not_in(select(checkpoints.c.job)),
        )
        with self._database.reading() as connection:
            old = connection.execute(query).scalars().all()
        removed = 0
        for job in old:
            if stop():
                break
            try:
                removed += self.remove(job)
            except (FailedPrecondition, NotFound) as error:
                log.debug("an old job stays", extra={"job": job, "reason": str(error)})
        return removed

    def _family(self, connection: Connection, job: str) -> list[str]:
        """A job and all that it made, over any number of steps; nobody changes them meanwhile.

        Raises:
            FailedPrecondition: One has not ended.
        """
        family: list[str] = []
        query = select(jobs.c.id, jobs.c.state).order_by(jobs.c.id)
        if not self._database.is_sqlite:
            query = query.with_for_update()
        level = connection.execute(query.where(jobs.c.id == job)).all()
        while level:
            for row in level:
                if row.state not in _ENDED:
                    raise FailedPrecondition(f"job {job}", f"jobs/{row.id} has not ended: it is {row.state}")
            ids = [row.id for row in level]
            family += ids
            level = [row for some in _parts(ids) for row in connection.execute(query.where(jobs.c.parent.in_(some)))]
        return family


def _parts(ids: Sequence[str]) -> list[Sequence[str]]:
    return [ids[first : first + _AT_ONCE] for first in range(0, len(ids), _AT_ONCE)]
