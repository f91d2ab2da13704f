"""Jobs that have jobs of their own: entered once, counted, and ended when all of them have.

Nobody holds a lease of such a job, and it takes no slot. Each step is one transaction that is harmless when it is
repeated or when another trainer does the same: a trainer that dies between two steps loses nothing.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import func, select, update

from services.trainer.jobs.database import Database
from services.trainer.jobs.records import JobRecord, NewEvent, NewJob, State
from services.trainer.jobs.rows import read_jobs
from services.trainer.jobs.schema import jobs
from services.trainer.jobs.writing import append, append_state, enter, readable

_OPEN = (State.QUEUED.value, State.RUNNING.value)


@dataclass(frozen=True, slots=True)
class Tally:
    """How the jobs of a job are.

    Attributes:
        states: Number of them by state.
        progress: Mean share done; 0 where there are none.
    """

    states: Mapping[State, int]
    progress: float

    @property
    def total(self) -> int:
        """How many there are."""
        return sum(self.states.values())

    @property
    def ended(self) -> int:
        """How many have ended."""
        return sum(count for state, count in self.states.items() if state.ended)


class Families:
    """Jobs with jobs of their own.

    Args:
        database: Database that holds them.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def open(self, kinds: Sequence[str]) -> Sequence[JobRecord]:
        """Jobs of some kinds that have not ended, oldest first."""
        query = select(jobs).where(jobs.c.kind.in_(kinds), jobs.c.state.in_(_OPEN))
        with self._database.reading() as connection:
            return read_jobs(connection, query.order_by(jobs.c.created, jobs.c.id))

    def begin(self, parent: str, children: Sequence[NewJob]) -> bool:
        """Enters the jobs of a queued job that are not there yet, all or none, and starts it.

        The request id of each is `PARENT/INDEX`.

        Returns:
            Whether it was queued, and not to be cancelled.
        """
        with self._database.transaction() as connection:
            started = connection.execute(
                update(jobs)
                .where(jobs.c.id == parent, jobs.c.state == State.QUEUED.value, ~jobs.c.cancel_requested)
                .values(
                    state=State.RUNNING.value,
                    attempts=jobs.c.attempts + 1,
                    started=self._database.now(),
                    updated=self._database.now(),
                )
            )
            if not started.rowcount:
                return False
            known = set(connection.execute(select(jobs.c.request_id).where(jobs.c.parent == parent)).scalars())
            for index, child in enumerate(children):
                request_id = f"{parent}/{index}"
                if request_id not in known:
                    enter(self._database, connection, child, request_id, index)
            append_state(self._database, connection, parent, State.RUNNING)
            return True

    def tally(self, parent: str) -> Tally:
        """How the jobs of a job are."""
        query = (
            select(jobs.c.state, func.count(), func.sum(jobs.c.progress))
            .where(jobs.c.parent == parent)
            .group_by(jobs.c.state)
        )
        with self._database.reading() as connection:
            rows = connection.execute(query).all()
        states = {State(state): count for state, count, _ in rows}
        # A job that failed has nothing left to do until it is retried.
        done = sum(count if State(state).ended else progress for state, count, progress in rows)
        return Tally(states, done / max(1, sum(states.values())))

    def children(self, parent: str) -> Sequence[JobRecord]:
        """The jobs of a job, in the order in which they were entered."""
        with self._database.reading() as connection:
            found = read_jobs(connection, select(jobs).where(jobs.c.parent == parent))
            named = connection.execute(select(jobs.c.id, jobs.c.request_id).where(jobs.c.parent == parent))
            places = {row.id: int(row.request_id.rpartition("/")[2]) for row in named}
        return sorted(found, key=lambda job: places[job.id])

    def record(self, parent: str, progress: float, figures: Mapping[str, float], event: NewEvent) -> bool:
        """Writes how far a running job is.

        Returns:
            Whether it was running.
        """
        with self._database.transaction() as connection:
            written = connection.execute(
                update(jobs)
                .where(jobs.c.id == parent, jobs.c.state == State.RUNNING.value)
                .values(progress=progress, figures=json.dumps(dict(figures)), updated=self._database.now())
            )
            if written.rowcount:
                append(self._database, connection, parent, [event])
            return bool(written.rowcount)

    def finish(self, parent: str, state: State, *, reason: str = "", result: bytes = b"") -> bool:
        """Ends a job, all of whose jobs have ended.

        Returns:
            Whether this call has ended it: it had not ended, and none of its jobs is open.
        """
        reason = readable(reason)
        with self._database.transaction() as connection:
            still = select(jobs.c.id).where(jobs.c.parent == parent, jobs.c.state.in_(_OPEN))
            if connection.execute(still).first() is not None:
                return False
            values = {"progress": 1.0} if state is State.SUCCEEDED else {}
            ended = connection.execute(
                update(jobs)
                .where(jobs.c.id == parent, jobs.c.state.in_(_OPEN))
                .values(
                    state=state.value,
                    reason=reason,
                    result=result,
                    ended=self._database.now(),
                    updated=self._database.now(),
                    **values,
                )
            )
            if ended.rowcount:
                append_state(self._database, connection, parent, state, reason)
            return bool(ended.rowcount)
