"""Evaluation: a checkpoint on sets of any language, with a factor of the shifts chosen on development sets."""

from collections.abc import Iterable
from dataclasses import replace

from babelscope.data.languages import spelling

from services.models.catalogue import load_model
from services.runtime.files.folders import fetch_folder
from services.trainer import specs
from services.trainer.alignment.edits import idle_warnings
from services.trainer.driver.child import Channel
from services.trainer.driver.protocol import Assignment, Report
from services.trainer.evaluation.checkpoint import FineTunedModel, load_fine_tuned
from services.trainer.evaluation.figures import SetFigures
from services.trainer.evaluation.sets import check_scored
from services.trainer.training.plan import LanguageSet
from services.trainer.works.desk import Desk, Origin, figure_events, gap_warnings, job_figures, with_gaps


def run(assignment: Assignment, channel: Channel) -> bytes:
    """Does a job of the kind `evaluate`."""
    job = specs.read(specs.EvaluateJob, assignment.spec)
    with Desk(assignment, channel) as desk:
        return specs.write(_Evaluation(job, desk).finish())


class _Evaluation:
    """One job.

    Args:
        job: What it is to do.
        desk: Parts of the server that it uses.
    """

    def __init__(self, job: specs.EvaluateJob, desk: Desk) -> None:
        self._job, self._desk = job, desk
        folder = fetch_folder(desk.store, job.checkpoint, desk.settings.checkpoint_dir)
        self._given = desk.edits(job.edits)
        lower = None
        if job.lower is not None:
            lower = load_model(desk.files, job.lower, device=desk.device), job.lower_layer
        self._model = load_fine_tuned(
            folder, edits=self._given, max_tokens=job.max_tokens, device=desk.device, lower=lower
        )
        training = self._model.record.training
        self._origin = Origin(
            self._model.record.task, training.get("source", ""), training.get("label", ""), int(training.get("seed", 0))
        )
        self._done, self._total = 0, len(job.eval) + len(job.dev) * len(job.alphas)
        self._figures: list[specs.JobFigure] = []
        tags = (each.language for each in (*job.dev, *job.eval))
        self._warnings = [*idle_warnings((each.language for each in job.edits), tags)]

    def finish(self) -> specs.Outcome:
        """Chooses the factors, and scores the test sets."""
        for each in (*self._job.dev, *self._job.eval):
            check_scored(self._model.predictor.task, self._desk.examples(each.dataset), each.dataset)
        chosen = self._choose()
        for each in self._job.eval:
            own = spelling(each.language, chosen)
            alpha = None if own is None else chosen[own]
            scored = self._score(self._shifted(alpha), each, detail=True)
            self._keep(job_figures(scored, "eval", self._origin, domain=each.domain, alpha=alpha))
            self._warnings += [f"{each.place or scored.language}: {warning}" for warning in scored.warnings]
        training = self._model.record.training
        return specs.Outcome(
            checkpoint=self._job.checkpoint,
            figures=with_gaps(self._figures),
            warnings=tuple(dict.fromkeys((*self._warnings, *gap_warnings(self._figures)))),
            provenance={
                "model": self._model.model.info.digest,
                "engine": self._model.model.info.engine,
                "device": self._desk.device,
                **self._lower(),
                **{f"training.{name}": value for name, value in training.items()},
            },
        )

    def _lower(self) -> dict[str, str]:
        job = self._job
        return {} if job.lower is None else {"lower_model": job.lower.name, "lower_layer": str(job.lower_layer)}

    def _choose(self) -> dict[str, float]:
        """The factor of each language: the best by the main figure on its development set; of equals, the smallest."""
        chosen: dict[str, float] = {}
        for each in self._job.dev if self._job.alphas else ():
            scores: dict[float, float] = {}
            for alpha in sorted(self._job.alphas, key=abs):
                scored = self._score(self._shifted(alpha), each)
                scores[alpha] = scored.find(self._model.predictor.task.main).value
                self._keep(job_figures(scored, "dev", self._origin, domain=each.domain, alpha=alpha))
            chosen[each.language] = max(scores, key=lambda alpha: scores[alpha])
        return chosen

    def _shifted(self, alpha: float | None) -> FineTunedModel:
        """The model with another factor of its shifts; as the job says where None."""
        if alpha is None:
            return self._model
        return self._model.with_edits(
            tuple(
                replace(each, edit=replace(each.edit, alpha=alpha)) if each.edit.vector is not None else each
                for each in self._given
            )
        )

    def _score(self, model: FineTunedModel, each: LanguageSet, *, detail: bool = False) -> SetFigures:
        desk = self._desk
        desk.step(specs.JobStep("evaluate", self._done, self._total), self._done / self._total)
        self._done += 1
        return model.ready.evaluate(
            desk.examples(each.dataset), desk.scorer, language=each.language, dataset=each.dataset, detail=detail
        )

    def _keep(self, figures: Iterable[specs.JobFigure]) -> None:
        listed = tuple(figures)
        self._desk.tell(Report(events=figure_events(listed)))
        self._figures += listed
