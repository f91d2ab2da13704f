"""`--out` is a folder and `--output` a file, for every command that has them."""

from collections.abc import Iterator
from typing import Any, Final

import pytest
import typer
from babelscope.cli import build, run

MESH: Final = ["--mesh", "--store", "--ca", "--token"]
NUMBERS: Final = ("compare", "retrieve", "merge", "project", "score", "correlate", "anova", "compare-systems", "encode",
                  "prepare anchors")  # fmt: skip


def _commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _commands(command, (*path, name))
        else:
            yield " ".join((*path, name)), command


COMMANDS: Final[dict[str, Any]] = dict(_commands(typer.main.get_command(build())))


def _required(command: Any) -> list[str]:
    """Something for each argument and option that must be given, but for `--out` and `--output`."""
    given = []
    for each in command.params:
        if each.required and each.name not in {"out", "output"}:
            value = {"size": "1", "kind": "glove"}.get(each.name, "x")
            given += [value] if each.param_type_name == "argument" else [each.opts[0], value]
    return given


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("ending", ["csv", "json", "npz"])
def test_out_is_a_folder_and_output_a_file(name: str, ending: str, capsys: pytest.CaptureFixture[str]) -> None:
    command = COMMANDS[name]
    options = {option: each for each in command.params for option in each.opts}
    assert [options[each].metavar for each in ("--out", "--output") if each in options] == [
        kind for each, kind in (("--out", "DIR"), ("--output", "FILE")) if each in options
    ]
    if name in NUMBERS:
        assert {"--out", "--output"} <= options.keys()
    if "--out" in options:
        assert run([*name.split(), *_required(command), "--out", f"results.{ending}"]) == 2
        said = capsys.readouterr().err
        assert f"Expected the name of a folder, but got the file results.{ending}" in said
        assert "--output" in said


@pytest.mark.parametrize("name", COMMANDS)
def test_options_of_the_mesh_are_the_same_everywhere(name: str) -> None:
    found = [each for each in COMMANDS[name].params if each.opts[0] in MESH]
    if name in {"up", "status", "report", "store usage", "store prune"}:  # no mesh, or a store that is its subject
        return
    assert [each.opts[0] for each in found] == MESH
    model = {each.name: each.help for each in COMMANDS["compare"].params}
    assert [each.help for each in found] == [model[each.name] for each in found]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_described(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*name.split(), "--help"]) == 0
    shown = capsys.readouterr().out
    for each in COMMANDS[name].params:
        assert each.help, each.name
        assert each.param_type_name == "argument" or each.opts[0][:20] in shown
