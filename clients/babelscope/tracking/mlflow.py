"""Jobs as runs of MLflow: the folder that its file store reads, without MLflow itself.

    DIR/EXPERIMENT/meta.yaml                the experiment, one a kind of job
    DIR/EXPERIMENT/RUN/meta.yaml            state and times of the run, whose id is that of the job
                      params/NAME           a setting
                      metrics/NAME          a line `milliseconds value step` for each value
                      tags/NAME             provenance, labels, the checkpoint
                      artifacts/            results.json, results.csv, files of a study

`mlflow ui --backend-store-uri DIR`, or `MlflowClient(DIR)`, reads it. A run that is written again is replaced.
"""

import json
import math
import re
import shutil
import zlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import yaml
from google.protobuf.json_format import MessageToDict

from babelscope.data.atomic import partial_folder, whole, write_atomically
from babelscope.data.jobs import Job, JobEvent, JobFigure

_STATUS: Final = {"queued": 2, "running": 1, "succeeded": 3, "failed": 4, "cancelled": 5}
"""MLflow's numbers: SCHEDULED, RUNNING, FINISHED, FAILED, KILLED."""
_SOURCE: Final = 2
"""MLflow's number of a source that is a job."""
_LONGEST_PARAM: Final = 6000
_LONGEST_TAG: Final = 8000
_NOT_ALLOWED: Final = re.compile(r"[^\w\-. :/]")


def write_run(folder: Path, job: Job, events: Sequence[JobEvent], artifacts: Mapping[str, bytes]) -> Path:
    """Write a job as a run.

    Args:
        folder: The file store; made where it is not there.
        job: The job.
        events: All its events, in order.
        artifacts: Contents of files by their paths.

    Returns:
        Folder of the run.

    Raises:
        ValueError: A path leads out of the run's folder.
        OSError: It cannot be written.
    """
    experiment = _experiment(folder, job.kind)
    run = job.name.removeprefix("jobs/")
    target = experiment / run
    with partial_folder(experiment, run) as made:
        for kind in ("params", "metrics", "tags", "artifacts"):
            (made / kind).mkdir()
        _write(made / "meta.yaml", yaml.safe_dump(_meta(target, job, events)))
        for name, value in _params(job):
            _write(_inside(made / "params", name), value[:_LONGEST_PARAM])
        for name, lines in _metrics(job, events).items():
            _write(_inside(made / "metrics", name), "".join(f"{line}\n" for line in lines))
        for name, value in _tags(job).items():
            _write(_inside(made / "tags", name), value[:_LONGEST_TAG])
        for path, content in artifacts.items():
            place = made / "artifacts" / path
            if not place.resolve().is_relative_to((made / "artifacts").resolve()):
                raise ValueError(f"Expected files within the folder, but got {path!r}")
            place.parent.mkdir(parents=True, exist_ok=True)
            with whole(place) as file:
                file.write(content)
        made.chmod(0o755)
        if target.exists():
            shutil.rmtree(target)
        made.rename(target)
    return target


def _experiment(folder: Path, kind: str) -> Path:
    """The folder of the experiment of a kind of job; made where it is not there."""
    name = f"babelscope/{kind}"
    # MLflow wants a number; that of a name is always the same.
    number = str(10**9 + zlib.crc32(name.encode()))
    place = folder / number
    if not (place / "meta.yaml").exists():
        now = _milliseconds(datetime.now(UTC))
        meta = {
            "artifact_location": place.absolute().as_uri(),
            "creation_time": now,
            "experiment_id": number,
            "last_update_time": now,
            "lifecycle_stage": "active",
            "name": name,
        }
        write_atomically(place / "meta.yaml", yaml.safe_dump(meta))
    return place


def _meta(target: Path, job: Job, events: Sequence[JobEvent]) -> dict[str, Any]:
    times = [event.time for event in events if event.time is not None]
    return {
        "artifact_uri": (target / "artifacts").absolute().as_uri(),
        "end_time": _milliseconds(times[-1]) if job.ended and times else None,
        "entry_point_name": "",
        "experiment_id": target.parent.name,
        "lifecycle_stage": "active",
        "run_id": target.name,
        "run_name": _run_name(job),
        "run_uuid": target.name,
        "source_name": "",
        "source_type": _SOURCE,
        "source_version": "",
        "start_time": _milliseconds(times[0] if times else job.created),
        "status": _STATUS[job.state],
        "tags": [],
        "user_id": "",
    }


def _run_name(job: Job) -> str:
    return " ".join(part for part in (job.kind, str(getattr(job.spec, "task", "")), job.model) if part)


def _params(job: Job) -> Iterator[tuple[str, str]]:
    """The settings of a job: fields of messages by their paths, lists as JSON."""
    yield from _flat(MessageToDict(job.spec, preserving_proto_field_name=True), "")


def _flat(fields: Mapping[str, Any], before: str) -> Iterator[tuple[str, str]]:
    for name, value in fields.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _metrics(job: Job, events: Sequence[JobEvent]) -> dict[str, list[str]]:
    """The course of training by step, figures of evaluations as they came, and those of the result."""
    found: dict[str, list[str]] = {}
    step, last = 0, _milliseconds(job.created)

    def put(name: str, value: float) -> None:
        if math.isfinite(value):
            found.setdefault(name, []).append(f"{last} {value!r} {step}")

    for event in events:
        last = _milliseconds(event.time) if event.time is not None else last
        if event.kind == "progress" and event.stage == "train":
            step = event.done
            for name, value in event.latest.items():
                put(f"train/{name}", value)
        if event.figure is not None and event.figure.part == "dev":
            put(_figure_name(event.figure, part="dev"), event.figure.value)
    for figure in job.figures:
        if figure.part == "eval" and not (figure.left or figure.right):
            put(_figure_name(figure, part="eval"), figure.value)
            if figure.gap is not None:
                put(_figure_name(figure, part="eval", gap="_gap"), figure.gap)
    for each in job.sweep:
        words = ("sweep", each.task, each.source, each.reinit or "none", each.target, each.domain, each.selection)
        put("/".join(word for word in (*words, each.metric, each.estimator) if word), each.mean)
    return found


def _figure_name(figure: JobFigure, *, part: str, gap: str = "") -> str:
    alpha = "" if figure.alpha is None else f"alpha {figure.alpha!r}"
    return "/".join(word for word in (part, figure.place, figure.metric + gap, figure.estimator, alpha) if word)


def _tags(job: Job) -> dict[str, str]:
    """What else is known of a job."""
    tags = {
        "mlflow.runName": _run_name(job),
        "mlflow.source.type": "JOB",
        "mlflow.source.name": job.name,
        "checkpoint": job.checkpoint,
        "reason": job.reason,
        "warnings": "\n".join(job.warnings),
        **{f"label.{name}": value for name, value in job.labels.items()},
        **{f"provenance.{name}": value for name, value in job.provenance.items()},
    }
    if job.parent:
        tags["mlflow.parentRunId"] = job.parent.removeprefix("jobs/")
    return {name: value for name, value in tags.items() if value}


def _inside(folder: Path, name: str) -> Path:
    """The file of a name, in characters that MLflow allows and without parts that lead elsewhere."""
    parts = [_NOT_ALLOWED.sub("_", part) for part in name.split("/")]
    return folder.joinpath(*(part if part.strip(". ") else "_" for part in parts))


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, text)


def _milliseconds(time: datetime) -> int:
    """Milliseconds of a time, which is UTC where it does not say."""
    return round((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp() * 1000)
