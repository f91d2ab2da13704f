"""`babelscope list`, against servers that compute nothing."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from babelscope.cli import run
from babelscope.transport.channel import ClientConfig

from tests.support.fake_datagen import FakeDatagen
from tests.support.fake_metrics import FakeMetrics


@pytest.fixture
def mesh(serve: Callable[[Any], ClientConfig], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.delenv("BABELSCOPE_TOKEN", raising=False)
    return ["--mesh", f"metrics={serve(FakeMetrics()).address},datagen={serve(FakeDatagen()).address}"]


def rows(text: str, delimiter: str = "\t") -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text), delimiter=delimiter))


def test_all_pages_of_a_list_are_shown(mesh: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["list", "measures", *mesh]) == 0
    listed = rows(capsys.readouterr().out)
    assert [each["name"] for each in listed] == ["measure_0", "measure_1", "measure_2"]
    assert listed[0] == {
        "name": "measure_0", "estimators": "plain, other", "summary": "Measures.", "options": "depth=2, way=(required)"
    }  # fmt: skip


@pytest.mark.parametrize("kind", ["methods", "scores", "transforms"])
def test_every_kind_has_names(mesh: list[str], kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["list", kind, *mesh]) == 0
    assert [each["name"] for each in rows(capsys.readouterr().out)] == [f"{kind[:-1]}_{page}" for page in range(3)]


def test_the_options_of_one(mesh: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["list", "measures", "measure_1", *mesh]) == 0
    assert rows(capsys.readouterr().out) == [
        {"option": "depth", "type": "whole number", "default": "2", "choices": "", "summary": "A depth."},
        {"option": "way", "type": "text", "default": "(required)", "choices": "in, out", "summary": "A way."},
    ]


def test_json_has_everything(mesh: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["list", "measures", "--json", "--output", str(tmp_path / "list.csv"), *mesh]) == 0
    first = json.loads(capsys.readouterr().out)[0]
    assert first["options"][1] == {
        "name": "way", "summary": "A way.", "default": "", "required": True, "type": "text", "choices": ["in", "out"]
    }  # fmt: skip
    assert [each["name"] for each in rows((tmp_path / "list.csv").read_text(), ",")][-1] == "measure_2"
    assert run(["list", "measures", "--output", str(tmp_path / "list.json"), *mesh]) == 0
    assert json.loads((tmp_path / "list.json").read_text())[0] == first


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["list", "colours"], "Expected one of measures, methods, scores, tasks, transforms, but got 'colours'"),
        (["list", "scores", "bleu"], "one of the scores, score_0, score_1, score_2, but got 'bleu'"),
    ],
)
def test_wrong_usage(mesh: list[str], arguments: list[str], problem: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*arguments, *mesh]) == 2
    assert problem in capsys.readouterr().err


@pytest.mark.parametrize(("command", "kind"), [
    ("compare", "measures"), ("merge", "measures"), ("fit-map", "methods"), ("score", "scores"),
    ("generate", "transforms"),
])  # fmt: skip
def test_help_says_where_to_ask(
    command: str, kind: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    assert run([command, "--help"]) == 0
    assert f"babelscope list {kind}" in capsys.readouterr().out


def test_a_mesh_without_the_server_is_told_in_one_line(mesh: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["list", "tasks", *mesh]) == 1
    assert capsys.readouterr().err == (
        "babelscope: Expected a mesh with trainer, but its address names none: add trainer=HOST:PORT\n"
    )
