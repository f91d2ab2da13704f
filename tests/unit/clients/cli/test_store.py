"""`babelscope store`, over folders as servers fill them."""

import json
import os
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from babelscope.cli import run
from babelscope.cli.store import _of_trainer

from services.runtime.files.folders import fetch_folder, put_folder
from services.runtime.files.store import Store

DAYS = 86400


def _age(root: Path, days: float, *names: str) -> None:
    digests = {name.partition("/")[2].partition(".")[0] for name in names}
    for path in root.rglob("*"):
        if path.is_file() and (not names or path.stem in digests or path.name in digests):
            os.utime(path, (time.time() - days * DAYS,) * 2)


@pytest.fixture
def filled(tmp_path: Path) -> Any:
    """A store with two checkpoints that share a file, a dataset with its card, and two maps."""
    store = Store(str(tmp_path / "store"))
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    for name, weights in (("one", b"1"), ("two", b"2")):
        (tmp_path / name / "tokenizer.json").write_text("{}")
        (tmp_path / name / "model.safetensors").write_bytes(weights)
    one = put_folder(store, "checkpoints", tmp_path / "one").name
    two = put_folder(store, "checkpoints", tmp_path / "two").name
    dataset = store.put("datasets", b"rows")
    card = store.put("dataset-cards", json.dumps({"name": dataset, "title": "t"}).encode())
    used, unused = store.put("maps", b"a", suffix=".safetensors"), store.put("maps", b"b", suffix=".safetensors")
    results = tmp_path / "study" / "results.json"
    results.parent.mkdir()
    results.write_text(json.dumps({"map": used}))
    _age(tmp_path / "store", 40)
    return SimpleNamespace(
        store=store, url=str(tmp_path / "store"), one=one, two=two, dataset=dataset, card=card, used=used, unused=unused
    )


def test_usage(filled: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["store", "usage", "--store", filled.url]) == 0
    lines = {line.split()[0]: line.split() for line in capsys.readouterr().out.splitlines() if line.strip()}
    assert lines["maps"][1:3] == ["2", "2"]
    assert lines["blobs"][1:3] == ["3", "4"]
    assert lines["all"][1] == "9"
    assert lines["maps"][3] == "40.0"


def test_nothing_is_removed_unless_it_is_said(filled: Any, tmp_path: Path, capsys: Any) -> None:
    before = filled.store.list()
    command = ["store", "prune", "--store", filled.url, "--results", str(tmp_path / "study"), "--no-trainer"]
    assert run(command) == 0
    _, err = capsys.readouterr()
    assert filled.store.list() == before
    assert "would be removed" in err
    assert run([*command, "--explain", "--yes"]) == 0
    _, err = capsys.readouterr()
    assert "8 of 9 objects" in err
    assert filled.store.list() == [filled.used]


def test_what_a_job_may_name_stays_until_a_trainer_was_asked(filled: Any, tmp_path: Path, capsys: Any) -> None:
    """A job that waits may name any dataset or map, and its table is all that knows of it."""
    before = filled.store.list()
    orphan = filled.store.put("blobs", b"of no list")
    _age(tmp_path / "store", 40)
    assert run(["store", "prune", "--store", filled.url, "--explain", "--yes"]) == 0
    out, err = capsys.readouterr()
    assert "1 of 10 objects" in err
    assert out.count("no trainer was asked (--mesh, or --no-trainer)") == 5
    assert filled.store.list() == before
    assert orphan not in before
    for name in (filled.one, filled.two):
        fetch_folder(filled.store, name, tmp_path / "copies")
    assert run(["store", "prune", "--store", filled.url, "--mesh", "host", "--no-trainer"]) == 2


def test_age_and_kind_bound_what_goes(filled: Any, tmp_path: Path, capsys: Any) -> None:
    command = ["store", "prune", "--store", filled.url, "--yes", "--no-trainer"]
    assert run([*command, "--older-than", "8w"]) == 0
    assert "0 of 9 objects" in capsys.readouterr().err
    assert run([*command, "--kind", "maps"]) == 0
    assert filled.store.list("maps/") == []
    assert filled.store.list("datasets/") == [filled.dataset]
    for wrong in (["--kind", "map"], ["--older-than", "10m"], ["--older-than", "0h"]):
        assert run([*command, *wrong]) == 2
    assert run(["store", "prune", "--store", str(tmp_path / "nowhere")]) == 1
    assert run([*command, "--results", str(tmp_path / "nowhere")]) == 1


def test_the_trainer_says_which_checkpoints_live(filled: Any, tmp_path: Path, monkeypatch: Any) -> None:
    """A checkpoint that it lists stays with all files; one that it does not goes, without the files that both have."""
    job = SimpleNamespace(
        name="jobs/1", state="succeeded", spec=f'dataset: "{filled.dataset}"', checkpoint="", files={}
    )
    trainer = SimpleNamespace(
        list_checkpoints=lambda: [SimpleNamespace(name=filled.one, job="jobs/1")], list_jobs=lambda: [job]
    )
    live, protected = _of_trainer(trainer)
    assert live.keys() == {filled.one, filled.dataset}
    assert protected == {}
    job.state = "running"
    assert _of_trainer(trainer)[1].keys() == {"states"}
    opened = SimpleNamespace(trainer=trainer)
    monkeypatch.setattr("babelscope.cli.store.open_mesh", lambda *_args, **_options: _Opened(opened))
    assert run(["store", "prune", "--store", filled.url, "--mesh", "host", "--yes"]) == 0
    assert {name.removesuffix(".json") for name in filled.store.list("checkpoints/")} == {filled.one}
    assert filled.store.list("datasets/") == [filled.dataset]
    assert filled.store.list("dataset-cards/") == [filled.card]
    assert len(filled.store.list("blobs/")) == 2
    fetch_folder(filled.store, filled.one, tmp_path / "copies")


class _Opened:
    """A mesh that is open."""

    def __init__(self, mesh: Any) -> None:
        self._mesh = mesh

    def __enter__(self) -> Any:
        return self._mesh

    def __exit__(self, *_rest: object) -> None:
        pass
