"""Options that commands share, in bundles: a command takes a bundle as one argument and shows each of its options."""

import functools
import inspect
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import MISSING, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from babelscope.cli.console import note
from babelscope.data.models import Model, parse_layers
from babelscope.local.mesh import local
from babelscope.sync.mesh import Mesh, connect
from babelscope.transport.channel import TLS


def with_options(command: Callable[..., None]) -> Callable[..., None]:
    """A command whose bundles of options are options of its own.

    A parameter whose type is a dataclass stands for the dataclass's fields: the command line shows them in the place
    of the parameter, with their annotations and defaults, and the command gets them as one object.
    """
    hints = get_type_hints(command, include_extras=True)
    bundles: dict[str, type[Any]] = {}
    shown: list[inspect.Parameter] = []
    for name, parameter in inspect.signature(command).parameters.items():
        hint = hints[name]
        if isinstance(hint, type) and is_dataclass(hint):
            bundles[name] = hint
            shown += _parameters(hint)
        else:
            shown.append(parameter.replace(annotation=hint))

    @functools.wraps(command)
    def run(**values: Any) -> None:
        for name, bundle in bundles.items():
            values[name] = bundle(**{each.name: values.pop(each.name) for each in fields(bundle)})
        command(**values)

    keyword = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in shown]
    run.__signature__ = inspect.Signature(keyword)  # type: ignore[attr-defined]
    run.__annotations__ = {each.name: each.annotation for each in shown}
    return run


def _parameters(bundle: type[Any]) -> list[inspect.Parameter]:
    """A parameter for each field of a bundle."""
    hints = get_type_hints(bundle, include_extras=True)
    return [
        inspect.Parameter(
            each.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if each.default is MISSING else each.default,
            annotation=hints[each.name],
        )
        for each in fields(bundle)
    ]


def check_idle(context: typer.Context, bundle: type[Any], reason: str) -> None:
    """Refuses options that are given and would change nothing.

    Args:
        context: Of the running command.
        bundle: The dataclass whose fields are the options.
        reason: Where they would change nothing, such as `with --model`.

    Raises:
        typer.BadParameter: One of them is given, be it with its default value.
    """
    names = {each.name: each.opts[0] for each in context.command.params}
    for each in fields(bundle):
        source = context.get_parameter_source(each.name)
        if source is not None and source.name != "DEFAULT":
            raise typer.BadParameter(f"Expected no {names[each.name]} {reason}")


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
        help="Address of a running mesh: HOST, or encoder=HOST:PORT,metrics=HOST:PORT. With none, servers are started "
        "on this machine and stopped at the end.",
    ),
]
StoreOption = Annotated[
    str | None,
    typer.Option("--store", metavar="URL", help="Store of the servers started here; a temporary folder if not given."),
]
CaOption = Annotated[
    Path | None,
    typer.Option("--ca", metavar="FILE", help="PEM file of the certificate authority to trust; turns TLS on."),
]
TokenOption = Annotated[
    str | None,
    typer.Option("--token", envvar="BABELSCOPE_TOKEN", help="Bearer token for the mesh.", show_envvar=True),
]
ModelOption = Annotated[
    str,
    typer.Option("--model", metavar="NAME", help="Model: a hub id, a folder, or an alias."),
]
ModelOrNoneOption = Annotated[
    str | None,
    typer.Option(
        "--model",
        metavar="NAME",
        help="Model that encodes texts: a hub id, a folder, or an alias.",
    ),
]
FormatOption = Annotated[
    str | None,
    typer.Option(
        "--format",
        help="Format of the corpus: lines, tsv, conllu, iob2, conll2003, squad, xnli, tatoeba, hub; found from the "
        "file if not given.",
    ),
]
RevisionOption = Annotated[str, typer.Option("--revision", help="Revision of the model on the hub.")]
OverflowOption = Annotated[
    str,
    typer.Option(
        "--overflow",
        callback=one_of("refuse", "truncate"),
        help="Treatment of texts longer than the model takes: refuse or truncate.",
    ),
]
ComputeTypeOption = Annotated[
    str,
    typer.Option(
        "--compute-dtype",
        callback=one_of("float32", "bfloat16"),
        help="Number format of the model's arithmetic: float32 or bfloat16.",
    ),
]
BackendOption = Annotated[
    str,
    typer.Option(
        "--backend",
        callback=one_of("torch", "onnx"),
        help="What computes the model: torch, or onnx (ONNX Runtime, by a graph exported at the first request).",
    ),
]
LanguageOption = Annotated[str, typer.Option("--language", help="BCP 47 tag of the texts.")]


@dataclass(frozen=True, slots=True)
class MeshOptions:
    """The mesh that a command works with."""

    mesh: MeshOption = None
    store: StoreOption = None
    ca: CaOption = None
    token: TokenOption = None

    @property
    def lasting(self) -> bool:
        """Whether what is put into the store is still there after the command."""
        return self.mesh is not None or self.store is not None

    @contextmanager
    def open(
        self,
        *services: str,
        env: Mapping[str, str] | None = None,
        store: Path | None = None,
        models: Sequence[str | None] = (),
    ) -> Iterator[Mesh]:
        """The mesh at the address, or one started here for the time of the command.

        Args:
            services: Services to start where there is no address.
            env: Further environment variables of servers started here.
            store: Store of servers started here where the options name none.
            models: Models that the command names; servers started here serve those that are folders.
        """
        folders = model_folders(models, served=self.mesh is None)
        if self.mesh is None and self.store is None and store is not None:
            given: str | None = str(store)
        else:
            given = self.store
        with open_mesh(self.mesh, services, store=given, ca=self.ca, token=self.token, env=env, models=folders) as mesh:
            yield mesh


def model_folders(names: Sequence[str | None], *, served: bool) -> dict[str, Path]:
    """The models that are folders on this machine, by their names.

    Args:
        names: What was given as models.
        served: Whether the command starts servers, which can read the folders.

    Raises:
        BadParameter: A path without a model, or one for servers that were started elsewhere.
    """
    found = {}
    for name in filter(None, names):
        folder, is_path = Path(name).expanduser(), name.startswith((".", "/", "~"))
        if is_path and not served:
            raise typer.BadParameter(
                f"Expected --model to be a name that the mesh knows, but got the path {name!r}: its servers find "
                "folders by BABELSCOPE_MODEL_ROOTS and BABELSCOPE_MODEL_ALIASES"
            )
        if served and (folder / "config.json").is_file():
            found[name] = folder
        elif is_path:
            problem = f"it has no {folder / 'config.json'}" if folder.is_dir() else "there is no such folder"
            raise typer.BadParameter(
                f"Expected --model to be a hub id, an alias or the folder of a model, but got {name!r}: {problem}"
            )
    return found


@dataclass(frozen=True, slots=True)
class EncodeOptions:
    """How texts are encoded, by a model as it is."""

    layers: Annotated[
        str | None,
        typer.Option(
            "--layers",
            metavar="LIST",
            help="Layers, such as 0-6,12, where 0 is the embedding output; all if not given.",
        ),
    ] = None
    pooling: Annotated[
        str,
        typer.Option(
            "--pooling",
            callback=one_of("mean", "cls", "word_first", "word_mean", "span"),
            help="Pooling of hidden states: mean or cls (a row for each text); word_first or word_mean (a row for each "
            "word of a sentence in words); span (a row for the first answer of each question, in its context).",
        ),
    ] = "mean"
    revision: RevisionOption = ""
    overflow: OverflowOption = "refuse"
    compute_dtype: Annotated[
        str,
        typer.Option(
            "--compute-dtype",
            callback=one_of("float32", "bfloat16", "int8"),
            help="Number format of the model's arithmetic: float32; bfloat16 by torch; int8 by onnx.",
        ),
    ] = "float32"
    backend: BackendOption = "torch"

    def model(self, name: str) -> Model:
        """The model of that name at the revision."""
        return Model(name, self.revision)

    def settings(self, model: str | None) -> dict[str, Any]:
        """The arguments of an encode request, as the client's methods name them."""
        return {
            "model": None if model is None else self.model(model),
            "layers": read_layers(self.layers),
            "pooling": self.pooling,
            "overflow": self.overflow,
            "compute_dtype": self.compute_dtype,
            "backend": self.backend,
        }


@dataclass(frozen=True, slots=True)
class ReinitOptions(EncodeOptions):
    """How texts are encoded, where layers of the model may be re-initialised."""

    random_init: Annotated[
        str | None,
        typer.Option("--random-init", metavar="LIST", help="Layers to re-initialise, such as 1-2 or embeddings,1-2."),
    ] = None
    seed: Annotated[int, typer.Option("--seed", help="Seed of the re-initialisation.")] = 0

    def model(self, name: str) -> Model:
        """The model of that name at the revision, re-initialised."""
        return read_model(name, self.revision, self.random_init, self.seed)


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
    models: Mapping[str, Path] | None = None,
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
        with local(services, store=store, model_aliases=models, env=env) as started:
            yield started


def read_numbers(text: str, option: str) -> tuple[float, ...]:
    """The numbers of a list such as `1,2,3`, each once."""
    with usage():
        try:
            found = tuple(float(part) for part in text.split(","))
        except ValueError:
            raise ValueError(f"Expected numbers such as 1,2,3 in {option}, but got {text!r}") from None
        if any(not math.isfinite(each) for each in found):
            raise ValueError(f"Expected finite numbers in {option}, but got {text!r}")
    return tuple(dict.fromkeys(found))
