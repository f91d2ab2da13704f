"""Pretraining of a masked language model: train, keep the best checkpoint with its perplexities."""

import math
from dataclasses import replace
from typing import Final

from services.models.catalogue import load_model
from services.models.spec import ModelSpec
from services.trainer import specs
from services.trainer.driver.child import Channel
from services.trainer.driver.protocol import Assignment, Report
from services.trainer.evaluation.figures import SetFigures
from services.trainer.pretraining.plan import PretrainPlan
from services.trainer.pretraining.pretrain import pretrain
from services.trainer.training.events import Checkpointed, Evaluated, Event, Prepared, Progressed
from services.trainer.training.plan import Trained
from services.trainer.training.provenance import reinit_label
from services.trainer.works.course import Course
from services.trainer.works.desk import Desk, Origin, figure_events, job_figures

TASK: Final = "mlm"
_TRAINING: Final = 0.99
"""Share of a job's progress that training is; the rest is the checkpoint."""


def run(assignment: Assignment, channel: Channel) -> bytes:
    """Does a job of the kind `pretrain_mlm`."""
    plan = specs.read(PretrainPlan, assignment.spec)
    with Desk(assignment, channel) as desk:
        return specs.write(_Pretraining(plan, desk).finish())


class _Pretraining:
    """One job.

    Args:
        plan: What it is to do.
        desk: Parts of the server that it uses.
    """

    def __init__(self, plan: PretrainPlan, desk: Desk) -> None:
        self._plan, self._desk = plan, desk
        label = reinit_label(plan.model) if plan.model else ""
        self._origin = Origin(TASK, plan.languages, label, plan.optimisation.seed)
        self._course = Course(desk, _TRAINING)

    def finish(self) -> specs.Outcome:
        """Trains and keeps the best model."""
        desk = self._desk
        trained = pretrain(
            replace(self._plan, threads=desk.settings.threads_of_a_job()),
            files=desk.files,
            examples=desk.examples,
            workdir=desk.resume(),
            cache=desk.folder,
            report=self._report,
            device=desk.device,
            team=desk.team(),
        )
        if not desk.first:
            return specs.Outcome()
        figures = self._figures(trained.figures)
        return specs.Outcome(
            checkpoint=self._keep(trained, figures),
            figures=figures,
            warnings=trained.warnings,
            provenance=trained.provenance,
        )

    def _keep(self, trained: Trained, figures: tuple[specs.JobFigure, ...]) -> str:
        """Puts the best checkpoint into the store and tells of it."""
        stored = self._desk.keep("checkpoints", trained.folder)
        model = load_model(self._desk.files, ModelSpec(stored.name))
        note = specs.CheckpointNote(
            task=TASK,
            options={},
            labels=(),
            model=self._plan.model.name if self._plan.model else "",
            family=model.info.family,
            layers=model.info.layers,
            hidden_size=model.info.hidden_size,
            max_tokens=model.info.max_tokens,
            figures=figures,
            provenance=trained.provenance,
        )
        self._desk.tell(
            Report(
                progress=_TRAINING,
                events=(("checkpoint", stored.name.encode()),),
                checkpoint=(stored.name.partition("/")[2], specs.write(note), stored.size),
            )
        )
        return stored.name

    def _figures(self, found: tuple[SetFigures, ...]) -> tuple[specs.JobFigure, ...]:
        return tuple(figure for each in found for figure in job_figures(each, "dev", self._origin))

    def _report(self, event: Event) -> None:
        """Tells the trainer what training tells."""
        match event:
            case Prepared():
                counts = {f"{event.part}_streams": float(event.examples), f"{event.part}_tokens": float(event.tokens)}
                self._desk.step(specs.JobStep("prepare", 0, 0, counts), 0.0)
            case Progressed():
                self._course.tell(event)
            case Evaluated():
                # The score is the mean log-likelihood of a masked token.
                figures = {"dev_perplexity": math.exp(min(-event.score, 700.0))}
                self._desk.tell(Report(figures=figures, events=figure_events(self._figures(event.figures))))
            case Checkpointed():
                self._desk.keep_state(event.folder, event.step)
