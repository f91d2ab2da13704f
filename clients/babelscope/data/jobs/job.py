"""Jobs of the trainer, their events and results, and the checkpoints that they make."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from babelscope.data.jobs.sweep import SweepFigure
from babelscope.v1 import trainer_pb2

STATES: Final = {
    trainer_pb2.JOB_STATE_QUEUED: "queued",
    trainer_pb2.JOB_STATE_RUNNING: "running",
    trainer_pb2.JOB_STATE_SUCCEEDED: "succeeded",
    trainer_pb2.JOB_STATE_FAILED: "failed",
    trainer_pb2.JOB_STATE_CANCELLED: "cancelled",
}
ENDED: Final = frozenset({"succeeded", "failed", "cancelled"})


@dataclass(frozen=True, slots=True)
class JobFigure:
    """A figure of an evaluation.

    Attributes:
        part: `dev` or `eval`.
        source: Languages of the training sets, joined by `+`.
        target: Language of the set that was scored.
        metric: Name of the figure: `accuracy`, `las`, `f1`, `em`.
        estimator: Variant of the figure.
        value: Value.
        low: Lower end of the 95 % interval.
        high: Upper end of the 95 % interval.
        n: Number of items.
        signature: All settings behind the number, in one line.
        reinit: Label of the layers drawn anew; empty where none were.
        seed: Seed of the training.
        task: Name of the task.
        domain: Domain of the set that was scored; empty for that of the training sets.
        gap: Cross-lingual gap: value on the set of the source language less this one (Hu et al. 2020); None for the
            source itself, or where it was not scored.
        alpha: Factor of the shifts that was chosen on the development set; None where none was to be chosen.
        left: Gold label, for a cell of a confusion matrix or the scores of a label.
        right: Predicted label, for a cell of a confusion matrix.
    """

    part: str
    source: str
    target: str
    metric: str
    estimator: str
    value: float
    low: float
    high: float
    n: int
    signature: str
    reinit: str = ""
    seed: int = 0
    task: str = ""
    domain: str = ""
    gap: float | None = None
    alpha: float | None = None
    left: str = ""
    right: str = ""

    @property
    def place(self) -> str:
        """Language and domain of the set that was scored: `en`, `en/literature`."""
        return f"{self.target}/{self.domain}" if self.domain else self.target

    @classmethod
    def from_proto(cls, message: trainer_pb2.JobFigure) -> "JobFigure":
        """The figure of a message."""
        return cls(
            part=message.part,
            source=message.source,
            target=message.target,
            metric=message.metric,
            estimator=message.estimator,
            value=message.value,
            low=message.low,
            high=message.high,
            n=message.n,
            signature=message.signature,
            reinit=message.reinit,
            seed=message.seed,
            task=message.task,
            domain=message.domain,
            gap=message.gap if message.HasField("gap") else None,
            alpha=message.alpha if message.HasField("alpha") else None,
            left=message.left,
            right=message.right,
        )


@dataclass(frozen=True, slots=True)
class Job:
    """A job as it stands.

    Attributes:
        name: `jobs/ID`.
        kind: `fine_tune`, `evaluate`, `sweep`, `study`, `pretrain_mlm`, `pretrain_static` or `extend_model`.
        state: `queued`, `running`, `succeeded`, `failed` or `cancelled`.
        reason: Why it failed.
        progress: Share done, 0 to 1.
        latest: Latest figures by name: loss, tokens_per_second, seconds_left, dev_score.
        attempts: How often it was started.
        labels: Labels by name.
        parent: `jobs/ID` of the sweep that made it; empty where none did.
        last_event: Number of its latest event.
        checkpoint: `checkpoints/ID` of the best model, once it has succeeded.
        figures: Figures of all evaluations, once it has succeeded.
        warnings: Warnings, in sentences.
        provenance: Digests, versions, device and seeds by name.
        children: `jobs/ID` of the jobs of a sweep.
        sweep: Figures of a sweep, means over its seeds; those of each of its jobs are in the jobs.
        files: Objects of the store with the files of a study, by path; `TrainerClient.job_file` gets the contents.
        created: Time at which it was created.
        spec: Its specification, as the message of the contract.
        end: Time at which it ended; None where it has not.
    """

    name: str
    kind: str
    state: str
    reason: str
    progress: float
    latest: Mapping[str, float]
    attempts: int
    labels: Mapping[str, str]
    parent: str
    last_event: int
    checkpoint: str
    figures: tuple[JobFigure, ...]
    warnings: tuple[str, ...]
    provenance: Mapping[str, str]
    children: tuple[str, ...]
    sweep: tuple[SweepFigure, ...]
    files: Mapping[str, str]
    created: datetime
    spec: Any = field(repr=False)
    end: datetime | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing happens to it any more unless it is retried."""
        return self.state in ENDED

    @classmethod
    def from_proto(cls, message: trainer_pb2.Job) -> "Job":
        """The job of a message."""
        kind = message.WhichOneof("spec") or ""
        return cls(
            name=message.name,
            kind=kind,
            state=STATES.get(message.state, str(message.state)),
            reason=message.reason,
            progress=message.progress,
            latest=dict(message.figures),
            attempts=message.attempts,
            labels=dict(message.labels),
            parent=message.parent,
            last_event=message.last_event,
            checkpoint=message.result.checkpoint,
            figures=tuple(map(JobFigure.from_proto, message.result.figures)),
            warnings=tuple(message.result.warnings),
            provenance=dict(message.result.provenance),
            children=tuple(message.result.children),
            sweep=tuple(map(SweepFigure.from_proto, message.result.sweep)),
            files=dict(sorted(message.result.files.items())),
            created=message.create_time.ToDatetime(),
            spec=getattr(message, kind) if kind else None,
            end=message.end_time.ToDatetime() if message.HasField("end_time") else None,
        )

    def table(self) -> list[dict[str, Any]]:
        """The figures as rows of the tidy table that all commands share."""
        rows = [row for figure in self.sweep for row in figure.rows(self.model)]
        for figure in self.figures:
            labels = f" {figure.left} as {figure.right}" if figure.right else f" {figure.left}" if figure.left else ""
            alpha = "" if figure.alpha is None else f" alpha={figure.alpha!r}"
            common = {
                "kind": f"{self.kind}/{figure.part}",
                "estimator": f"{figure.estimator}{labels}",
                "model": self.model,
                "reinit": figure.reinit,
                "source": figure.source,
                "target": figure.place,
                "n": figure.n,
                "signature": f"{figure.signature}{alpha}",
            }
            rows.append(
                {**common, "metric": figure.metric, "value": figure.value, "low": figure.low, "high": figure.high}
            )
            if figure.gap is not None:
                rows.append({**common, "metric": f"{figure.metric}/gap", "value": figure.gap})
        return rows

    @property
    def model(self) -> str:
        """Name of the model that it starts from: that of a sweep's jobs, or the checkpoint of an evaluation."""
        spec = getattr(self.spec, "base", self.spec)
        name = getattr(getattr(spec, "model", None), "name", "") or getattr(spec, "checkpoint", "")
        return str(name)


@dataclass(frozen=True, slots=True)
class JobEvent:
    """Something that happened to a job.

    Attributes:
        number: Number within the job, from 1.
        kind: `state`, `progress`, `figure`, `checkpoint` or `note`.
        stage: For `progress`: `prepare`, `train`, `evaluate` or `save`.
        done: For `progress`: steps done.
        total: For `progress`: steps in all, 0 where unknown.
        latest: For `progress`: figures by name.
        text: The state, the name of the checkpoint, or the note.
        figure: For `figure`: the figure.
        job: The job as it stood when the event was sent.
        time: Time at which it happened, in UTC; None where it is not known.
    """

    number: int
    kind: str
    stage: str
    done: int
    total: int
    latest: Mapping[str, float]
    text: str
    figure: JobFigure | None
    job: Job
    time: datetime | None = None

    @classmethod
    def from_proto(cls, message: trainer_pb2.WatchJobResponse) -> "JobEvent":
        """The event of a message."""
        event = message.event
        kind = event.WhichOneof("event") or "note"
        text = STATES.get(event.state, "") if kind == "state" else ""
        if kind in {"checkpoint", "note"}:
            text = getattr(event, kind)
        return cls(
            number=event.number,
            kind=kind,
            stage=event.progress.stage,
            done=event.progress.done,
            total=event.progress.total,
            latest=dict(event.progress.figures),
            text=text,
            figure=JobFigure.from_proto(event.figure) if kind == "figure" else None,
            job=Job.from_proto(message.job),
            time=event.time.ToDatetime() if event.HasField("time") else None,
        )


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A fine-tuned model in the store.

    Attributes:
        name: `checkpoints/ID`, which the encoder serves as a model.
        job: `jobs/ID` that made it.
        task: Task of its head.
        labels: Labels of its head, in order.
        family: Hugging Face model type.
        layers: Number of blocks.
        figures: Figures on the development sets.
        provenance: How it was trained, by name: model and its digest, layers drawn anew, frozen parts, sources, seed.
        bytes: Size in the store.
        created: Time at which it was saved.
    """

    name: str
    job: str
    task: str
    labels: tuple[str, ...]
    family: str
    layers: int
    figures: tuple[JobFigure, ...]
    provenance: Mapping[str, str]
    bytes: int
    created: datetime

    @classmethod
    def from_proto(cls, message: trainer_pb2.Checkpoint) -> "Checkpoint":
        """The checkpoint of a message."""
        return cls(
            name=message.name,
            job=message.job,
            task=message.task,
            labels=tuple(message.labels),
            family=message.model.family,
            layers=message.model.layers,
            figures=tuple(map(JobFigure.from_proto, message.figures)),
            provenance=dict(message.provenance),
            bytes=message.bytes,
            created=message.create_time.ToDatetime(),
        )
