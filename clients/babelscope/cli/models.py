"""`babelscope models list|show|load|unload`: the models of the encoder."""

from typing import Annotated

import typer

from babelscope.cli.console import note
from babelscope.cli.options import MeshOptions, with_options
from babelscope.cli.output import print_table
from babelscope.data.models import ModelInfo

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Name of the model: a hub id, or that of a folder.")]
_COLUMNS = ("name", "family", "engine", "state", "layers", "width", "parameters", "digest", "reason")


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    group = typer.Typer(no_args_is_help=True, help="Models of the encoder.")
    group.command("list")(list_)
    group.command("show")(show)
    group.command("load")(load)
    group.command("unload")(unload)
    app.add_typer(group, name="models")


@with_options
def list_(mesh: MeshOptions) -> None:
    """All models that the encoder knows, those that it refuses with the reason."""
    with mesh.open("encoder") as opened:
        _print(opened.encoder.list_models())


@with_options
def show(name: NameArgument, *, mesh: MeshOptions) -> None:
    """One model, which is loaded if need be."""
    with mesh.open("encoder") as opened:
        _print([opened.encoder.get_model(name)])


@with_options
def load(
    name: NameArgument,
    *,
    pin: Annotated[bool, typer.Option("--pin", help="Keep the model in memory until it is unloaded.")] = False,
    mesh: MeshOptions,
) -> None:
    """Loads a model into the encoder's memory. With several encoders behind one address, one of them loads it."""
    with mesh.open("encoder") as opened:
        _print([opened.encoder.load_model(name, pin=pin)])


@with_options
def unload(name: NameArgument, *, mesh: MeshOptions) -> None:
    """Drops a model from the encoder's memory, with its re-initialised variants; its files stay."""
    with mesh.open("encoder") as opened:
        done = opened.encoder.unload_model(name)
    note(f"{done.dropped} dropped, {done.in_use} in use and dropped afterwards")


def _print(models: list[ModelInfo]) -> None:
    print_table([_row(model) for model in models], _COLUMNS)


def _row(model: ModelInfo) -> dict[str, object]:
    """A model in a line; what is not known until it is loaded stays empty."""
    return {
        "name": model.name,
        "family": model.family,
        "engine": "" if model.engine == "unspecified" else model.engine,
        "state": model.state,
        "layers": model.layers or "",
        "width": model.hidden_size or "",
        "parameters": model.parameters or "",
        "digest": model.digest[:12],
        "reason": model.reason,
    }
