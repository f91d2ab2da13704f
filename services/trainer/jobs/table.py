"""The job table: jobs are entered, claimed, worked on under a lease, and ended.

No transaction is held while work is done. Every write of a trainer carries the token of its lease and is refused once
another trainer holds the job, so that a trainer that was paused for long cannot undo what another has done since.
"""

import json
import secrets
from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection, Row, Select, and_, case, or_, select, update
from sqlalchemy.exc import IntegrityError

from services.runtime.errors import DataLoss, FailedPrecondition, InvalidArgument
from services.trainer.jobs.database import Database
from services.trainer.jobs.pages import JobPage, read_page
from services.trainer.jobs.records import EventRecord, Filter, JobRecord, Lease, NewEvent, NewJob, State
from services.trainer.jobs.room import Room
from services.trainer.jobs.rows import read_job, read_jobs
from services.trainer.jobs.schema import events, jobs
from services.trainer.jobs.writing import append, append_state, enter, readable, set_aside

EVENTS_A_READ: Final = 1000
MOST_EVENTS: Final = 2**31 - 1
"""Events of a job, far more than any has."""
_OPEN: Final = (State.QUEUED.value, State.RUNNING.value)


class LeaseLost(Exception):
    """Another trainer holds the job, or nobody does any more: what was to be written is refused, the work must stop."""


class JobTable:
    """All jobs.

    Args:
        database: Database that holds them.
        room: Limits of those that wait or run; none where None.
    """

    def __init__(self, database: Database, room: Room | None = None) -> None:
        self._database, self._room = database, room

    def create(self, job: NewJob, request_id: str = "") -> JobRecord:
        """Enters a job. The same `request_id` with the same specification gives the job that it made before.

        Raises:
            InvalidArgument: The request id has made a job of another specification.
            LimitExceeded: There is no room for it.
            Unavailable: The database does not answer.
        """
        if request_id and (known := self._by_request(job, request_id)):
            return known
        try:
            with self._database.transaction() as connection:
                if self._room is not None:
                    self._room.check(connection, job.caller, job.size)
                return read_job(connection, enter(self._database, connection, job, request_id))
        except IntegrityError:
            # Another call with the same id was faster.
            if request_id and (known := self._by_request(job, request_id)):
                return known
            raise

    def get(self, job: str) -> JobRecord:
        """A job.

        Raises:
            NotFound: There is none of that id.
        """
        with self._database.reading() as connection:
            return read_job(connection, job)

    def page(self, wanted: Filter, size: int, after: tuple[float, str] | None = None) -> tuple[JobPage, bool]:
        """Jobs in the order of their entering: see `pages.read_page`."""
        with self._database.reading() as connection:
            return read_page(connection, wanted, size, after)

    def claim(self, owner: str, lease_seconds: float, kinds: Sequence[str] = ()) -> tuple[Lease, JobRecord] | None:
        """Takes the next job: one that is queued, or whose trainer has let its lease run out.

        A job whose trainers died `max_attempts` times while it got no further is failed on the way, so that it cannot
        kill trainers for ever, and so is one whose row is damaged, so that it does not stand in the way of those behind
        it.

        Args:
            owner: Name of the trainer.
            lease_seconds: Time after which the job is free again unless `renew` is called.
            kinds: Kinds wanted; all where empty.

        Returns:
            The lease and the job; None where nothing is to do.
        """
        while True:
            with self._database.transaction() as connection:
                job = connection.execute(self._next(kinds)).scalar()
                if job is None:
                    return None
                found = connection.execute(select(jobs).where(jobs.c.id == job)).one()
                try:
                    known = read_job(connection, job)
                except DataLoss as error:
                    set_aside(self._database, connection, job, str(error))
                    continue
                if known.attempts - found.spent >= known.max_attempts or known.cancel_requested:
                    self._give_up(connection, found)
                    continue
                lease = Lease(found.id, secrets.token_hex(16), found.attempts + 1)
                taken = connection.execute(
                    update(jobs)
                    .where(jobs.c.id == found.id, jobs.c.lease_token == found.lease_token, jobs.c.state == found.state)
                    .values(
                        state=State.RUNNING.value,
                        owner=owner,
                        lease_token=lease.token,
                        lease_until=self._database.now() + lease_seconds,
                        attempts=jobs.c.attempts + 1,
                        started=self._database.now(),
                        updated=self._database.now(),
                    )
                )
                if not taken.rowcount:
                    continue  # another trainer was faster
                append_state(self._database, connection, lease.job, State.RUNNING)
                return lease, read_job(connection, lease.job)

    def renew(self, lease: Lease, lease_seconds: float) -> bool:
        """Keeps a lease alive; called at a third of its time.

        Returns:
            Whether the job is to be cancelled.

        Raises:
            LeaseLost: The lease is another's by now.
        """
        with self._database.transaction() as connection:
            self._write(connection, lease, lease_until=self._database.now() + lease_seconds)
            query = select(jobs.c.cancel_requested).where(jobs.c.id == lease.job)
            return bool(connection.execute(query).scalar_one())

    def record(
        self,
        lease: Lease,
        happened: Sequence[NewEvent] = (),
        *,
        progress: float | None = None,
        figures: Mapping[str, float] | None = None,
        resume: str | None = None,
        saved: int | None = None,
    ) -> None:
        """Writes what has happened, in one transaction.

        Args:
            lease: The right to write.
            happened: Events, in order.
            progress: Share done.
            figures: Latest figures by name; those of other names stay.
            resume: Name in the store of the state from which the next attempt goes on.
            saved: Steps that such a state holds. Where no state held as many, attempts before this one no longer count.

        Raises:
            LeaseLost: The lease is another's by now; nothing is written.
        """
        with self._database.transaction() as connection:
            values: dict[str, Any] = {}
            if progress is not None:
                values["progress"] = progress
            if resume is not None:
                values["resume"] = resume
            if saved is not None:
                further = jobs.c.saved < saved
                values["saved"] = case((further, saved), else_=jobs.c.saved)
                values["spent"] = case((further, lease.attempt - 1), else_=jobs.c.spent)
            if figures:
                before = connection.execute(select(jobs.c.figures).where(jobs.c.id == lease.job)).scalar_one()
                values["figures"] = json.dumps(json.loads(before) | dict(figures))
            self._write(connection, lease, **values)
            append(self._database, connection, lease.job, happened)

    def finish(self, lease: Lease, state: State, *, reason: str = "", result: bytes = b"") -> None:
        """Ends a job; the jobs that it made are cancelled where it did not succeed.

        Raises:
            LeaseLost: The lease is another's by now; nothing is written.
        """
        reason = readable(reason)
        with self._database.transaction() as connection:
            if state is not State.SUCCEEDED:
                self._cancel_children(connection, lease.job)
            values: dict[str, Any] = {"progress": 1.0} if state is State.SUCCEEDED else {}
            self._write(
                connection,
                lease,
                state=state.value,
                reason=reason,
                result=result,
                owner="",
                lease_token="",
                lease_until=0.0,
                ended=self._database.now(),
                **values,
            )
            append_state(self._database, connection, lease.job, state, reason)

    def release(self, lease: Lease, *, counted: bool) -> None:
        """Gives a job back to the queue; what it has done is kept.

        Args:
            lease: The right to write.
            counted: Whether the attempt counts: it does where the work died, and does not where the trainer stops.

        Raises:
            LeaseLost: The lease is another's by now.
        """
        with self._database.transaction() as connection:
            self._write(
                connection,
                lease,
                state=State.QUEUED.value,
                owner="",
                lease_token="",
                lease_until=0.0,
                attempts=jobs.c.attempts - (0 if counted else 1),
            )
            append_state(self._database, connection, lease.job, State.QUEUED)

    def cancel(self, job: str) -> JobRecord:
        """Cancels a job: at once where nobody works on it, otherwise as soon as its trainer renews its lease.

        The jobs that it made are cancelled with it; it has ended when the last of them has.

        Raises:
            NotFound: There is none of that id.
            FailedPrecondition: It has succeeded or failed.
        """
        with self._database.transaction() as connection:
            found = read_job(connection, job)
            if found.state in (State.SUCCEEDED, State.FAILED):
                raise FailedPrecondition(f"job {job}", f"it has ended: {found.state.value}")
            if not found.state.ended:
                self._cancel(connection, job)
            return read_job(connection, job)

    def retry(self, job: str, spec: bytes | None = None) -> JobRecord:
        """Queues a job that failed or was cancelled again, with its attempts counted anew.

        Those of its own jobs that failed or were cancelled are queued with it.

        Args:
            job: Id of the job.
            spec: Specification that takes the place of its own; None for its own.

        Raises:
            NotFound: There is none of that id.
            FailedPrecondition: It has not failed and was not cancelled, or the job that made it has ended.
            LimitExceeded: There is no room for it.
        """
        with self._database.transaction() as connection:
            found = read_job(connection, job)
            if found.state not in (State.FAILED, State.CANCELLED):
                raise FailedPrecondition(
                    f"job {job}", f"Expected a job that failed or was cancelled, but it is {found.state.value}"
                )
            if found.parent and read_job(connection, found.parent).state.ended:
                raise FailedPrecondition(
                    f"job {job}", f"it is one of jobs/{found.parent}, which has ended: retry that one"
                )
            if self._room is not None:
                counted = connection.execute(select(jobs.c.caller, jobs.c.size).where(jobs.c.id == job)).one()
                self._room.check(connection, counted.caller, counted.size)
            if spec is not None:
                connection.execute(update(jobs).where(jobs.c.id == job).values(spec=spec))
            self._queue_again(connection, job)
            return read_job(connection, job)

    def events(self, job: str, start: int = 1, limit: int = EVENTS_A_READ) -> Sequence[EventRecord]:
        """Events of a job from a number on, in order."""
        start = min(start, MOST_EVENTS)  # PostgreSQL compares no larger number with one of an event
        query = select(events).where(events.c.job == job, events.c.number >= start).order_by(events.c.number)
        with self._database.reading() as connection:
            return [
                EventRecord(row.number, row.time, row.kind, row.payload)
                for row in connection.execute(query.limit(limit))
                if isinstance(row.number, int)  # a damaged one has no place among them
            ]

    def _by_request(self, job: NewJob, request_id: str) -> JobRecord | None:
        """The job that a request id has made."""
        with self._database.reading() as connection:
            found = read_jobs(connection, select(jobs).where(jobs.c.request_id == request_id))
        if not found:
            return None
        if (found[0].kind, found[0].spec) != (job.kind, job.spec):
            raise InvalidArgument(
                "request_id",
                f"Expected an id that no other request has, but {request_id!r} made jobs/{found[0].id}, whose "
                "specification is another",
            )
        return found[0]

    def _next(self, kinds: Sequence[str]) -> Select[Any]:
        """Id of the job to be claimed next; on PostgreSQL those that another trainer looks at are passed over.

        No other column is asked for: SQLite would sort the specifications of all jobs that wait.
        """
        free = or_(
            jobs.c.state == State.QUEUED.value,
            and_(jobs.c.state == State.RUNNING.value, jobs.c.lease_until < self._database.now()),
        )
        query = select(jobs.c.id).where(free)
        if kinds:
            query = query.where(jobs.c.kind.in_(kinds))
        query = query.order_by(jobs.c.priority.desc(), jobs.c.created, jobs.c.id).limit(1)
        return query if self._database.is_sqlite else query.with_for_update(skip_locked=True)

    def _give_up(self, connection: Connection, row: Row[Any]) -> None:
        """Ends a job that nobody works on: it was cancelled meanwhile, or its trainers died too often."""
        self._cancel_children(connection, row.id)
        state = State.CANCELLED if row.cancel_requested else State.FAILED
        reason = (
            ""
            if row.cancel_requested
            else f"its trainer died while it worked, {row.attempts - row.spent} times"
            f"{' without getting further' if row.spent else ''}: see the trainer's log for the last time"
        )
        ended = connection.execute(
            update(jobs)
            .where(jobs.c.id == row.id, jobs.c.lease_token == row.lease_token, jobs.c.state == row.state)
            .values(
                state=state.value,
                reason=reason,
                owner="",
                lease_token="",
                lease_until=0.0,
                ended=self._database.now(),
                updated=self._database.now(),
            )
        )
        if ended.rowcount:
            append_state(self._database, connection, row.id, state, reason)

    def _children(self, connection: Connection, job: str, states: Sequence[str]) -> Sequence[str]:
        """The jobs that a job made and that are in some states, always in the same order."""
        query = select(jobs.c.id).where(jobs.c.parent == job, jobs.c.state.in_(states)).order_by(jobs.c.id)
        return connection.execute(query).scalars().all()

    def _cancel_children(self, connection: Connection, job: str) -> None:
        for child in self._children(connection, job, _OPEN):
            self._cancel(connection, child)

    def _cancel(self, connection: Connection, job: str) -> None:
        """Cancels a job after those that it made: a queued one at once, unless one of those still runs."""
        self._cancel_children(connection, job)
        now = self._database.now()
        waits = self._children(connection, job, _OPEN)
        queued = jobs.c.state == ("" if waits else State.QUEUED.value)
        connection.execute(
            update(jobs)
            .where(jobs.c.id == job)
            .values(
                cancel_requested=True,
                ended=case((queued, now), else_=jobs.c.ended),
                state=case((queued, State.CANCELLED.value), else_=jobs.c.state),
                updated=now,
            )
        )
        if read_job(connection, job).state is State.CANCELLED:
            append_state(self._database, connection, job, State.CANCELLED)

    def _queue_again(self, connection: Connection, job: str) -> None:
        """Queues a job again after those that it made and that did not succeed."""
        for child in self._children(connection, job, (State.FAILED.value, State.CANCELLED.value)):
            self._queue_again(connection, child)
        connection.execute(
            update(jobs)
            .where(jobs.c.id == job)
            .values(
                state=State.QUEUED.value,
                reason="",
                attempts=0,
                spent=0,
                saved=0,
                cancel_requested=False,
                ended=0.0,
                updated=self._database.now(),
            )
        )
        append_state(self._database, connection, job, State.QUEUED)

    def _write(self, connection: Connection, lease: Lease, **values: Any) -> None:
        """Changes a job whose lease is held; LeaseLost where it is not."""
        changed = connection.execute(
            update(jobs)
            .where(jobs.c.id == lease.job, jobs.c.lease_token == lease.token, jobs.c.state == State.RUNNING.value)
            .values(updated=self._database.now(), **values)
        )
        if not changed.rowcount:
            raise LeaseLost(f"The lease of job {lease.job} (attempt {lease.attempt}) is another's by now")
