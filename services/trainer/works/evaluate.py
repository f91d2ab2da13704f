"""Evaluation: a checkpoint on sets of any language."""

from services.runtime.files.folders import fetch_folder
from services.trainer import specs
from services.trainer.driver.child import Channel
from services.trainer.driver.protocol import Assignment, Report
from services.trainer.evaluation.checkpoint import load_fine_tuned
from services.trainer.works.desk import Desk, figure_events, job_figures


def run(assignment: Assignment, channel: Channel) -> bytes:
    """Does a job of the kind `evaluate`."""
    job = specs.read(specs.EvaluateJob, assignment.spec)
    with Desk(assignment, channel) as desk:
        return specs.write(_evaluate(job, desk))


def _evaluate(job: specs.EvaluateJob, desk: Desk) -> specs.Outcome:
    folder = fetch_folder(desk.store, job.checkpoint, desk.settings.checkpoint_dir)
    model = load_fine_tuned(folder, edits=desk.edits(job.edits), max_tokens=job.max_tokens, device=desk.device)
    found: list[specs.JobFigure] = []
    warnings: list[str] = []
    for number, each in enumerate(job.eval):
        desk.step(specs.JobStep("evaluate", number, len(job.eval)), number / len(job.eval))
        scored = model.evaluate(desk.examples(each.dataset), desk.scorer, language=each.language, dataset=each.dataset)
        figures = job_figures((scored,), "eval", source="", labels={}, seed=0)
        desk.tell(Report(events=figure_events(figures)))
        found.extend(figures)
        warnings.extend(f"{scored.language}: {warning}" for warning in scored.warnings)
    return specs.Outcome(
        checkpoint=job.checkpoint,
        figures=tuple(found),
        warnings=tuple(warnings),
        provenance={"model": model.model.info.digest, "device": desk.device},
    )
