"""What a study does with a job that it has entered: sets it going again, waits for it, and takes its result."""

from collections.abc import Callable
from typing import Any

from babelscope.data.activations import Progress
from babelscope.data.jobs import Job, JobEvent
from babelscope.errors import StudyError


def going_on(mesh: Any, job: Job) -> Job:
    """A job that an earlier run entered goes on where that run saw it end; any other is as it is.

    Args:
        mesh: Clients, of which the trainer's is used.
        job: The job.
    """
    if job.state not in {"failed", "cancelled"}:
        return job
    again: Job = mesh.trainer.retry_job(job.name)
    return again


def succeeded(mesh: Any, name: str, what: str, phase: str, show: Callable[[Progress], None] | None) -> Job:
    """Waits for a job.

    Args:
        mesh: Clients, of which the trainer's is used.
        name: Name of the job.
        what: What it is of, for errors: begins with the key of the section.
        phase: Phase that progress names.
        show: Shows progress; None where nobody looks.

    Raises:
        StudyError: It failed or was cancelled; tells its reason.
        RpcError: A server answered with an error, or could not be reached for too long.
    """

    def tell(event: JobEvent) -> None:
        if show is not None and event.kind == "progress":
            show(Progress(phase, event.done, event.total))

    done: Job = mesh.trainer.wait_for_job(name, progress=None if show is None else tell)
    if done.state != "succeeded":
        raise StudyError(f"{what}: {done.name} has ended: {done.state}. {done.reason}")
    return done
