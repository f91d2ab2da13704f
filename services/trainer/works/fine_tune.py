"""Fine-tuning: train, keep the best checkpoint, score it on the test sets."""

from dataclasses import replace
from typing import Final

from services.models.artifacts import write_map
from services.trainer import specs
from services.trainer.alignment.edits import idle_warnings
from services.trainer.driver.child import Channel
from services.trainer.driver.protocol import Assignment, Report
from services.trainer.evaluation.checkpoint import TaskRecord, load_fine_tuned
from services.trainer.evaluation.figures import SetFigures
from services.trainer.evaluation.own_edits import read_edits
from services.trainer.evaluation.ready import ReadyModel
from services.trainer.evaluation.sets import check_scored
from services.trainer.tasks import make_task
from services.trainer.training.events import Checkpointed, Evaluated, Event, Prepared, Progressed
from services.trainer.training.fit import fit
from services.trainer.training.plan import FineTunePlan, Trained
from services.trainer.works.course import Course
from services.trainer.works.desk import Desk, Origin, figure_events, gap_warnings, job_figures, with_gaps

TRAINING: Final = 0.9
"""Share of a job's progress that training is; the rest is the test sets."""


def run(assignment: Assignment, channel: Channel) -> bytes:
    """Does a job of the kind `fine_tune`."""
    job = specs.read(specs.FineTuneJob, assignment.spec)
    with Desk(assignment, channel) as desk:
        return specs.write(_FineTune(job, desk).finish())


class _FineTune:
    """One job.

    Args:
        job: What it is to do.
        desk: Parts of the server that it uses.
    """

    def __init__(self, job: specs.FineTuneJob, desk: Desk) -> None:
        self._job, self._desk = job, desk
        source = "+".join(dict.fromkeys(each.language for each in job.train if each.language))
        self._origin = Origin(job.task, source, job.label, job.optimisation.seed)
        self._course = Course(desk, TRAINING)
        tags = (each.language for each in (*job.train, *job.dev, *job.eval, *job.unlabelled))
        self._warnings = [*idle_warnings((each.language for each in job.edits), tags)]

    def finish(self) -> specs.Outcome:
        """Trains and scores."""
        job, desk = self._job, self._desk
        plan = FineTunePlan(
            model=job.model,
            task=job.task,
            train=job.train,
            dev=job.dev,
            options=job.options,
            frozen=job.frozen,
            optimisation=job.optimisation,
            max_tokens=job.max_tokens,
            edits=desk.edits(job.edits),
            threads=desk.settings.threads_of_a_job(),
            adversary=job.adversary,
            unlabelled=job.unlabelled,
        )
        # A test set that cannot be scored is told before the training, not after it.
        task = make_task(job.task, job.options)
        for each in job.eval if desk.first else ():
            check_scored(task, desk.examples(each.dataset), each.dataset)
        tuned = fit(
            plan,
            files=desk.files,
            examples=desk.examples,
            scorer=desk.scorer,
            workdir=desk.resume(),
            report=self._report,
            device=desk.device,
            team=desk.team(),
        )
        if not desk.first:
            return specs.Outcome()
        dev = self._dev_figures(tuned.figures)
        checkpoint = self._keep(tuned, dev)
        figures, warnings = self._score(tuned)
        return specs.Outcome(
            checkpoint=checkpoint,
            figures=with_gaps((*dev, *figures)),
            warnings=tuple(dict.fromkeys((*self._warnings, *tuned.warnings, *warnings, *gap_warnings(figures)))),
            provenance={**tuned.provenance, **self._transform(tuned)},
        )

    def _transform(self, tuned: Trained) -> dict[str, str]:
        """The trained transform layer as a map of the store, by which the encoder can apply it."""
        if self._job.adversary is None:
            return {}
        edit = read_edits(tuned.folder, TaskRecord.read(tuned.folder).interventions, "the checkpoint")[-1].edit
        assert edit.matrix is not None
        assert edit.bias is not None
        return {"transform": write_map(self._desk.store, edit.matrix, edit.bias)}

    def _keep(self, tuned: Trained, figures: tuple[specs.JobFigure, ...]) -> str:
        """Puts the best checkpoint into the store and tells of it."""
        stored = self._desk.keep("checkpoints", tuned.folder)
        record = TaskRecord.read(tuned.folder)
        assert tuned.sizes is not None
        note = specs.CheckpointNote(
            task=record.task,
            options=record.options,
            labels=tuple(label for labels in record.labels.values() for label in labels),
            model=self._job.model.name,
            family=tuned.family,
            layers=tuned.sizes.layers,
            hidden_size=tuned.sizes.hidden_size,
            max_tokens=record.max_tokens,
            figures=figures,
            provenance=record.training,
        )
        self._desk.tell(
            Report(
                progress=TRAINING,
                events=(("checkpoint", stored.name.encode()),),
                checkpoint=(stored.name.partition("/")[2], specs.write(note), stored.size),
            )
        )
        return stored.name

    def _score(self, tuned: Trained) -> tuple[tuple[specs.JobFigure, ...], list[str]]:
        """Figures of the test sets."""
        job, desk = self._job, self._desk
        if not job.eval:
            return (), []
        model = tuned.present or self._read(tuned)
        found: list[specs.JobFigure] = []
        warnings: list[str] = []
        for number, each in enumerate(job.eval):
            share = TRAINING + (1 - TRAINING) * number / len(job.eval)
            desk.step(specs.JobStep("evaluate", number, len(job.eval)), share)
            scored = model.evaluate(
                desk.examples(each.dataset), desk.scorer, language=each.language, dataset=each.dataset
            )
            figures = job_figures(scored, "eval", self._origin, domain=each.domain)
            desk.tell(Report(events=figure_events(figures)))
            found.extend(figures)
            warnings.extend(f"{each.place or scored.language}: {warning}" for warning in scored.warnings)
        return tuple(found), warnings

    def _read(self, tuned: Trained) -> ReadyModel:
        """The best model, from its folder."""
        model = load_fine_tuned(tuned.folder, max_tokens=self._job.max_tokens, device=self._desk.device)
        return replace(model, base=tuned.base, predictor=replace(model.predictor, lower=tuned.lower)).ready

    def _dev_figures(self, found: tuple[SetFigures, ...]) -> tuple[specs.JobFigure, ...]:
        pairs = zip(self._job.dev, found, strict=True)
        return tuple(
            figure for place, each in pairs for figure in job_figures(each, "dev", self._origin, domain=place.domain)
        )

    def _report(self, event: Event) -> None:
        """Tells the trainer what training tells."""
        match event:
            case Prepared():
                if event.cut or event.lost:
                    self._warnings.append(
                        f"{event.part} set {event.language}: {event.cut} examples are longer than the limit and cut, "
                        f"{event.lost} targets have no place in the input"
                    )
                self._desk.step(specs.JobStep("prepare", 0, 0, {f"{event.part}_examples": float(event.examples)}), 0.0)
            case Progressed():
                self._course.tell(event)
            case Evaluated():
                figures = {"dev_score": event.score}
                self._desk.tell(Report(figures=figures, events=figure_events(self._dev_figures(event.figures))))
            case Checkpointed():
                self._desk.keep_state(event.folder, event.step)
