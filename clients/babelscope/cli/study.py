"""`babelscope study` and `babelscope report`: a study file to a result, a result to its report."""

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from babelscope.cli.console import ProgressReport, note
from babelscope.cli.options import MeshOptions, with_options
from babelscope.cli.output import folder
from babelscope.study import Overrides, StudyResult, Watcher, load_study, run_study, submit_study
from babelscope.study.execution import RESULTS
from babelscope.study.sections import TRAINED, ShowProgress


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command("study")(study)
    app.command("report")(report)


@with_options
def study(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Study file.")],
    *,
    out: Annotated[
        Path | None, folder("results.json, results.csv, report.html and figures/; out/NAME if not given")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Compute again what the folder holds already.")] = False,
    model: Annotated[str, typer.Option("--model", metavar="NAME", help="Model in place of the file's.")] = "",
    languages: Annotated[
        str, typer.Option("--languages", metavar="LIST", help="Languages in place of the file's, as en,fr.")
    ] = "",
    sentences: Annotated[int | None, typer.Option("--sentences", min=4, help="Largest number of sentences.")] = None,
    only: Annotated[
        str,
        typer.Option(
            "--only",
            metavar="LIST",
            help="Cells of the file's key emergence that are run, as 'default/8000/0,*/*/1'; the others are left out.",
        ),
    ] = "",
    detach: Annotated[
        bool, typer.Option("--detach", help="Enter the file as a job of the mesh's trainer and print the job's name.")
    ] = False,
    mesh: MeshOptions,
) -> None:
    """Runs a study file: numbers, figures and one report. What its folder holds already is not computed again."""
    if detach:
        _enter(file, mesh, changed=bool(model or languages or sentences or only))
        return
    from babelscope.report import write_report

    overrides = Overrides(model=model, languages=_listed(languages), sentences=sentences or 0, only=_listed(only))
    design = load_study(file, overrides)
    target = out or Path("out") / design.name
    command = _command(file, model=model, languages=languages, sentences=str(sentences or ""), only=only)
    where = "local" if mesh.mesh is None else "a running mesh"
    trains = any(key in design.sections for key in TRAINED)
    services = ("encoder", "metrics", "datagen", "trainer") if trains else ("encoder", "metrics")
    with mesh.open(*services, models=[model]) as opened:
        result = run_study(design, opened, target, force=force, command=command, where=where, watcher=_Watcher())
    page = write_report(result, target)
    for use in result.models:
        typer.echo(f"model: {use.used}" + (f" (stands in for {use.asked}: {use.reason})" if use.reason else ""))
    typer.echo(f"report: {page}")


def _listed(given: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in given.split(",") if part.strip())


def _enter(file: Path, mesh: MeshOptions, *, changed: bool) -> None:
    """Enters a study as a job; `babelscope jobs watch` and `jobs fetch` see to it then."""
    if mesh.mesh is None:
        raise typer.BadParameter("Expected --mesh with --detach: servers that are started here end with the command")
    if changed:
        raise typer.BadParameter(
            "Expected --detach without --model, --languages, --sentences and --only: the file is the job"
        )
    with mesh.open("datagen", "trainer") as opened:
        typer.echo(submit_study(file, opened).name)


def report(results: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a study's results.")]) -> None:
    """Makes the report and the figures of a study anew, from its results.json alone."""
    from babelscope.report import write_report

    typer.echo(f"report: {write_report(StudyResult.read(results / RESULTS), results)}")


def _command(file: Path, **options: str) -> str:
    """The command that runs the study again: only what its numbers depend on, so that no token gets into a result."""
    given = [part for name, value in options.items() if value for part in (f"--{name}", value)]
    return shlex.join(["babelscope", "study", file.name, *given])


class _Watcher(Watcher):
    """Tells the user on the standard error."""

    def note(self, text: str) -> None:
        note(text)

    @contextmanager
    def step(self, summary: str) -> Iterator[ShowProgress | None]:
        with ProgressReport(summary) as shown:
            yield shown.update
