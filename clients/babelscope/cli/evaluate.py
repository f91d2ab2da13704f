"""`babelscope evaluate`: scores of a fine-tuned model on any language."""

from dataclasses import dataclass
from typing import Annotated, Any

import typer

from babelscope.cli.interventions import JobEditOptions
from babelscope.cli.options import FormatOption, MeshOptions, read_numbers, with_options
from babelscope.cli.output import ResultOptions
from babelscope.cli.train import (
    SERVICES,
    CheckpointArgument,
    DetachOption,
    EvalOption,
    MaxTokensOption,
    check_lasting,
    follow,
    put_sets,
)


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("evaluate")(evaluate)


@dataclass(frozen=True, slots=True)
class ChoiceOptions:
    """How the factor of a shift is chosen, and whose lower layers are used."""

    dev: Annotated[
        list[str] | None,
        typer.Option(
            "--dev",
            metavar="LANGUAGE=FILE",
            help="Development set of a language, on which one of --alphas is chosen. May be repeated.",
        ),
    ] = None
    alphas: Annotated[
        str | None,
        typer.Option(
            "--alphas",
            metavar="LIST",
            help="Factors of --shift, such as 0,0.5,1: the best on a language's --dev is used on its test sets.",
        ),
    ] = None
    lower: Annotated[
        str | None,
        typer.Option(
            "--lower",
            metavar="NAME",
            help="Model that takes the place of the embeddings and of the layers up to --lower-layer.",
        ),
    ] = None
    lower_layer: Annotated[
        int | None, typer.Option("--lower-layer", min=0, help="Highest layer taken from --lower.")
    ] = None

    def arguments(self) -> dict[str, Any]:
        """The arguments of the client's method, without the development sets."""
        alphas = () if self.alphas is None else read_numbers(self.alphas, "--alphas")
        if bool(self.dev) != bool(alphas):
            raise typer.BadParameter("Expected --dev and --alphas together, but got one without the other")
        if (self.lower is None) != (self.lower_layer is None):
            raise typer.BadParameter("Expected --lower and --lower-layer together, but got one without the other")
        return {"alphas": alphas, "lower": None if self.lower is None else (self.lower, self.lower_layer)}


@with_options
def evaluate(
    checkpoint: CheckpointArgument,
    *,
    test: EvalOption = None,
    choice: ChoiceOptions,
    max_tokens: MaxTokensOption = 0,
    edits: JobEditOptions,
    detach: DetachOption = False,
    format: FormatOption = None,  # noqa: A002
    results: ResultOptions,
    mesh: MeshOptions,
) -> None:
    """Scores a fine-tuned model on test sets of any language."""
    if not test:
        raise typer.BadParameter("Expected at least one --eval LANGUAGE=FILE, but got none")
    check_lasting(mesh, detach)
    chosen = choice.arguments()
    with mesh.open(*SERVICES) as opened:
        sets = put_sets(opened, test, "--eval", format)
        dev = put_sets(opened, choice.dev or (), "--dev", format)
        job = opened.trainer.evaluate(checkpoint, sets, dev=dev, max_tokens=max_tokens, **chosen, **edits.edits())
        follow(opened, job, detach, results)
