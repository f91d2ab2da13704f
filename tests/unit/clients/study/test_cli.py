"""`babelscope study` and `babelscope report`."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from babelscope.cli import run

Write = Callable[..., Path]


@pytest.fixture(autouse=True)
def _served(mesh, monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def opened(*arguments: object, **options: object) -> Iterator[object]:
        yield mesh

    monkeypatch.setattr("babelscope.cli.options.open_mesh", opened)
    monkeypatch.delenv("BABELSCOPE_MESH", raising=False)
    monkeypatch.delenv("BABELSCOPE_TOKEN", raising=False)


def test_a_study_says_which_model_it_used_and_where_its_report_is(
    study_file: Write, mesh, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = study_file()
    path.write_text(path.read_text().replace("[tiny]", "[{name: huge, fallback: tiny}]"))
    assert run(["study", str(path), "--out", str(tmp_path / "out"), "--token", "s3cret", "--sentences", "5"]) == 0
    said = capsys.readouterr()
    assert said.out.splitlines()[0].startswith("model: tiny (stands in for huge: ")
    assert said.out.splitlines()[1] == f"report: {tmp_path / 'out' / 'report.html'}"
    assert "[1/1] similarity of 3 language pairs, tiny" in said.err
    assert (tmp_path / "out" / "figures" / "tiny.similarity.svg").exists()
    results = (tmp_path / "out" / "results.json").read_text()
    assert "s3cret" not in results
    assert str(tmp_path) not in results
    assert "babelscope study study.yaml --sentences 5" in results
    assert str(tmp_path) not in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")

    # Found done; then the report alone, byte for byte the same.
    page = (tmp_path / "out" / "report.html").read_bytes()
    (tmp_path / "out" / "report.html").unlink()
    assert run(["report", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out" / "report.html").read_bytes() == page
    assert run(["study", str(path), "--out", str(tmp_path / "out"), "--sentences", "5"]) == 0
    assert mesh.asked == ["cka tiny"]
    assert "found done" in capsys.readouterr().err


def test_parts_of_a_study(study_file: Write, mesh, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mesh.models["other"] = "d7"
    monkeypatch.chdir(tmp_path)
    assert run(["study", str(study_file()), "--model", "other", "--languages", "en, zh"]) == 0
    assert mesh.asked == ["cka other"]
    assert (tmp_path / "out" / "small" / "report.html").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["study", "absent.yaml"], 1, "a readable file"),
        (["study", "study.yaml", "--languages", "en"], 1, "at least two languages"),
        (["study", "study.yaml", "--languages", "en,xx"], 1, "xx.txt: Expected a readable file"),
        (["study", "study.yaml", "--model", "nobody"], 1, "none called 'nobody'"),
        (["study", "study.yaml", "--sentences", "3"], 2, "--sentences"),
        (["report", "nowhere"], 1, "a study's results.json"),
    ],
)
def test_failures_are_one_line(
    *,
    study_file: Write,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    said: str,
) -> None:
    study_file()
    monkeypatch.chdir(tmp_path)
    assert run(arguments) == code
    lines = capsys.readouterr().err.strip().splitlines()
    assert said in lines[-1]
    assert lines[-1].startswith("babelscope: ")
