"""`babelscope status` and `babelscope models`: what is there."""

from typing import Annotated

import typer

from babelscope.cli.options import CaOption, MeshOption, MeshOptions, TokenOption, open_mesh, with_options
from babelscope.cli.output import print_table
from babelscope.data.models import ModelInfo


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command("status")(status)
    app.command("models")(models)


def status(mesh: MeshOption = None, ca: CaOption = None, token: TokenOption = None) -> None:
    """How each server of a running mesh is; exit code 1 if one does not serve. With no --mesh: this machine's ports."""
    with open_mesh(mesh or "127.0.0.1", (), ca=ca, token=token) as opened:
        services = opened.status()
        rows = [{"service": each.name, "address": each.address, "state": each.state} for each in services]
        print_table(rows, ("service", "address", "state"))
        if not all(each.serving for each in services):
            raise typer.Exit(1)


@with_options
def models(
    name: Annotated[
        str | None,
        typer.Argument(
            help="Name of one model, which is loaded if need be; all if not given.",
        ),
    ] = None,
    *,
    mesh: MeshOptions,
) -> None:
    """The models that the encoder knows."""
    with mesh.open("encoder") as opened:
        found = opened.encoder.list_models() if name is None else [opened.encoder.get_model(name)]
        columns = ("name", "family", "state", "layers", "width", "parameters", "digest", "reason")
        print_table([_row(model) for model in found], columns)


def _row(model: ModelInfo) -> dict[str, object]:
    """A model in a line; what is not known until it is loaded stays empty."""
    return {
        "name": model.name,
        "family": model.family,
        "state": model.state,
        "layers": model.layers or "",
        "width": model.hidden_size or "",
        "parameters": model.parameters or "",
        "digest": model.digest[:12],
        "reason": model.reason,
    }
