"""A study on the mesh: its numbers, its table and its report, which go to the store."""

import gzip
import io
import threading
import time
import zlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from babelscope.data.jobs import Job
from babelscope.errors import CorpusError, StudyError
from babelscope.study.execution import Watcher, run_study
from babelscope.study.nodes import StudyFiles
from babelscope.study.schema import load_study
from babelscope.study.sections import ShowProgress
from babelscope.sync.datagen import DatagenClient
from babelscope.sync.encoder import EncoderClient
from babelscope.sync.metrics import MetricsClient
from babelscope.sync.trainer import TrainerClient

from services.runtime.errors import FailedPrecondition, LimitExceeded
from services.trainer import specs
from services.trainer.driver.child import Channel
from services.trainer.driver.protocol import Assignment, Report
from services.trainer.works.desk import Desk

_STUDY: Final = "study.yaml"
_BEGUN: Final = "begun"
_INTERNAL: Final = "steps"
_MOST_BYTES: Final = 256 << 20
"""Bytes of a file that was handed in, unpacked."""


def run(assignment: Assignment, channel: Channel) -> bytes:
    """Does a job of the kind `study`."""
    study = specs.read(specs.StudyJob, assignment.spec)
    with Desk(assignment, channel) as desk:
        _bound(study.deadline_seconds, desk)
        return specs.write(_run(study, assignment.job, desk))


def _bound(seconds: float, desk: Desk) -> None:
    """Fails the job once its time is over, counted from the start of its first attempt."""
    if not seconds:
        return
    begun = desk.folder / _BEGUN
    if not begun.exists():
        begun.write_text(repr(time.time()), encoding="utf-8")
    left = float(begun.read_text("utf-8")) + seconds - time.time()
    failure = Report(failure=f"study: Expected it to end within {seconds:g} s, but it did not")
    timer = threading.Timer(max(0.0, left), desk.tell, (failure,))
    timer.daemon = True
    timer.start()


def _run(study: specs.StudyJob, job: str, desk: Desk) -> specs.Outcome:
    folder = desk.resume()
    folder.mkdir(parents=True, exist_ok=True)
    path = desk.folder / _STUDY
    path.write_text(study.yaml, encoding="utf-8")
    files = StudyFiles({name: _unpack(desk, name, stored) for name, stored in study.files.items()})
    try:
        design = load_study(path, files=files)
        with _clients(desk, job) as mesh:
            result = run_study(design, mesh, folder, where="a job of the trainer", watcher=_Told(desk, folder))
    except (StudyError, CorpusError) as error:
        raise FailedPrecondition("study", str(error).replace(str(desk.folder) + "/", "")) from error
    warnings = _report(result, folder)
    kept = {
        each.relative_to(folder).as_posix(): desk.store.put("studies", each)
        for each in sorted(folder.rglob("*"))
        if each.is_file() and each.relative_to(folder).parts[0] != _INTERNAL
    }
    return specs.Outcome(
        warnings=tuple(warnings),
        provenance={"study": design.name, **{use.label: use.digest for use in result.models}},
        files=kept,
    )


def _unpack(desk: Desk, name: str, stored: str) -> Path:
    """A file that was handed in with the study; its name keeps its ending, which says its format."""
    path = desk.folder / "files" / stored.rpartition("/")[2] / Path(name).name
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(desk.store.get(stored))) as packed:
            content = packed.read(_MOST_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        subject = f"study file {name}"
        raise FailedPrecondition(subject, f"Expected contents compressed with gzip, but {error}") from error
    if len(content) > _MOST_BYTES:
        raise LimitExceeded("max_file_bytes", f"Expected a file {name} of at most {_MOST_BYTES} bytes, but it has more")
    path.write_bytes(content)
    return path


def _report(result: Any, folder: Path) -> list[str]:
    """Writes the report where the packages that it needs are installed; what is missing otherwise, in a sentence."""
    try:
        from babelscope.report import write_report
    except ImportError as error:
        return [f"There is no report, because a package that it needs is not installed: {error.name}"]
    write_report(result, folder)
    return []


class _OwnTrainer(TrainerClient):
    """A client whose jobs belong to this one: they are cancelled with it, and a repeated entry is the same job."""

    job = ""

    def create_job(self, job: Any, **entry: Any) -> Job:
        """Enters a job of this job's."""
        given = {**entry, "parent": f"jobs/{self.job}"}
        if request := given.get("request_id"):
            given["request_id"] = f"{self.job}/{request}"
        return super().create_job(job, **given)


@dataclass(frozen=True, slots=True)
class _Mesh:
    """The clients that a study works with."""

    encoder: EncoderClient
    metrics: MetricsClient
    datagen: DatagenClient
    trainer: TrainerClient


@contextmanager
def _clients(desk: Desk, job: str) -> Iterator[_Mesh]:
    settings = desk.settings
    with ExitStack() as stack:
        trainer = _OwnTrainer(settings.peer(settings.own_address()))
        trainer.job = job
        mesh = _Mesh(
            EncoderClient(settings.peer(settings.encoder)),
            MetricsClient(settings.peer(settings.metrics)),
            DatagenClient(settings.peer(settings.datagen)),
            trainer,
        )
        for client in (mesh.encoder, mesh.metrics, mesh.datagen, mesh.trainer):
            stack.callback(client.close)
        yield mesh


class _Told(Watcher):
    """Tells the trainer how the study goes.

    Args:
        desk: What it is told by.
        folder: Folder of the study, whose finished requests are what another attempt goes on from.
    """

    def __init__(self, desk: Desk, folder: Path) -> None:
        self._desk, self._folder = desk, folder

    def note(self, text: str) -> None:
        """A line for people."""
        self._desk.tell(Report(events=(("note", text.encode()),)))

    def done(self, steps: int, total: int) -> None:
        """Requests that are answered, of all."""
        self._desk.step(specs.JobStep("study", steps, total), steps / max(1, total))
        self._desk.keep_folder(self._folder, steps)

    @contextmanager
    def step(self, summary: str) -> Iterator[ShowProgress | None]:
        """A request, with the texts that it is through."""
        last = 0.0

        def show(progress: Any) -> None:
            nonlocal last
            now = time.monotonic()
            if now - last >= 1.0:
                last = now
                self._desk.tell(Report(figures=_figures(progress)))

        yield show


def _figures(progress: Any) -> Mapping[str, float]:
    """The numbers of a progress."""
    named = {name: getattr(progress, name, None) for name in ("done", "total")}
    return {name: float(value) for name, value in named.items() if isinstance(value, int | float)}
