"""Training of static vectors: train, keep the vectors as a model."""

from typing import Final

from services.models.catalogue import load_model
from services.models.spec import ModelSpec
from services.trainer import specs
from services.trainer.driver.child import Channel
from services.trainer.driver.protocol import Assignment, Report
from services.trainer.static.plan import StaticPlan
from services.trainer.static.train import train_static
from services.trainer.training.events import Checkpointed, Event, Prepared, Progressed
from services.trainer.works.course import Course
from services.trainer.works.desk import Desk

_TRAINING: Final = 0.99
"""Share of a job's progress that training is; the rest is the checkpoint."""


def run(assignment: Assignment, channel: Channel) -> bytes:
    """Does a job of the kind `pretrain_static`."""
    plan = specs.read(StaticPlan, assignment.spec)
    with Desk(assignment, channel) as desk:
        return specs.write(_finish(plan, desk))


def _finish(plan: StaticPlan, desk: Desk) -> specs.Outcome:
    """Trains and keeps the vectors."""
    course = Course(desk, _TRAINING)

    def tell(event: Event) -> None:
        match event:
            case Prepared():
                counts = {"train_streams": float(event.examples), "train_tokens": float(event.tokens)}
                desk.step(specs.JobStep("prepare", 0, 0, counts), 0.0)
            case Progressed():
                course.tell(event)
            case Checkpointed():
                desk.keep_state(event.folder, event.step)

    trained = train_static(
        plan, files=desk.files, examples=desk.examples, workdir=desk.folder, run=desk.resume(), report=tell
    )
    stored = desk.keep("checkpoints", trained.folder)
    model = load_model(desk.files, ModelSpec(stored.name)).info
    note = specs.CheckpointNote(
        task=plan.kind,
        options={},
        labels=(),
        model="",
        family=model.family,
        layers=model.layers,
        hidden_size=model.hidden_size,
        max_tokens=model.max_tokens,
        figures=(),
        provenance=trained.provenance,
    )
    desk.tell(
        Report(
            progress=_TRAINING,
            events=(("checkpoint", stored.name.encode()),),
            checkpoint=(stored.name.partition("/")[2], specs.write(note), stored.size),
        )
    )
    return specs.Outcome(checkpoint=stored.name, figures=(), warnings=trained.warnings, provenance=trained.provenance)
