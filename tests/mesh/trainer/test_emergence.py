"""A grid of pretraining on real servers: killed in the middle, taken up again, the same in the end."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import babelscope
import pytest
from babelscope.data.activations import Progress
from babelscope.study import StudyResult, Watcher, load_study, run_study
from babelscope.study.plan import step_key
from babelscope.study.sections import ShowProgress, emergence

from tests.support.job_processes import kill_jobs
from tests.support.tagged import tagged_sentences

STEPS = 30


class _Killed(Exception):
    """Ends a study as its process' end would."""


class _Killer(Watcher):
    """Kills the processes of all jobs, and then the study, once the first job has done some steps."""

    def __init__(self, mesh: babelscope.LocalMesh) -> None:
        self._mesh = mesh

    @contextmanager
    def step(self, summary: str) -> Iterator[ShowProgress | None]:
        def show(progress: Progress) -> None:
            if progress.stage == "pretrain" and progress.done >= STEPS // 3:
                kill_jobs(self._mesh)
                raise _Killed(summary)

        yield show


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """Two cells of a tiny model, on sentences of two languages that are no translations of one another."""
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
            "settings": {
                "default": {},
                "apart": {"vocabulary": "prefixed", "separate_embeddings": True, "separate_layers": 1},
            },
            "sizes": [100],
            "vocabulary": {"size": 150},
            "model": {"layers": 2, "hidden_size": 16, "heads": 2, "feed_forward": 32, "max_tokens": 32},
            "training": {"max_steps": STEPS, "epochs": 100, "step_tokens": 256, "learning_rate": 0.002},
            "together": 2,
        },
    }
    path = tmp_path / "study.yaml"
    path.write_text(json.dumps(document))
    return path


def _found(result: StudyResult) -> list[emergence.CellFound]:
    """The cells, without the names that their models have in the store."""
    return [replace(each, checkpoint="") for each in emergence.SECTION.records(result)]


def test_a_grid_that_is_killed_goes_on_and_ends_as_if_it_had_not_been(
    mesh: babelscope.LocalMesh, study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    design, folder = load_study(study), tmp_path / "out"
    before = {job.name for job in mesh.trainer.list_jobs()}
    with pytest.raises(_Killed):
        run_study(design, mesh, folder, watcher=_Killer(mesh))
    result = run_study(design, mesh, folder)
    jobs = [job for job in mesh.trainer.list_jobs() if job.name not in before]
    assert sorted(job.labels["cell"] for job in jobs) == ["apart/100/0", "default/100/0"]
    assert max(job.attempts for job in jobs) > 1
    default, apart = _found(result)
    assert [each.run for each in (default, apart)] == [True, True]
    assert default.digest != apart.digest
    assert {(each.kind, each.layer) for each in apart.figures} == {
        ("pretraining", None), ("similarity", 0), ("similarity", 2), ("retrieval", 0), ("retrieval", 2),
    }  # fmt: skip
    # The same cell, undisturbed: another request, and so another job.
    monkeypatch.setattr(emergence, "step_key", lambda kind, depends: f"again-{step_key(kind, depends)}")
    alone = run_study(load_study(study, babelscope.study.Overrides(only=("default/*",))), mesh, tmp_path / "alone")
    undisturbed, left = _found(alone)
    assert not left.run
    assert undisturbed == default
    assert len([job for job in mesh.trainer.list_jobs() if job.name not in before]) == 3
