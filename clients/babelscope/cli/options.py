"""Options that commands share, and what they are read as."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from babelscope.cli.console import note
from babelscope.data.models import Model, parse_layers
from babelscope.local.mesh import local
from babelscope.sync.mesh import Mesh, connect
from babelscope.transport.channel import TLS


def one_of(*allowed: str) -> Callable[[str], str]:
    """Checks that an option has one of some values."""

    def check(value: str) -> str:
        if value not in allowed:
            raise typer.BadParameter(f"Expected one of {', '.join(allowed)}, but got {value!r}")
        return value

    return check


MeshOption = Annotated[
    str | None,
    typer.Option(
        "--mesh",
        envvar="BABELSCOPE_MESH",
        metavar="ADDRESS",
        help="A running mesh: HOST, or encoder=HOST:PORT,metrics=HOST:PORT. With none, servers are started on this "
        "machine and stopped at the end.",
    ),
]
StoreOption = Annotated[
    str | None,
    typer.Option("--store", metavar="URL", help="The store of servers started here; a temporary folder with none."),
]
CaOption = Annotated[
    Path | None, typer.Option("--ca", metavar="FILE", help="PEM file of the authority to trust: the mesh speaks TLS.")
]
TokenOption = Annotated[
    str | None,
    typer.Option("--token", envvar="BABELSCOPE_TOKEN", help="Bearer token that the mesh asks for.", show_envvar=True),
]
ModelOption = Annotated[
    str, typer.Option("--model", metavar="NAME", help="A hub id, a folder under the encoder's roots, or an alias.")
]
RevisionOption = Annotated[str, typer.Option("--revision", help="A revision on the hub.")]
LayersOption = Annotated[
    str | None, typer.Option("--layers", metavar="LIST", help="Hidden states, as 0-6,12; all with none.")
]
RandomInitOption = Annotated[
    str | None,
    typer.Option("--random-init", metavar="LIST", help="Blocks to draw anew, as 1-2; `embeddings` may be among them."),
]
SeedOption = Annotated[int, typer.Option("--seed", help="Seed of the draw.")]
OverflowOption = Annotated[
    str,
    typer.Option("--overflow", callback=one_of("refuse", "truncate"), help="Over-long texts: refuse or truncate."),
]
FormatOption = Annotated[
    str | None,
    typer.Option("--format", help="lines, tsv, conllu, iob2, squad, xnli, tatoeba, hub; told from the file."),
]
DtypeOption = Annotated[
    str,
    typer.Option(
        "--compute-dtype", callback=one_of("float32", "bfloat16"), help="Arithmetic of the model: float32 or bfloat16."
    ),
]


@contextmanager
def usage() -> Iterator[None]:
    """Turns an option that cannot be read into an error of usage."""
    try:
        yield
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def read_layers(text: str | None) -> tuple[int, ...] | None:
    """Layers as 0-6,12; None for all."""
    with usage():
        return None if text is None else parse_layers(text)


def read_model(name: str, revision: str, random_init: str | None, seed: int) -> Model:
    """The model that the options name."""
    model = Model(name, revision)
    if random_init is None:
        return model
    parts = [part.strip() for part in random_init.split(",")]
    blocks = [part for part in parts if part != "embeddings"]
    with usage():
        layers = parse_layers(",".join(blocks)) if blocks else ()
    return model.reinit_layers(layers, seed, embeddings="embeddings" in parts)


def read_named(values: Sequence[str], option: str) -> dict[str, str]:
    """Repeated NAME=VALUE options, in order."""
    found: dict[str, str] = {}
    for value in values:
        name, equals, rest = value.partition("=")
        if not (name and equals and rest):
            raise typer.BadParameter(f"Expected {option} NAME=VALUE, but got {value!r}")
        if name in found:
            raise typer.BadParameter(f"Expected {option} once for each name, but got {name!r} twice")
        found[name] = rest
    return found


@contextmanager
def open_mesh(
    address: str | None,
    services: Sequence[str],
    *,
    store: str | None = None,
    ca: Path | None = None,
    token: str | None = None,
    env: Mapping[str, str] | None = None,
) -> Iterator[Mesh]:
    """The mesh at an address, or one started here for the time of the command."""
    if address is not None:
        if store is not None:
            raise typer.BadParameter("Expected `--store` only where servers are started here, but got `--mesh` as well")
        with usage():
            mesh = connect(address, tls=None if ca is None else TLS(root=ca), token=token)
        with mesh:
            yield mesh
    else:
        note(f"Starting on this machine: {', '.join(services)}")
        with local(services, store=store, env=env) as started:
            yield started
