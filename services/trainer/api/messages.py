"""Jobs, events and checkpoints to messages."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import wraps
from typing import Any, Final, TypeVar

from babelscope.v1 import model_pb2, trainer_pb2
from google.protobuf.timestamp_pb2 import Timestamp

from services.runtime.errors import DataLoss, InvalidArgument, LimitExceeded, NotFound
from services.runtime.rpc.listing import option_messages
from services.trainer import specs
from services.trainer.api.jobs import write_job_spec
from services.trainer.api.names import CHECKPOINTS, JOBS
from services.trainer.jobs.records import CheckpointRecord, EventRecord, JobRecord, State
from services.trainer.tasks import TASKS, describe_options

Row = TypeVar("Row", JobRecord, EventRecord, CheckpointRecord)
Written = TypeVar("Written")
STATES: Final = {
    State.QUEUED: trainer_pb2.JOB_STATE_QUEUED,
    State.RUNNING: trainer_pb2.JOB_STATE_RUNNING,
    State.SUCCEEDED: trainer_pb2.JOB_STATE_SUCCEEDED,
    State.FAILED: trainer_pb2.JOB_STATE_FAILED,
    State.CANCELLED: trainer_pb2.JOB_STATE_CANCELLED,
}
_STATES_BACK: Final[dict[int, State]] = {number: state for state, number in STATES.items()}
_MOST_STATES: Final = 100


def _of_a_whole_row(write: Callable[[Row], Written]) -> Callable[[Row], Written]:
    """Has a function from rows to messages raise DataLoss for a row whose values fit no message."""

    @wraps(write)
    def written(row: Row) -> Written:
        try:
            return write(row)
        except (ValueError, TypeError, OverflowError, KeyError, AttributeError) as error:
            raise DataLoss(f"Expected a {type(row).__name__} that fits a message, but got another: {error}") from error

    return written


def read_states(states: Sequence[int]) -> tuple[State, ...]:
    """States of a filter.

    Raises:
        InvalidArgument: There is no such state.
        LimitExceeded: There are too many.
    """
    if len(states) > _MOST_STATES:
        raise LimitExceeded("max_states", f"Expected at most {_MOST_STATES} states, but got {len(states)}")
    for number, state in enumerate(states):
        if state not in _STATES_BACK:
            offered = ", ".join(trainer_pb2.JobState.Name(each) for each in STATES.values())
            raise InvalidArgument(f"states[{number}]", f"Expected one of {offered}, but got {state}")
    return tuple(_STATES_BACK[state] for state in states)


@_of_a_whole_row
def write_job(job: JobRecord) -> trainer_pb2.Job:
    """A job.

    Raises:
        DataLoss: Its row is damaged, or of a kind that only a later version knows.
    """
    if job.kind not in specs.KINDS:
        raise DataLoss(f"Expected a kind of jobs/{job.id} among {', '.join(specs.KINDS)}, but got {job.kind[:50]!r}")
    message = trainer_pb2.Job(
        name=f"{JOBS}{job.id}",
        state=STATES[job.state],
        reason=job.reason,
        progress=job.progress,
        figures=dict(job.figures),
        attempts=job.attempts,
        priority=job.priority,
        parent=f"{JOBS}{job.parent}" if job.parent else "",
        labels=dict(job.labels),
        last_event=job.last_event,
        **write_job_spec(job.kind, specs.read(specs.KINDS[job.kind], job.spec)),
    )
    if job.result:
        message.result.CopyFrom(_result(specs.read(specs.Outcome, job.result)))
    for field, seconds in (
        ("create_time", job.created),
        ("start_time", job.started),
        ("end_time", job.ended),
        ("update_time", job.updated),
    ):
        if seconds:
            getattr(message, field).CopyFrom(_time(seconds))
    return message


def file_of(job: JobRecord, path: str) -> str:
    """The object of the store that holds a file of a job's result.

    Raises:
        NotFound: The job has no such file.
    """
    files = specs.read(specs.Outcome, job.result).files if job.result else {}
    if path not in files:
        raise NotFound(f"file of jobs/{job.id}", path, tuple(files))
    return files[path]


@_of_a_whole_row
def write_event(event: EventRecord) -> trainer_pb2.JobEvent:
    """An event.

    Raises:
        DataLoss: Its row is damaged.
    """
    message = trainer_pb2.JobEvent(number=event.number, time=_time(event.time))
    match event.kind:
        case "state":
            message.state = STATES[State(event.payload.decode())]
        case "progress":
            told = specs.read(specs.JobStep, event.payload)
            message.progress.CopyFrom(
                trainer_pb2.JobProgress(stage=told.stage, done=told.done, total=told.total, figures=dict(told.figures))
            )
        case "figure":
            message.figure.CopyFrom(_figure(specs.read(specs.JobFigure, event.payload)))
        case "checkpoint":
            message.checkpoint = event.payload.decode()
        case _:
            message.note = event.payload.decode(errors="replace")
    return message


@_of_a_whole_row
def write_checkpoint(record: CheckpointRecord) -> trainer_pb2.Checkpoint:
    """A checkpoint.

    Raises:
        DataLoss: Its row is damaged.
    """
    note = specs.read(specs.CheckpointNote, record.payload)
    name = f"{CHECKPOINTS}{record.id}"
    return trainer_pb2.Checkpoint(
        name=name,
        job=f"{JOBS}{record.job}",
        model=model_pb2.Model(
            name=name,
            family=note.family,
            layers=note.layers,
            hidden_size=note.hidden_size,
            max_tokens=note.max_tokens,
        ),
        task=note.task,
        labels=note.labels,
        figures=[_figure(figure) for figure in note.figures],
        provenance=dict(note.provenance),
        bytes=record.size,
        create_time=_time(record.created),
    )


def write_tasks() -> list[trainer_pb2.TaskInfo]:
    """All tasks, by name."""
    return [
        trainer_pb2.TaskInfo(
            name=name,
            summary=task.summary,
            options=option_messages(describe_options(name)),
            score=task.score,
        )
        for name, task in sorted(TASKS.items())
    ]


def _result(outcome: specs.Outcome) -> trainer_pb2.JobResult:
    return trainer_pb2.JobResult(
        checkpoint=outcome.checkpoint,
        figures=[_figure(figure) for figure in outcome.figures],
        warnings=outcome.warnings,
        provenance=dict(outcome.provenance),
        children=[f"{JOBS}{child}" for child in outcome.children],
        sweep=[trainer_pb2.SweepFigure(**_given(figure)) for figure in outcome.sweep],
        files=dict(outcome.files),
    )


def _figure(figure: specs.JobFigure) -> trainer_pb2.JobFigure:
    return trainer_pb2.JobFigure(**_given(figure))


def _given(record: specs.JobFigure | specs.SweepFigure) -> dict[str, Any]:
    """The fields of a record, whose names are those of its message, but for those that are not given."""
    return {name: value for name, value in asdict(record).items() if value is not None}


def _time(seconds: float) -> Timestamp:
    stamp = Timestamp()
    stamp.FromMicroseconds(round(seconds * 1e6))
    return stamp
