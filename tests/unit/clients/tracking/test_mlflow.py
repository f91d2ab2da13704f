"""Jobs as runs of MLflow, read back by the rules of its file store."""

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from babelscope.data.jobs import Job, JobEvent, JobFigure
from babelscope.tracking.mlflow import write_run
from babelscope.v1 import model_pb2, trainer_pb2

START = datetime(2026, 1, 2, 3, 4, 5)
MILLISECONDS = 1767323045000


def _figure(part: str, target: str, value: float, **more: Any) -> JobFigure:
    return JobFigure(part, "en", target, "accuracy", "micro", value, 0.0, 100.0, 9, "s", **more)


def _job(**more: Any) -> Job:
    spec = trainer_pb2.FineTuneSpec(
        model=model_pb2.ModelRef(name="tiny"),
        task="pos",
        options={"a": "b"},
        train=[trainer_pb2.LanguageDataset(language="en", dataset="datasets/x")],
        optimisation=trainer_pb2.Optimisation(learning_rate=1e-3, seed=1 << 60),
    )
    told: dict[str, Any] = {
        "name": "jobs/0af1",
        "kind": "fine_tune",
        "state": "succeeded",
        "reason": "",
        "progress": 1.0,
        "latest": {},
        "attempts": 1,
        "labels": {"who": "me"},
        "parent": "jobs/77",
        "last_event": 3,
        "checkpoint": "checkpoints/c",
        "figures": (
            _figure("eval", "sv", 80.0, gap=5.0),
            _figure("eval", "en", 85.0, domain="news"),
            _figure("eval", "sv", 1.0, left="NOUN"),
        ),
        "warnings": ("Beware.",),
        "provenance": {"seed": "3", "../odd*name": "x"},
        "children": (),
        "sweep": (),
        "files": {},
        "created": START,
        "spec": spec,
    }
    return Job(**{**told, **more})


def _event(number: int, seconds: int, kind: str, **more: Any) -> JobEvent:
    told: dict[str, Any] = {"stage": "", "done": 0, "total": 0, "latest": {}, "text": "", "figure": None}
    time = START + timedelta(seconds=seconds)
    return JobEvent(number=number, kind=kind, job=_job(), time=time, **{**told, **more})


EVENTS = [
    _event(1, 0, "state", text="running"),
    _event(2, 1, "progress", stage="train", done=1, latest={"loss": 2.5, "seconds_left": float("inf")}),
    _event(3, 2, "progress", stage="train", done=4, latest={"loss": 0.1}),
    _event(4, 3, "figure", figure=_figure("dev", "en", 90.0)),
    _event(5, 4, "state", text="succeeded"),
]


def _contents(folder: Path) -> dict[str, str]:
    """Files by their paths."""
    found = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_text() for path in found}


def test_a_run_is_laid_out_as_the_file_store_reads_it(tmp_path: Path) -> None:
    run = write_run(tmp_path, _job(), EVENTS, {"results.json": b"{}", "figures/a.png": b"png"})
    assert run == tmp_path / run.parent.name / "0af1"
    experiment = yaml.safe_load((run.parent / "meta.yaml").read_text())
    assert experiment["experiment_id"] == run.parent.name
    assert run.parent.name.isdigit()
    assert (experiment["name"], experiment["lifecycle_stage"]) == ("babelscope/fine_tune", "active")
    meta = yaml.safe_load((run / "meta.yaml").read_text())
    assert (meta["run_id"], meta["run_uuid"], meta["experiment_id"]) == ("0af1", "0af1", run.parent.name)
    assert (meta["status"], meta["start_time"], meta["end_time"]) == (3, MILLISECONDS, MILLISECONDS + 4000)
    assert meta["artifact_uri"] == (run / "artifacts").as_uri()
    params = {path.name: path.read_text() for path in (run / "params").iterdir()}
    assert (params["task"], params["model.name"], params["options.a"]) == ("pos", "tiny", "b")
    assert params["optimisation.learning_rate"] == "0.001"
    assert params["optimisation.seed"] == str(1 << 60)
    assert json.loads(params["train"]) == [{"language": "en", "dataset": "datasets/x"}]
    metrics, tags = (_contents(run / name) for name in ("metrics", "tags"))
    end = MILLISECONDS + 4000
    assert metrics == {
        "train/loss": f"{MILLISECONDS + 1000} 2.5 1\n{MILLISECONDS + 2000} 0.1 4\n",
        "dev/en/accuracy/micro": f"{MILLISECONDS + 3000} 90.0 4\n",
        "eval/sv/accuracy/micro": f"{end} 80.0 4\n",
        "eval/sv/accuracy_gap/micro": f"{end} 5.0 4\n",
        "eval/en/news/accuracy/micro": f"{end} 85.0 4\n",
    }
    assert tags["mlflow.parentRunId"] == "77"
    assert tags["checkpoint"] == "checkpoints/c"
    assert tags["label.who"] == "me"
    assert tags["provenance.seed"] == "3"
    assert tags["provenance.../odd_name"] == "x"
    assert (run / "artifacts" / "figures" / "a.png").read_bytes() == b"png"


@pytest.mark.parametrize(("state", "number"), [("failed", 4), ("cancelled", 5), ("succeeded", 3)])
def test_a_run_is_replaced_and_says_how_it_ended(state: str, number: int, tmp_path: Path) -> None:
    write_run(tmp_path, _job(provenance={"old": "x"}), EVENTS, {"old": b""})
    run = write_run(tmp_path, _job(state=state, reason="why", spec=trainer_pb2.SweepSpec()), [], {})
    assert yaml.safe_load((run / "meta.yaml").read_text())["status"] == number
    assert not (run / "artifacts" / "old").exists()
    assert not (run / "tags" / "provenance.old").exists()
    assert (run / "tags" / "reason").read_text() == "why"
    assert sorted(path.name for path in run.parent.iterdir()) == ["0af1", "meta.yaml"]


def test_paths_stay_within_the_run(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Expected files within the folder"):
        write_run(tmp_path, _job(), EVENTS, {"../../out": b""})
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["meta.yaml"]
