"""A sweep as a job that has jobs of its own."""

from collections.abc import Sequence

from services.trainer import specs
from services.trainer.driver.families import Child
from services.trainer.jobs.families import Tally
from services.trainer.jobs.records import NewJob
from services.trainer.sweeps.grid import cells, setting, source
from services.trainer.sweeps.summary import Run, summarise
from services.trainer.tasks import TASKS


class SweepFamily:
    """What `driver.families` asks of a sweep."""

    def children(self, spec: bytes) -> Sequence[NewJob]:
        """The fine-tuning jobs of the grid."""
        return [NewJob("fine_tune", specs.write(job), labels=_labels(job)) for job in cells(_read(spec))]

    def outcome(self, spec: bytes, children: Sequence[Child]) -> bytes:
        """Means over seeds at the best setting."""
        runs = [
            Run(specs.read(specs.FineTuneJob, each.spec), specs.read(specs.Outcome, each.result)) for each in children
        ]
        warnings = dict.fromkeys(warning for run in runs for warning in run.outcome.warnings)
        return specs.write(
            specs.Outcome(
                warnings=tuple(warnings),
                provenance={"model": _read(spec).base.model.name, **_shared(runs)},
                children=tuple(each.id for each in children),
                sweep=summarise(runs, {name: task.main for name, task in TASKS.items()}),
            )
        )

    def progress(self, tally: Tally) -> bytes:
        """Jobs that have ended, of all."""
        return specs.write(specs.JobStep("sweep", tally.ended, tally.total, {"share_done": tally.progress}))


def _read(spec: bytes) -> specs.SweepJob:
    return specs.read(specs.SweepJob, spec)


def _labels(job: specs.FineTuneJob) -> dict[str, str]:
    """Where a job stands in the grid, for people and filters."""
    return {
        "task": job.task,
        "source": source(job),
        "reinit": job.label or "none",
        "seed": str(job.optimisation.seed),
        "setting": setting(job),
    }


def _shared(runs: Sequence[Run]) -> dict[str, str]:
    """What is the same in the provenance of all jobs."""
    first, *others = [run.outcome.provenance for run in runs]
    return {name: value for name, value in first.items() if all(each.get(name) == value for each in others)}
