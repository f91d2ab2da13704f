"""Sees jobs through that have jobs of their own. It takes no slot, so that one slot is enough for them all."""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from services.runtime.errors import ServiceError, Unavailable
from services.trainer.jobs.families import Families, Tally
from services.trainer.jobs.records import JobRecord, NewEvent, NewJob, State

log = logging.getLogger(__name__)

_LEAST_PROGRESS = 0.01
"""Share of the whole that must be new for another event."""
_NAMED = 5
"""Jobs that a reason names."""


@dataclass(frozen=True, slots=True)
class Child:
    """A job of a job that has succeeded.

    Attributes:
        id: Id of the text.
        spec: Its specification.
        result: Its result.
    """

    id: str
    spec: bytes
    result: bytes


class Family(Protocol):
    """A kind of job that has jobs of its own."""

    def children(self, spec: bytes) -> Sequence[NewJob]:
        """The jobs of a specification: the same ones in the same order at each call.

        Raises:
            ServiceError: It cannot be read.
        """

    def outcome(self, spec: bytes, children: Sequence[Child]) -> bytes:
        """The result, once all jobs have succeeded.

        Args:
            spec: The specification.
            children: All jobs, in order.

        Raises:
            ServiceError: There is none, with the reason.
        """

    def progress(self, tally: Tally) -> bytes:
        """The event that tells how far the jobs are."""


class FamilyWatch:
    """Starts jobs that have jobs of their own, adds up how far these are, and ends them.

    Args:
        families: Jobs with jobs of their own.
        kinds: What each kind does.
        notify: Called with a job's id after every write.
        idle_seconds: Time between two looks.
    """

    def __init__(
        self, families: Families, kinds: Mapping[str, Family], notify: Callable[[str], None], idle_seconds: float
    ) -> None:
        self._families, self._kinds, self._notify, self._idle = families, kinds, notify, idle_seconds
        self._closing, self._wake = threading.Event(), threading.Event()
        self._told: dict[str, tuple[float, int]] = {}
        self._thread = threading.Thread(target=self._run, name="job-families")

    def start(self) -> None:
        """Starts to look."""
        self._thread.start()

    def wake(self) -> None:
        """Looks at once."""
        self._wake.set()

    def close(self) -> None:
        """Stops; what is not done is done by the next trainer."""
        self._closing.set()
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                for parent in self._families.open(tuple(self._kinds)):
                    self._see_to(parent)
            except Unavailable as error:
                log.warning("the job table cannot be asked", extra={"reason": str(error)})
            except Exception:  # nobody else would look again
                log.exception("the job table cannot be read")
            self._wake.wait(self._idle)
            self._wake.clear()

    def _see_to(self, parent: JobRecord) -> None:
        """One step of one job. What nobody expected fails the job: it would go on for ever otherwise."""
        try:
            self._step(parent)
        except Unavailable:
            raise
        except ServiceError as error:
            self._finish(parent, State.FAILED, reason=str(error))
        except Exception as error:
            log.exception("a job with jobs of its own failed", extra={"job": parent.id})
            self._finish(parent, State.FAILED, reason=f"{type(error).__name__}: {error}")

    def _step(self, parent: JobRecord) -> None:
        kind = self._kinds[parent.kind]
        if parent.state is State.QUEUED and not parent.cancel_requested:
            if self._families.begin(parent.id, [_of(parent, child) for child in kind.children(parent.spec)]):
                self._notify(parent.id)
            return
        tally = self._families.tally(parent.id)
        if tally.ended < tally.total:
            self._tell(parent, kind, tally)
        elif parent.cancel_requested:
            self._finish(parent, State.CANCELLED)
        elif tally.states.get(State.SUCCEEDED, 0) < tally.total:
            self._finish(parent, State.FAILED, reason=_reason(self._families.children(parent.id)))
        else:
            children = [Child(each.id, each.spec, each.result) for each in self._families.children(parent.id)]
            self._finish(parent, State.SUCCEEDED, result=kind.outcome(parent.spec, children))

    def _tell(self, parent: JobRecord, kind: Family, tally: Tally) -> None:
        progress, ended = self._told.get(parent.id, (parent.progress, -1))
        if ended == tally.ended and tally.progress < progress + _LEAST_PROGRESS:
            return
        figures = {f"jobs_{state.value}": float(tally.states.get(state, 0)) for state in State}
        event = NewEvent("progress", kind.progress(tally))
        if self._families.record(parent.id, tally.progress, figures, event):
            self._told[parent.id] = (tally.progress, tally.ended)
            self._notify(parent.id)

    def _finish(self, parent: JobRecord, state: State, *, reason: str = "", result: bytes = b"") -> None:
        if self._families.finish(parent.id, state, reason=reason, result=result):
            self._told.pop(parent.id, None)
            self._notify(parent.id)


def _of(parent: JobRecord, child: NewJob) -> NewJob:
    """A job of a job, with its priority; the room that there is for it was taken by the job that makes it."""
    return replace(child, priority=parent.priority, parent=parent.id, size=0)


def _reason(children: Sequence[JobRecord]) -> str:
    """Why a job has not succeeded, in the words of its jobs."""
    wrong = [child for child in children if child.state is not State.SUCCEEDED]
    named = [f"jobs/{child.id} ({child.state.value}){': ' if child.reason else ''}{child.reason}" for child in wrong]
    more = f"; and {len(wrong) - _NAMED} more" if len(wrong) > _NAMED else ""
    return f"{len(wrong)} of its {len(children)} jobs did not succeed: {'; '.join(named[:_NAMED])}{more}"
