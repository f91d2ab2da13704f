"""Jobs, events and checkpoints as plain data. Specifications and results are opaque bytes with a kind."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class State(StrEnum):
    """State of a job."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """Whether nothing happens to the job any more unless it is retried."""
        return self in (State.SUCCEEDED, State.FAILED, State.CANCELLED)


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job to enter.

    Attributes:
        kind: Kind of the specification: `fine_tune`, `evaluate`, ...
        spec: Specification, in a form that is equal for equal specifications.
        priority: Jobs of higher priority are claimed first.
        parent: Id of the job that made it; empty where none did.
        labels: Labels by name.
        max_attempts: How often the job is started without getting further before a trainer that dies while it works
            fails it.
        caller: Who has entered it; empty for nobody in particular.
        size: Jobs that it counts as: itself and those that it will make; 0 where the job that made it counts it.
    """

    kind: str
    spec: bytes
    priority: int = 0
    parent: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    max_attempts: int = 5
    caller: str = ""
    size: int = 1


@dataclass(frozen=True, slots=True)
class JobRecord:
    """A job as it stands in the table. Times are seconds since the epoch, by the clock of the database; 0 for never.

    Attributes:
        id: Id, unique.
        kind: Kind of the specification.
        spec: Specification.
        state: State.
        reason: Why it failed.
        progress: Share done, 0 to 1.
        figures: Latest figures by name.
        attempts: How often it was started.
        max_attempts: How often it may be started without getting further.
        priority: Jobs of higher priority are claimed first.
        parent: Id of the job that made it; empty where none did.
        labels: Labels by name.
        result: Result; empty until it succeeds.
        resume: Name in the store of the state from which the next attempt goes on; empty where it starts anew.
        last_event: Number of its latest event.
        cancel_requested: Whether it is to be cancelled.
        owner: Trainer that works on it; empty where none does.
        lease_until: Time at which its lease ends.
        created: Time at which it was created.
        started: Time at which it was last started.
        ended: Time at which it ended.
        updated: Time of its last change.
    """

    id: str
    kind: str
    spec: bytes
    state: State
    reason: str
    progress: float
    figures: Mapping[str, float]
    attempts: int
    max_attempts: int
    priority: int
    parent: str
    labels: Mapping[str, str]
    result: bytes
    resume: str
    last_event: int
    cancel_requested: bool
    owner: str
    lease_until: float
    created: float
    started: float
    ended: float
    updated: float


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to work on a job: every write for the job carries the token, and is refused once another holds it.

    Attributes:
        job: Id of the job.
        token: Token of this lease, never used again.
        attempt: Number of the attempt, from 1.
    """

    job: str
    token: str
    attempt: int


@dataclass(frozen=True, slots=True)
class EventRecord:
    """Something that happened to a job.

    Attributes:
        number: Number within the job, from 1, without gaps.
        time: Seconds since the epoch, by the clock of the database.
        kind: `state`, `progress`, `figure`, `checkpoint` or `note`.
        payload: What happened: a state's name, or bytes of the kind.
    """

    number: int
    time: float
    kind: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event to append.

    Attributes:
        kind: `progress`, `figure`, `checkpoint` or `note`.
        payload: Contents of the event.
    """

    kind: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class CheckpointRecord:
    """A checkpoint in the store.

    Attributes:
        id: Id, from the digest of its contents.
        job: Id of the job that made it.
        payload: Description, as bytes.
        size: Bytes in the store.
        created: Seconds since the epoch, by the clock of the database.
    """

    id: str
    job: str
    payload: bytes
    size: int
    created: float


@dataclass(frozen=True, slots=True)
class Filter:
    """Which jobs a list has.

    Attributes:
        states: States wanted; all where empty.
        labels: Labels that a job must have.
        parent: Id of the job that made them; any where empty.
        oldest_first: Order by the time of entering, oldest first; newest first where false.
    """

    states: tuple[State, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    parent: str = ""
    oldest_first: bool = False
