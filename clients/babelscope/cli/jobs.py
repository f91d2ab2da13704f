"""`babelscope jobs list|show|watch|fetch|cancel|retry|prune`: the jobs of a trainer."""

import time
from datetime import UTC
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Final

import typer

from babelscope.cli.console import note
from babelscope.cli.job_progress import watch as show_course
from babelscope.cli.options import MeshOptions, one_of, with_options
from babelscope.cli.output import ResultOptions, folder, print_table, write_results
from babelscope.cli.pruning import ExplainOption, OlderThan, YesOption, read_age
from babelscope.cli.train import give, numbers_of
from babelscope.data.atomic import whole
from babelscope.data.jobs import STATES, Job
from babelscope.errors import BabelscopeError, NotFound, Refused
from babelscope.store.jobs import JobVerdict, judge_jobs
from babelscope.sync.trainer import TrainerClient
from babelscope.tracking.mlflow import write_run

_COLUMNS: Final = ("name", "kind", "state", "progress", "task", "model", "attempts", "created", "reason")
_VERDICTS: Final = ("name", "kind", "state", "jobs", "days", "verdict", "because")

NameArgument = Annotated[str, typer.Argument(metavar="JOB", help="Name of the job: jobs/ID.")]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    jobs = typer.Typer(help="Jobs of a running trainer.", no_args_is_help=True)
    jobs.command("list")(list_jobs)
    jobs.command("show")(show)
    jobs.command("watch")(watch)
    jobs.command("fetch")(fetch)
    jobs.command("cancel")(cancel)
    jobs.command("retry")(retry)
    jobs.command("prune")(prune)
    app.add_typer(jobs, name="jobs")


@with_options
def list_jobs(
    *,
    state: Annotated[
        str | None, typer.Option("--state", help=f"State of the jobs: {', '.join(STATES.values())}; all if not given.")
    ] = None,
    parent: Annotated[str, typer.Option("--parent", metavar="JOB", help="Sweep whose jobs are wanted.")] = "",
    mesh: MeshOptions,
) -> None:
    """Lists jobs, newest first."""
    if state is not None:
        one_of(*STATES.values())(state)
    with mesh.open("trainer") as opened:
        found = opened.trainer.list_jobs(states=[state] if state else (), parent=parent)
    print_table([_row(job) for job in found], _COLUMNS)


@with_options
def show(name: NameArgument, *, results: ResultOptions, mesh: MeshOptions) -> None:
    """Shows a job, with its figures once it has succeeded."""
    with mesh.open("trainer") as opened:
        job = opened.trainer.get_job(name)
    for column, value in _row(job).items():
        note(f"{column}: {value}")
    if job.state == "succeeded":
        give(job, results)


@with_options
def watch(name: NameArgument, *, results: ResultOptions, mesh: MeshOptions) -> None:
    """Shows the course of a job until it ends, then its figures."""
    with mesh.open("trainer") as opened:
        job = show_course(opened.trainer, name)
    if job.state != "succeeded":
        raise BabelscopeError(f"{job.name} has ended: {job.state}. {job.reason}".strip())
    give(job, results)


@with_options
def fetch(
    name: NameArgument,
    *,
    out: Annotated[Path | None, folder("results.json, results.csv, report.html and figures/ of a study")] = None,
    mlflow: Annotated[
        Path | None,
        typer.Option("--mlflow", metavar="DIR", help="File store of MLflow to which the job is added as a run."),
    ] = None,
    mesh: MeshOptions,
) -> None:
    """Fetches the files that a study has written as a job, or any job as a run of MLflow.

    As runs of MLflow, the jobs of a sweep come with it.
    """
    if out is None and mlflow is None:
        raise typer.BadParameter("Expected --out or --mlflow, but got neither")
    with mesh.open("trainer") as opened:
        job = opened.trainer.get_job(name)
        if mlflow is not None:
            for each in (name, *job.children):
                note(f"{each}: {_export(opened.trainer, each, mlflow)}")
        if out is None:
            return
        if not job.files:
            raise BabelscopeError(
                f"Expected a study that has succeeded, but {job.name} has no files: it is {job.state}"
            )
        for path in job.files:
            target = out / path
            if not target.resolve().is_relative_to(out.resolve()):
                raise BabelscopeError(f"Expected files within the folder, but got {path!r}")
            target.parent.mkdir(parents=True, exist_ok=True)
            with whole(target) as file:
                file.write(opened.trainer.job_file(name, path))
    note(f"{len(job.files)} files: {out}")


def _export(trainer: TrainerClient, name: str, mlflow: Path) -> Path:
    """Writes a job as a run of MLflow; its folder."""
    job = trainer.get_job(name)
    if not job.ended:
        raise BabelscopeError(f"Expected a job that has ended, but {job.name} is {job.state}")
    artifacts = {path: trainer.job_file(name, path) for path in job.files}
    if not artifacts:
        numbers = numbers_of(job)
        with TemporaryDirectory() as written:
            write_results(Path(written), numbers.record, numbers.tidy)
            artifacts = {path.name: path.read_bytes() for path in Path(written).iterdir()}
    return write_run(mlflow, job, list(trainer.watch_job(name)), artifacts)


@with_options
def cancel(name: NameArgument, *, mesh: MeshOptions) -> None:
    """Stops a job; the checkpoints that it has saved are kept."""
    with mesh.open("trainer") as opened:
        job = opened.trainer.cancel_job(name)
    note(f"{job.name} is {job.state}" if job.ended else f"{job.name} is being cancelled")


@with_options
def retry(
    name: NameArgument,
    *,
    workers: Annotated[
        int,
        typer.Option("--workers", min=0, help="Workers that go on with a job that trains; as many as before if 0."),
    ] = 0,
    mesh: MeshOptions,
) -> None:
    """Queues a job that failed or was cancelled again; it goes on from its last checkpoint."""
    with mesh.open("trainer") as opened:
        job = opened.trainer.retry_job(name, workers=workers)
    note(f"{job.name} is {job.state}")


@with_options
def prune(
    *,
    older_than: OlderThan = "90d",
    explain: ExplainOption = False,
    yes: YesOption = False,
    mesh: MeshOptions,
) -> None:
    """Jobs that ended long ago and that no checkpoint names; with --yes they are removed, with their events.

    A sweep or a study goes or stays with all jobs that it made. Files of a study stay in the store until
    `babelscope store prune` finds that no job names them.
    """
    before = time.time() - read_age(older_than)
    with mesh.open("trainer") as opened:
        jobs = opened.trainer.list_jobs()
        verdicts = judge_jobs(jobs, {each.job: each.name for each in opened.trainer.list_checkpoints()}, before=before)
        shown = [verdict for verdict in verdicts if verdict.remove or explain]
        if shown:
            print_table([_verdict_row(verdict) for verdict in shown], _VERDICTS)
        done = [verdict for verdict in verdicts if verdict.remove]
        if yes:
            done = [verdict for verdict in done if _removed(opened.trainer, verdict.job.name)]
    size = sum(verdict.jobs for verdict in done)
    note(f"{size} of {len(jobs)} jobs: {'removed' if yes else 'would be removed (--yes)'}")


def _removed(trainer: TrainerClient, name: str) -> bool:
    """Removes a job; one that was retried or removed since it was judged is left alone."""
    try:
        trainer.delete_job(name)
    except (NotFound, Refused) as error:
        note(f"{name} is left alone: {error}")
        return False
    return True


def _verdict_row(verdict: JobVerdict) -> dict[str, Any]:
    ended = verdict.end.replace(tzinfo=UTC).timestamp() if verdict.end is not None else None
    return {
        "name": verdict.job.name,
        "kind": verdict.job.kind,
        "state": verdict.job.state,
        "jobs": verdict.jobs,
        "days": round((time.time() - ended) / 86400, 1) if ended is not None else "",
        "verdict": "remove" if verdict.remove else "keep",
        "because": verdict.reason,
    }


def _row(job: Job) -> dict[str, Any]:
    """A job in a line."""
    return {
        "name": job.name,
        "kind": job.kind,
        "state": job.state,
        "progress": f"{job.progress:.0%}",
        "task": getattr(job.spec, "task", "") or ", ".join(each.task for each in getattr(job.spec, "tasks", ())),
        "model": job.model,
        "attempts": job.attempts,
        "created": f"{job.created:%Y-%m-%d %H:%M}",
        "reason": " ".join(job.reason.split())[:80],
    }
