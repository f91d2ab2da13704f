"""`babelscope models list|show|load|unload|extend`: the models of the encoder, and new words in them."""

from pathlib import Path
from typing import Annotated, Final

import typer

from babelscope.cli.console import note
from babelscope.cli.options import MeshOptions, with_options
from babelscope.cli.output import ResultOptions, print_table
from babelscope.cli.train import DetachOption, check_lasting, follow
from babelscope.corpora import read_word_vectors
from babelscope.corpora.word_vectors import to_examples
from babelscope.data.models import ModelInfo
from babelscope.sync.mesh import Mesh

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Name of the model: a hub id, or that of a folder.")]
EXTENDING: Final = ("metrics", "datagen", "trainer")
_COLUMNS = ("name", "family", "engine", "state", "layers", "width", "parameters", "digest", "reason")


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    group = typer.Typer(no_args_is_help=True, help="Models of the encoder.")
    group.command("list")(list_)
    group.command("show")(show)
    group.command("load")(load)
    group.command("unload")(unload)
    group.command("extend")(extend)
    app.add_typer(group, name="models")


@with_options
def list_(mesh: MeshOptions) -> None:
    """All models that the encoder knows, those that it refuses with the reason."""
    with mesh.open("encoder") as opened:
        _print(opened.encoder.list_models())


@with_options
def show(name: NameArgument, *, mesh: MeshOptions) -> None:
    """One model, which is loaded if need be."""
    with mesh.open("encoder", models=[name]) as opened:
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


@with_options
def extend(
    name: NameArgument,
    *,
    vectors: Annotated[
        Path, typer.Option("--vectors", metavar="FILE", help="Vectors of words: a .vec file as fastText writes it.")
    ],
    language: Annotated[str, typer.Option("--language", help="BCP 47 tag of the words.")] = "",
    limit: Annotated[int, typer.Option("--limit", min=0, help="Words that are read; all if 0.")] = 50_000,
    map_: Annotated[
        str, typer.Option("--map", metavar="MAP", help="Map to the width of the model's embeddings: maps/ID.")
    ] = "",
    anchors: Annotated[
        Path | None,
        typer.Option(
            "--anchors",
            metavar="FILE",
            help="Vectors of the model's own language in the same space, from which such a map is fitted.",
        ),
    ] = None,
    detach: DetachOption = False,
    results: ResultOptions,
    mesh: MeshOptions,
) -> None:
    """Appends words of another language to a model, with vectors that were learned elsewhere.

    The new model is kept in the store as `checkpoints/ID`, which the encoder serves and `train` starts from.
    """
    check_lasting(mesh, detach)
    with mesh.open(*EXTENDING, models=[name]) as opened:
        job = opened.trainer.extend_model(
            name,
            _put_vectors(opened, vectors, language, limit),
            map=map_,
            anchors=_put_vectors(opened, anchors, "", limit) if anchors else "",
        )
        follow(opened, job, detach, results)


def _put_vectors(mesh: Mesh, path: Path, language: str, limit: int) -> str:
    """Vectors of a file as a stored dataset."""
    return mesh.datagen.put_dataset(to_examples(read_word_vectors(path, limit=limit), language), title=path.name).name


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
