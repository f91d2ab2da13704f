"""`babelscope study` and `babelscope report`: a study file to a result, a result to its report."""

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from babelscope.cli.console import ProgressReport, note
from babelscope.cli.options import CaOption, MeshOption, StoreOption, TokenOption, open_mesh
from babelscope.study import Overrides, StudyResult, Watcher, load_study, run_study
from babelscope.study.execution import RESULTS
from babelscope.study.sections import ShowProgress


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command("study")(study)
    app.command("report")(report)


def study(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A study file.")],
    *,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Folder of the results; out/NAME with none.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Compute anew what the folder holds already.")] = False,
    model: Annotated[str, typer.Option("--model", metavar="NAME", help="One model in place of the file's.")] = "",
    languages: Annotated[
        str, typer.Option("--languages", metavar="LIST", help="Languages in place of the file's, as en,fr.")
    ] = "",
    sentences: Annotated[int | None, typer.Option("--sentences", min=4, help="At most so many sentences.")] = None,
    mesh: MeshOption = None,
    store: StoreOption = None,
    ca: CaOption = None,
    token: TokenOption = None,
) -> None:
    """Runs a study file: numbers, figures and one report. What its folder holds already is not computed again."""
    from babelscope.report import write_report

    chosen = tuple(part.strip() for part in languages.split(",") if part.strip())
    design = load_study(file, Overrides(model=model, languages=chosen, sentences=sentences or 0))
    folder = out or Path("out") / design.name
    command = _command(file, model=model, languages=languages, sentences=str(sentences or ""))
    where = "local" if mesh is None else "a running mesh"
    with open_mesh(mesh, ("encoder", "metrics"), store=store, ca=ca, token=token) as opened:
        result = run_study(design, opened, folder, force=force, command=command, where=where, watcher=_Watcher())
    page = write_report(result, folder)
    for use in result.models:
        typer.echo(f"model: {use.used}" + (f" (stands in for {use.asked}: {use.reason})" if use.reason else ""))
    typer.echo(f"report: {page}")


def report(folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a study's results.")]) -> None:
    """Makes the report and the figures of a study anew, from its results.json alone."""
    from babelscope.report import write_report

    typer.echo(f"report: {write_report(StudyResult.read(folder / RESULTS), folder)}")


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
