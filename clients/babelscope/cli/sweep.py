"""`babelscope sweep`: a grid of fine-tuning as one job, by options or by a file."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer

from babelscope.cli.options import FormatOption, MeshOptions, one_of, read_layers, read_named, with_options
from babelscope.cli.output import ResultOptions
from babelscope.cli.train import (
    SERVICES,
    DetachOption,
    EvalOption,
    MaxTokensOption,
    check_lasting,
    follow,
    read_sets,
)
from babelscope.study.jobs.grids import PAIRS, SweepGrid, TaskGrid, Where, enter_sweep, read_grid


@dataclass(frozen=True, slots=True)
class AxesOptions:
    """The axes of the grid besides its sources, and what all jobs share."""

    random_init: Annotated[
        list[str] | None,
        typer.Option(
            "--random-init",
            metavar="LIST",
            help="Layers drawn anew, such as 1-2, or `pairs` for all pairs of consecutive layers. May be repeated.",
        ),
    ] = None
    seed: Annotated[
        list[int] | None,
        typer.Option("--seed", help="Seed of training and draws; 0 if not given. May be repeated."),
    ] = None
    learning_rate: Annotated[
        list[float] | None,
        typer.Option("--learning-rate", help="Peak learning rate of the encoder; 5e-5 if not given. May be repeated."),
    ] = None
    step_tokens: Annotated[
        list[int] | None,
        typer.Option("--step-tokens", help="Tokens of an optimiser step; 1024 if not given. May be repeated."),
    ] = None
    option: Annotated[
        list[str] | None, typer.Option("--option", metavar="NAME=VALUE", help="Option of the task. May be repeated.")
    ] = None
    freeze: Annotated[int, typer.Option("--freeze", min=0, help="Number of layers frozen from the first on.")] = 0
    head_learning_rate: Annotated[
        float | None,
        typer.Option("--head-learning-rate", help="Peak learning rate of the head; ten times the encoder's."),
    ] = None
    epochs: Annotated[float, typer.Option("--epochs", help="Passes over the training examples.")] = 3.0
    dtype: Annotated[
        str,
        typer.Option("--dtype", callback=one_of("float32", "bfloat16"), help="Arithmetic: float32 or bfloat16."),
    ] = "float32"
    max_tokens: MaxTokensOption = 0

    def groups(self) -> dict[str, tuple[int, ...]] | None:
        """Layers drawn anew by label; None for all pairs of consecutive layers."""
        given = self.random_init or []
        if PAIRS in given:
            if len(given) > 1:
                raise typer.BadParameter("Expected --random-init pairs alone, but got others beside it")
            return None
        return {label: read_layers(label) or () for label in given}

    def grid(self, task: TaskGrid) -> SweepGrid:
        """The grid over a task."""
        shared = {
            "freeze_layers": self.freeze,
            "head_learning_rate": self.head_learning_rate,
            "epochs": self.epochs,
            "dtype": self.dtype,
            "max_tokens": self.max_tokens,
        }
        return SweepGrid(
            tasks=(replace(task, options=read_named(self.option or [], "--option")),),
            groups=self.groups(),
            seeds=tuple(self.seed or [0]),
            learning_rates=tuple(self.learning_rate or ()),
            step_tokens=tuple(self.step_tokens or ()),
            settings={name: value for name, value in shared.items() if value is not None},
        )


@dataclass(frozen=True, slots=True)
class TaskOptions:
    """The one task of a grid that options make."""

    task: Annotated[str, typer.Option("--task", help="Task: pos, ner, parsing, nli or qa.")] = ""
    train: Annotated[
        list[str] | None,
        typer.Option(
            "--train",
            metavar="LANGUAGE=FILE",
            help="Training set of a source, which has jobs of its own. May be repeated.",
        ),
    ] = None
    dev: Annotated[
        list[str] | None,
        typer.Option("--dev", metavar="LANGUAGE=FILE", help="Development set of a source. May be repeated."),
    ] = None
    test: EvalOption = None
    format: FormatOption = None

    def read(self) -> TaskGrid:
        """The task with its sets."""
        if not self.task or not self.train:
            raise typer.BadParameter("Expected --task and at least one --train LANGUAGE=FILE, or --grid FILE")
        held, train = _by_place(self.dev, "--dev"), _by_place(self.train, "--train")
        for language in held:
            if language not in train:
                raise typer.BadParameter(f"Expected --dev of a language that --train has, but got {language!r}")
        sources = {language: (where, held.get(language)) for language, where in train.items()}
        return TaskGrid(self.task, sources, _by_place(self.test, "--eval"), format=self.format)


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("sweep")(sweep)


@with_options
def sweep(
    *,
    grid: Annotated[
        Path | None,
        typer.Option("--grid", metavar="FILE", help="Grid as a YAML file, in place of the options that make one."),
    ] = None,
    model: Annotated[
        str, typer.Option("--model", metavar="NAME", help="Model to start from; that of the file if not given.")
    ] = "",
    task: TaskOptions,
    axes: AxesOptions,
    detach: DetachOption = False,
    results: ResultOptions,
    mesh: MeshOptions,
) -> None:
    """Fine-tunes a model over a grid of layers drawn anew, sources, seeds and hyper-parameters, as one job.

    The setting of the hyper-parameters is the best on the source's development set; figures are means over the seeds,
    with their differences to the model as it is.
    """
    check_lasting(mesh, detach)
    if grid is not None:
        if task.task or task.train:
            raise typer.BadParameter("Expected either --grid or --task and --train, but got both")
        named, wanted = read_grid(grid)
        model = model or named
    else:
        wanted = axes.grid(task.read())
    if not model:
        raise typer.BadParameter("Expected --model, but got none")
    services = ("encoder", *SERVICES) if wanted.groups is None else SERVICES
    with mesh.open(*services, models=[model]) as opened:
        follow(opened, enter_sweep(wanted, model, opened), detach, results)


def _by_place(given: list[str] | None, option: str) -> dict[str, Where]:
    found: dict[str, Where] = {}
    for place, where in read_sets(given or (), option):
        if place in found:
            raise typer.BadParameter(f"Expected {option} once for each language, but got {place!r} twice")
        found[place] = where
    return found
