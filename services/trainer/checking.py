"""Refuses jobs that cannot succeed before they are queued, by what is known without reading data or weights."""

from typing import Any

from services.models.catalogue import ModelFiles
from services.runtime.errors import FailedPrecondition, InvalidArgument, NotFound
from services.trainer import specs
from services.trainer.jobs.checkpoints import Checkpoints
from services.trainer.tasks import make_task
from services.trainer.training.checks import check
from services.trainer.training.plan import FineTunePlan


class Checker:
    """Checks specifications of jobs.

    Args:
        files: Models that jobs may start from.
        checkpoints: Checkpoints that jobs may score.
    """

    def __init__(self, files: ModelFiles, checkpoints: Checkpoints) -> None:
        self._files, self._checkpoints = files, checkpoints

    def __call__(self, kind: str, spec: Any) -> None:
        """Checks a specification; blocks.

        Raises:
            ServiceError: What is wrong with it; fields are those of the request.
        """
        match kind:
            case "fine_tune":
                self._fine_tune(spec, "job.fine_tune")
            case "evaluate":
                self._evaluate(spec)
            case _:
                # Such a job would stay in the queue for ever: no trainer does it.
                raise FailedPrecondition(f"job.{kind}", f"jobs of the kind {kind} are not built yet")

    def _fine_tune(self, job: specs.FineTuneJob, field: str) -> None:
        try:
            make_task(job.task, job.options)
            check(FineTunePlan(job.model, job.task, job.train, job.dev, job.options, job.frozen, job.optimisation))
        except InvalidArgument as error:
            raise InvalidArgument(f"{field}.{error.field}", error.problem) from error
        self._files.find(job.model.name, job.model.revision)

    def _evaluate(self, job: specs.EvaluateJob) -> None:
        kind, _, name = job.checkpoint.partition("/")
        if kind != "checkpoints" or not name:
            raise InvalidArgument("job.evaluate.checkpoint", f"Expected checkpoints/ID, but got {job.checkpoint!r}")
        if not self._checkpoints.exists(name):
            raise NotFound("checkpoint", job.checkpoint)
