"""`babelscope list`: the measures, map methods, scores, transforms and tasks that servers offer, with their options."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from babelscope.cli.options import MeshOptions, one_of, with_options
from babelscope.cli.output import file, print_table, write_rows
from babelscope.data.atomic import write_atomically
from babelscope.data.capabilities import Capability, OptionInfo
from babelscope.sync.mesh import Mesh
from babelscope.transport.services import DATAGEN, METRICS, TRAINER, Service

_KINDS: Final[Mapping[str, tuple[Service, Callable[[Mesh], Sequence[Capability]]]]] = {
    "measures": (METRICS, lambda mesh: mesh.metrics.list_measures()),
    "methods": (METRICS, lambda mesh: mesh.metrics.list_map_methods()),
    "scores": (METRICS, lambda mesh: mesh.metrics.list_scores()),
    "tasks": (TRAINER, lambda mesh: mesh.trainer.list_tasks()),
    "transforms": (DATAGEN, lambda mesh: mesh.datagen.list_transforms()),
}
_COLUMNS: Final = ("name", "summary", "options")
_OPTION_COLUMNS: Final = ("option", "type", "default", "choices", "summary")


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("list")(list_names)


@with_options
def list_names(
    kind: Annotated[
        str,
        typer.Argument(
            metavar="KIND",
            callback=one_of(*_KINDS),
            help="What to list: measures (of similarity), methods (of fitting maps), scores, tasks or transforms.",
        ),
    ],
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", help="Name of the one whose options are listed; all names if not given."),
    ] = None,
    *,
    output: Annotated[Path | None, file("the list", ".csv", ".json")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the list as JSON, with all options.")] = False,
    mesh: MeshOptions,
) -> None:
    """What the servers offer by name: measures, map methods, scores, tasks or transforms, each with its options."""
    service, ask = _KINDS[kind]
    with mesh.open(service.name) as opened:
        found = ask(opened)
    if name is not None:
        found = [each for each in found if each.name == name] or _refuse(kind, name, found)
    columns: Sequence[str] = _COLUMNS if name is None else _OPTION_COLUMNS
    if name is None and kind == "measures":
        columns = ("name", "estimators", *_COLUMNS[1:])
    rows = [_row(each) for each in found] if name is None else [_option_row(each) for each in found[0].options]
    record = json.dumps([asdict(each) for each in found], ensure_ascii=False, indent=1)
    if output is not None and output.suffix.lower() == ".json":
        write_atomically(output, f"{record}\n")
    elif output is not None:
        write_rows(rows, columns, output)
    if as_json:
        typer.echo(record)
    elif output is None:
        print_table(rows, columns)


def _refuse(kind: str, name: str, found: Sequence[Capability]) -> Sequence[Capability]:
    known = ", ".join(each.name for each in found)
    raise typer.BadParameter(f"Expected the name of one of the {kind}, {known}, but got {name!r}")


def _row(info: Capability) -> dict[str, Any]:
    """A name in a line."""
    return {
        "name": info.name,
        "estimators": ", ".join(getattr(info, "estimators", ())),
        "summary": info.summary,
        "options": ", ".join(f"{each.name}={_default(each)}" for each in info.options),
    }


def _option_row(option: OptionInfo) -> dict[str, Any]:
    """An option in a line."""
    return {
        "option": option.name,
        "type": option.type,
        "default": _default(option),
        "choices": ", ".join(option.choices),
        "summary": option.summary,
    }


def _default(option: OptionInfo) -> str:
    return "(required)" if option.required else option.default
