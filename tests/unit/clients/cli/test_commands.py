"""The commands, against servers that compute nothing."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from babelscope.cli import run
from babelscope.cli.console import ProgressReport
from babelscope.cli.options import model_folders, read_model
from babelscope.data.activations import Progress
from babelscope.data.comparison import TIDY_COLUMNS
from babelscope.data.models import Model
from babelscope.transport.channel import ClientConfig

from tests.support.fake_encoder import FakeEncoder, vector
from tests.support.fake_metrics import FakeMetrics

Serve = Callable[[Any], ClientConfig]


@pytest.fixture(autouse=True)
def _no_mesh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BABELSCOPE_MESH", raising=False)
    monkeypatch.delenv("BABELSCOPE_TOKEN", raising=False)


@pytest.fixture
def mesh(serve: Serve) -> str:
    return f"encoder={serve(FakeEncoder()).address},metrics={serve(FakeMetrics()).address}"


@pytest.fixture
def corpora(tmp_path: Path) -> list[str]:
    sides = []
    for language in ("en", "fr"):
        path = tmp_path / f"{language}.txt"
        path.write_text("".join(f"{language} {i}\n" for i in range(5)), encoding="utf-8")
        sides += ["--parallel", f"{language}={path}"]
    return sides


def _rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text), delimiter="\t"))


def test_models(mesh: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["models", "list", "--mesh", mesh]) == 0
    assert [row["name"] for row in _rows(capsys.readouterr().out)] == ["model-0", "model-1", "model-2"]


def test_one_model(mesh: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["models", "show", "bert", "--mesh", mesh]) == 0
    assert _rows(capsys.readouterr().out)[0]["digest"] == "digest"


def test_encode_writes_arrays(mesh: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, output = tmp_path / "in.txt", tmp_path / "out.npz"
    source.write_text("one\ntwo\n", encoding="utf-8")
    options = ["--model", "m", "--input", str(source), "--output", str(output), "--layers", "0,2", "--mesh", mesh]
    assert run(["encode", *options]) == 0
    with np.load(output) as arrays:
        assert np.array_equal(arrays["activations"], np.stack([vector("one")[[0, 2]], vector("two")[[0, 2]]]))
        assert arrays["layers"].tolist() == [0, 2]
        assert len(arrays["ids"]) == 2
        assert arrays["offsets"].tolist() == [0, 1, 2]
        assert str(arrays["model_digest"]) == "digest"
    assert "2 texts, 6 tokens, 0 cut; layers [0, 2] of m" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.txt", "out.npz"]


def test_encode_reads_lines_of_standard_input(
    mesh: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("one\n\nthree\n"))
    output = tmp_path / "out.npz"
    assert run(["encode", "--model", "m", "--output", str(output), "--mesh", mesh]) == 0
    with np.load(output) as arrays:
        assert arrays["ids"].tolist() == ["1", "3"]


def test_compare_prints_a_table(mesh: str, corpora: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["compare", "--model", "m", *corpora, "--layers", "0-1", "--mesh", mesh]) == 0
    shown = capsys.readouterr()
    rows = _rows(shown.out)
    assert [(row["source"], row["target"], row["layer"], row["value"]) for row in rows] == [
        ("en", "fr", "0", "0.0"),
        ("en", "fr", "1", "0.1"),
    ]
    assert "en and fr: 5 ids used; 1 are only in en, 0 only in fr, such as s9" in shown.err
    assert shown.err.count("Beware: few rows") == 1


@pytest.mark.parametrize("command", ["compare", "retrieve"])
def test_results_are_written(mesh: str, corpora: list[str], tmp_path: Path, command: str) -> None:
    out = tmp_path / "deep" / "out"
    options = ["--model", "m", *corpora, "--layers", "3", "--random-init", "1-2", "--seed", "4"]
    assert run([command, *options, "--mesh", mesh, "--out", str(out)]) == 0
    with (out / "results.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == TIDY_COLUMNS
    assert (rows[0]["model"], rows[0]["reinit"], rows[0]["n"]) == ("m", "1-2@4", "5")
    assert rows[0]["kind"] == {"compare": "similarity", "retrieve": "retrieval"}[command]
    whole = json.loads((out / "results.json").read_text(encoding="utf-8"))
    assert whole["estimates"][0]["signature"] == "cka|fake"
    assert (whole["views"][0]["language"], whole["views"][0]["model_digest"]) == ("en", "digest")


def test_the_mesh_is_named_by_the_environment(
    mesh: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BABELSCOPE_MESH", mesh)
    assert run(["models", "list"]) == 0


def test_status_says_what_does_not_serve(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["status", "--mesh", "encoder=127.0.0.1:1"]) == 1
    assert _rows(capsys.readouterr().out) == [{"service": "encoder", "address": "127.0.0.1:1", "state": "unreachable"}]


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["frobnicate"], "No such command 'frobnicate'"),
        (["encode"], "Missing option '--model'"),
        (["encode", "--model", "m", "--output", "/no/such/x.npz"], "Expected --output in a folder that exists"),
        (["encode", "--model", "m", "--output", "x.npz", "--layers", "3-x"], "Expected layers such as 1-3,6"),
        (["encode", "--model", "m", "--output", "x.npz", "--pooling", "max"], "Expected one of mean, cls, token"),
        (["encode", "--model", "m", "--output", "x.npz", "--random-init", "emb"], "Expected layers such as 1-3,6"),
        (["models", "list", "--mesh", "host:1"], "Expected a mesh's address as HOST"),
        (["models", "list", "--mesh", "far", "--token", "t"], "Expected `tls` beside `token`"),
        (
            ["models", "list", "--mesh", "far", "--store", "here"],
            "Expected `--store` only where servers are started here",
        ),
        (["compare", "--model", "m", "--parallel", "en"], "Expected --parallel NAME=VALUE, but got 'en'"),
        (["compare", "--model", "m", "--parallel", "en=a", "--parallel", "en=b"], "got 'en' twice"),
        (["compare", "--model", "m", "--parallel", "en=a"], "Expected --parallel LANGUAGE=FILE at least twice"),
        (["up", "--service", "judge"], "Expected --service of encoder, metrics, datagen, trainer, but got 'judge'"),
        (["up", "--alias", "x"], "Expected --alias NAME=VALUE, but got 'x'"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(
    arguments: list[str], problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 2
    shown = capsys.readouterr()
    assert problem in shown.err
    assert shown.err.count("\n") == 1
    assert shown.err.startswith("babelscope: ")
    assert not shown.out


def test_without_a_command_the_help_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([]) == 2
    shown = capsys.readouterr()
    assert all(name in shown.out + shown.err for name in ("up", "status", "models", "encode", "compare", "retrieve"))


def test_work_that_fails_is_one_line_and_exit_code_1(
    serve: Serve, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    encoder = FakeEncoder(breaks=[0], code=grpc.StatusCode.INVALID_ARGUMENT)
    source = tmp_path / "in.txt"
    source.write_text("one\n", encoding="utf-8")
    options = ["--model", "m", "--input", str(source), "--output", str(tmp_path / "out.npz")]
    assert run(["encode", *options, "--mesh", f"encoder={serve(encoder).address}"]) == 1
    assert capsys.readouterr().err == "babelscope: told to break\n"
    assert not (tmp_path / "out.npz").exists()


def test_a_corpus_that_cannot_be_read_is_exit_code_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--input", str(tmp_path / "none.txt"), "--output", str(tmp_path / "x.npz"), "--mesh", "encoder=a:1"]
    assert run(["encode", "--model", "m", *options]) == 1
    shown = capsys.readouterr().err
    assert "none.txt" in shown
    assert shown.count("\n") == 1


def test_waiting_for_a_server_is_said(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    address = serve(FakeEncoder(unavailable=1)).address
    assert run(["models", "show", "bert", "--mesh", f"encoder={address}"]) == 0
    assert "loading; trying again in 0.1 s" in capsys.readouterr().err


def test_random_init_is_read() -> None:
    assert read_model("m", "r", None, 3) == Model("m", "r")
    assert read_model("m", "", "embeddings,1-2", 3) == Model("m").reinit_layers((1, 2), 3, embeddings=True)
    assert read_model("m", "", "embeddings", 0) == Model("m").reinit_layers((), 0, embeddings=True)


def test_progress_of_views_is_summed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("babelscope.cli.console._LINE_SECONDS", 0.0)
    with ProgressReport("Comparing") as report:
        report.update(Progress("encode", 10, 100, "en"))
        report.update(Progress("encode", 20, 100, "fr"))
        report.update(Progress("measure", 1, 3, "en fr"))
    assert capsys.readouterr().err.splitlines() == [
        "Comparing: encode 10 of 100 en",
        "Comparing: encode 30 of 200 fr",
        "Comparing: measure 1 of 3 en fr",
    ]


def test_models_that_are_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "tiny"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    named = ["./tiny", "tiny", str(folder), "hub/id", "alias", "", None]
    expected = {"./tiny": Path("tiny"), "tiny": Path("tiny"), str(folder): folder}
    assert model_folders(named, served=True) == expected
    assert model_folders(["hub/id", "tiny"], served=False) == {}


@pytest.mark.parametrize(
    ("name", "more", "problem"),
    [
        ("./nowhere", [], "the folder of a model, but got './nowhere': there is no such folder"),
        ("/", [], "but got '/': it has no /config.json"),
        ("./tiny", ["--mesh", "127.0.0.1:1"], "Expected --model to be a name that the mesh knows"),
    ],
)
def test_paths_of_no_model(
    name: str, more: list[str], problem: str, corpora: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["compare", *corpora, "--model", name, *more]) == 2
    assert problem in capsys.readouterr().err
