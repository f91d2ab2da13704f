"""Studies as jobs: handed in by a client, run on the mesh, killed, bounded in time; their files in the store."""

import contextlib
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import babelscope
import pytest
from babelscope import InvalidRequest, NotFound
from babelscope.cli import run
from babelscope.corpora.writers import write_examples
from babelscope.data.activations import Progress
from babelscope.study import StudyResult, Watcher, load_study, run_study, submit_study
from babelscope.study.sections import ShowProgress, emergence, fine_tuned, fine_tuning, gap
from babelscope.v1 import trainer_pb2

from tests.support.job_processes import kill_jobs, processes_of_jobs, saved_steps
from tests.support.tagged import tagged_sentences

STUDY: Any = {
    "name": "small",
    "title": "Does a job answer as a command does?",
    "corpus": {"pattern": "bundled:sample.tsv"},
    "languages": ["en", "es", "de"],
    "models": ["tiny"],
    "sentences": 12,
    "measures": ["cosine"],
    "random_init": {"groups": "pairs"},
}


def _result(mesh: babelscope.LocalMesh, job: str, folder: Path) -> StudyResult:
    path = folder / "results.json"
    path.write_bytes(mesh.trainer.job_file(job, "results.json"))
    return StudyResult.read(path)


def test_a_killed_study_goes_on_and_its_files_are_in_the_store(mesh: babelscope.LocalMesh, tmp_path: Path) -> None:
    """Its corpus lies in files of this machine. The trainer and the study's process are killed once each."""
    rows = ["id\ten\tes", *(f"s{number}\tThe dog {number}.\tEl perro {number}." for number in range(9))]
    (tmp_path / "corpus.tsv").write_text("\n".join(rows) + "\n")
    (tmp_path / "scores.csv").write_text("source,target,score\nen,es,1\n")
    study = {**STUDY, "corpus": {"pattern": "corpus.tsv"}, "languages": ["en", "es"]}
    (tmp_path / "study.json").write_text(json.dumps(study))  # JSON is YAML as well
    job = submit_study(tmp_path / "study.json", mesh, deadline=600.0)
    killed = 0
    for event in mesh.trainer.watch_job(job.name):
        if event.kind == "progress" and event.done and killed == 0:
            killed = kill_jobs(mesh)
        elif event.kind == "state" and event.text == "running" and killed == 1:
            pid = mesh.pids["trainer"]
            if pid is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                killed = 2
    done = mesh.trainer.get_job(job.name)
    assert (done.state, done.progress) == ("succeeded", 1.0), (done, mesh.logs["trainer"].read_text()[-3000:])
    assert killed >= 1
    assert saved_steps(mesh, job.name) > 1
    assert {"results.json", "results.csv", "report.html"} <= set(done.files)
    result = _result(mesh, job.name, tmp_path)
    assert {row.reinit for row in result.rows} == {"", "1-2@0", "3-4@0"}
    assert [use.texts for use in result.languages] == [9, 9]
    assert b"<html" in mesh.trainer.job_file(job.name, "report.html")
    with pytest.raises(NotFound, match="results\\.json"):
        mesh.trainer.job_file(job.name, "results.xml")
    assert not processes_of_jobs(mesh)


def test_a_study_that_takes_too_long_fails(mesh: babelscope.LocalMesh) -> None:
    done = mesh.trainer.wait_for_job(submit_study(STUDY, mesh, deadline=0.001).name)
    assert done.state == "failed"
    assert "Expected it to end within 0.001 s" in done.reason


@pytest.mark.parametrize(
    ("yaml", "words"),
    [
        ("name: x", "Expected the key title"),
        (json.dumps({**STUDY, "corpus": {"pattern": "/etc/hostname"}}), "handed in with the study"),
        ("a: [", "Expected YAML"),
    ],
)
def test_a_study_that_cannot_be_read_is_refused_at_once(mesh: babelscope.LocalMesh, yaml: str, words: str) -> None:
    with pytest.raises(InvalidRequest, match=words) as caught:
        mesh.trainer.create_job(trainer_pb2.Job(study=trainer_pb2.StudySpec(yaml=yaml)))
    assert caught.value.field == "job.study.yaml"


def test_a_study_fine_tunes_by_a_sweep_of_its_own(mesh: babelscope.LocalMesh, tmp_path: Path) -> None:
    """One slot is enough: neither the study nor its sweep takes it."""
    targets = ("es", "de", "ru", "ar")
    files = {"train": ("en", 30, 0), "en": ("en", 12, 1)}
    files |= {language: (language, 12, seed) for seed, language in enumerate(targets, start=2)}
    for name, (language, count, seed) in files.items():
        write_examples(tagged_sentences(count, language, seed), tmp_path / f"{name}.conllu", format="conllu")
    study = {
        **STUDY,
        "corpus": {"pattern": "bundled:sample.tsv"},
        "languages": ["en", *targets],
        "random_init": {"groups": {"1-2": "1-2"}},
        "fine_tuning": {
            "tasks": [
                {
                    "task": "pos",
                    "sources": {"en": {"train": "train.conllu", "dev": "en.conllu"}},
                    "test": "{language}.conllu",
                    "domains": {"en/again": "train.conllu"},
                }
            ],
            "random_init": ["1-2"],
            "settings": {"epochs": 1, "learning_rate": 0.001, "step_tokens": 128},
        },
        "fine_tuned": {},
        "gap": {"permutations": 200},
    }
    (tmp_path / "study.yaml").write_text(json.dumps(study))
    job = mesh.trainer.wait_for_job(submit_study(tmp_path / "study.yaml", mesh).name)
    assert job.state == "succeeded", (job, mesh.logs["trainer"].read_text()[-3000:])
    result = _result(mesh, job.name, tmp_path)
    swept = fine_tuning.SECTION.records(result)
    assert {(each.figure.place, each.figure.reinit) for each in swept if each.figure.part == "eval"} == {
        (place, reinit) for place in ("en", "en/again", "X", *targets) for reinit in ("", "1-2")
    }
    curves = fine_tuned.SECTION.records(result)
    assert {(each.target, each.reinit) for each in curves} == {
        (each, reinit) for each in targets for reinit in ("", "1-2")
    }
    assert all(each.layers == (0, 1, 2, 3, 4) and each.checkpoint.startswith("checkpoints/") for each in curves)
    found = gap.SECTION.records(result)
    assert {(each.stage, each.layer) for each in found} == {
        (stage, layer) for stage in ("pretrained", "fine-tuned") for layer in (0, 1, 2, 3, 4, None)
    }
    table = mesh.trainer.job_file(job.name, "results.csv").decode()
    assert "pos/accuracy/delta" in table
    page = mesh.trainer.job_file(job.name, "report.html").decode()
    assert "Fine-tuning with layers drawn anew" in page
    [sweep] = mesh.trainer.list_jobs(parent=job.name)
    assert (sweep.kind, sweep.state) == ("sweep", "succeeded")
    out = tmp_path / "fetched"
    assert run(["jobs", "fetch", job.name, "--out", str(out), "--mesh", mesh.address]) == 0
    assert (out / "report.html").read_text() == page


GRID_STEPS = 30
APART = {"vocabulary": "prefixed", "separate_embeddings": True, "separate_layers": 1}


class _Killed(Exception):
    """Ends a study as its process' end would."""


class _Killer(Watcher):
    """Kills the processes of all jobs, and then the study, once the first job has done some steps."""

    def __init__(self, mesh: babelscope.LocalMesh) -> None:
        self._mesh = mesh

    @contextlib.contextmanager
    def step(self, summary: str) -> Iterator[ShowProgress | None]:
        def show(progress: Progress) -> None:
            if progress.stage == "pretrain" and progress.done >= GRID_STEPS // 3:
                kill_jobs(self._mesh)
                raise _Killed(summary)

        yield show


@pytest.fixture
def grid(tmp_path: Path) -> Path:
    """Two cells of tiny models that share one layer, on sentences that are no translations of one another."""
    for seed, language in enumerate(("en", "es")):
        lines = [each.content.text for each in tagged_sentences(120, language, seed)]  # type: ignore[union-attr]
        unlike = dict.fromkeys(f"{line} {at}" for at, line in enumerate(lines))
        (tmp_path / f"train.{language}.txt").write_text("".join(f"{line}\n" for line in unlike))
    document: dict[str, Any] = {
        "name": "grid",
        "title": "Does a grid go on where it was?",
        "corpus": {"pattern": "bundled:sample.tsv"},
        "languages": ["en", "es"],
        "sentences": 20,
        "layers": [0, 2],
        "measures": [{"name": "cka", "estimator": "debiased"}],
        "retrieval": {"similarities": ["cosine"]},
        "emergence": {
            "text": {"plain": "train.{language}.txt"},
            "dev": "train.{language}.txt",
            # A window as long as the longest input changes nothing: the two cells are twins, but they are two jobs.
            "settings": {"apart": APART, "twin": {**APART, "window": 32}},
            "sizes": [100],
            "vocabulary": {"size": 150},
            "model": {"layers": 2, "hidden_size": 16, "heads": 2, "feed_forward": 32, "max_tokens": 32},
            "training": {"max_steps": GRID_STEPS, "epochs": 100, "step_tokens": 256, "learning_rate": 0.002},
        },
    }
    path = tmp_path / "study.yaml"
    path.write_text(json.dumps(document))
    return path


def test_a_grid_that_is_killed_goes_on_and_ends_as_if_it_had_not_been(
    mesh: babelscope.LocalMesh, grid: Path, tmp_path: Path
) -> None:
    before = {job.name for job in mesh.trainer.list_jobs()}
    with pytest.raises(_Killed):
        run_study(load_study(grid), mesh, tmp_path / "out", watcher=_Killer(mesh))
    result = run_study(load_study(grid), mesh, tmp_path / "out")
    jobs = {job.labels["cell"]: job for job in mesh.trainer.list_jobs() if job.name not in before}
    assert {name: job.attempts for name, job in jobs.items()} == {"apart/100/0": 2, "twin/100/0": 1}
    killed, twin = emergence.SECTION.records(result)
    assert {(each.kind, each.layer) for each in killed.figures} == {
        ("pretraining", None), ("similarity", 0), ("similarity", 2), ("retrieval", 0), ("retrieval", 2),
    }  # fmt: skip
    # Checkpoints are named by their content: the twin, which nothing has disturbed, has the same bits.
    assert killed.checkpoint == twin.checkpoint
    assert killed.figures == twin.figures
