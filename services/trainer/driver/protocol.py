"""What a trainer and the process of a job say to each other: one JSON object a line.

The trainer writes to the process's standard input: first the assignment, then how long the lease still holds, again and
again. The process writes events to a pipe of its own; its standard output and error are its log. It ends itself when
its lease runs out or when the trainer is gone, so that no job is ever worked on twice at once. One that is kept waits,
once it has told its result, for another assignment; it holds no lease then, and still ends when the trainer is gone.

The seconds of a lease count from when the line was written, so that those which pass until it is read are not added to
it: a line says what the machine's clock, `time.monotonic`, showed. Both sides are on one machine.
"""

import base64
import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

EVENTS_VARIABLE: Final = "BABELSCOPE_JOB_EVENTS"
"""Environment variable with the number of the pipe to which events are written."""

LOG: Final = "log"
"""File of a job's folder with the output of the process that the trainer has started."""

WORKER_LOG: Final = "work.log"
"""The same of the process that a seat of Ray has started, where that is another one."""

_SAID: Final = "said"


class Died(Exception):
    """The attempt cannot go on through no fault of the job's: it ends as that of a process that was killed."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """What a process is to do.

    Attributes:
        job: Id of the job.
        kind: Kind of its specification.
        spec: Specification.
        attempt: Number of the attempt, from 1.
        resume: Name in the store of the state to go on from; empty to start anew.
        workdir: Folder for what the work writes while it runs.
        lease_seconds: Seconds that the lease holds from now.
        workers: Processes that do it together.
        rank: Number of this one among them, from 0; the first one reports.
        meeting: Where they find one another, as `services.trainer.parallel.ranks` takes it; empty where there is one.
        place: Number of this one among those that see the same devices.
        keep: Whether the process waits for another assignment once it has told its result.
        log: File that receives the process's output from now on; empty where it has it from its start.
    """

    job: str
    kind: str
    spec: bytes
    attempt: int
    resume: str
    workdir: str
    lease_seconds: float
    workers: int = 1
    rank: int = 0
    meeting: str = ""
    place: int = 0
    keep: bool = False
    log: str = ""

    def line(self) -> bytes:
        """The message as a line."""
        return _line(asdict(self) | {"spec": base64.b64encode(self.spec).decode(), _SAID: time.monotonic()})

    @classmethod
    def read(cls, line: bytes) -> "Assignment":
        """The message of a line."""
        values = json.loads(line)
        left = _left(values)
        del values[_SAID]
        return cls(**values | {"spec": base64.b64decode(values["spec"]), "lease_seconds": left})


def renewal(lease_seconds: float) -> bytes:
    """A line that says how long the lease holds from now."""
    return _line({"lease_seconds": lease_seconds, _SAID: time.monotonic()})


def read_told(line: bytes) -> Assignment | float:
    """What a line of the trainer says: another assignment, or the seconds that the lease holds from now."""
    values = json.loads(line)
    return Assignment.read(line) if "job" in values else _left(values)


def _left(values: Mapping[str, Any]) -> float:
    """Seconds that the lease of a line holds from now."""
    return float(values["lease_seconds"]) - (time.monotonic() - float(values[_SAID]))


@dataclass(frozen=True, slots=True)
class Report:
    """What a process tells.

    Attributes:
        progress: Share done; None where it has not changed.
        figures: Latest figures by name.
        events: Kinds and payloads of events, in order.
        resume: Name in the store of the state from which the next attempt can go on; None where there is no new one.
        saved: Steps that a state on disk holds, from which the next attempt goes on; None where there is no new one.
        result: Result; given once, at the end, where the job succeeded.
        failure: Why it failed; given once, at the end, where it did.
        lost: Whether it failed because its device did, so that another attempt may succeed.
        checkpoint: Id, description and bytes of a checkpoint that was put into the store.
    """

    progress: float | None = None
    figures: Mapping[str, float] = field(default_factory=dict)
    events: tuple[tuple[str, bytes], ...] = ()
    resume: str | None = None
    saved: int | None = None
    result: bytes | None = None
    failure: str | None = None
    lost: bool = False
    checkpoint: tuple[str, bytes, int] | None = None

    @property
    def final(self) -> bool:
        """Whether the work has ended."""
        return self.result is not None or self.failure is not None

    def line(self) -> bytes:
        """The message as a line."""
        values: dict[str, Any] = {
            "progress": self.progress,
            "figures": dict(self.figures),
            "events": [[kind, base64.b64encode(payload).decode()] for kind, payload in self.events],
            "resume": self.resume,
            "saved": self.saved,
            "result": None if self.result is None else base64.b64encode(self.result).decode(),
            "failure": self.failure,
            "lost": self.lost,
        }
        if self.checkpoint is not None:
            name, payload, size = self.checkpoint
            values["checkpoint"] = [name, base64.b64encode(payload).decode(), size]
        return _line(values)

    @classmethod
    def read(cls, line: bytes) -> "Report":
        """The message of a line."""
        values = json.loads(line)
        made = values.get("checkpoint")
        return cls(
            progress=values["progress"],
            figures=values["figures"],
            events=tuple((kind, base64.b64decode(payload)) for kind, payload in values["events"]),
            resume=values["resume"],
            saved=values.get("saved"),
            result=None if values["result"] is None else base64.b64decode(values["result"]),
            failure=values["failure"],
            lost=values["lost"],
            checkpoint=None if made is None else (made[0], base64.b64decode(made[1]), made[2]),
        )


def _line(values: Mapping[str, Any]) -> bytes:
    return json.dumps(values, allow_nan=False).encode() + b"\n"
