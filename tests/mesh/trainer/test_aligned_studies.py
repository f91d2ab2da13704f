"""A study of fine-tuning with a layer aligned, on real servers with a tiny model: Hsu et al. 2019, table 7."""

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import babelscope
import pytest
from babelscope.corpora.writers import write_examples
from babelscope.errors import StudyError
from babelscope.report import write_report
from babelscope.study import load_study, run_study
from babelscope.study.sections import aligned_fine_tuning
from babelscope.study.sections.aligned_fine_tuning import Aligned

from tests.support.task_examples import questions

SMALL: Mapping[str, Mapping[str, Any]] = {
    "muse": {"epochs": 1, "steps": 20, "hidden": 8, "batch": 8, "refinements": 1},
    "dema": {"steps": 20, "batch": 8},
    "vecmap": {"rounds": 5},
}
LAYERS = {"none": None, "MUSE": 2, "dema": 2, "both": 3, "GAN, layer 1": 1}


def _study(folder: Path) -> Path:
    """A study file with its sets beside it; the text of the target language is of its own."""
    for name, count, seed in (("en.train", 40, 0), ("en.test", 12, 1), ("sv.test", 12, 2), ("sv.more", 40, 3)):
        write_examples(questions(count, seed), folder / f"{name}.json", format="squad")
    near = {"neighbours": 2, "csls_k": 2, "dictionary": 5}
    maps = [
        {"label": "MUSE", "layer": 2, "method": "muse", "options": {**near, **SMALL["muse"]}},
        {"layer": 2, "method": "dema", "options": {"csls_k": 2, "dictionary": 5, **SMALL["dema"]}},
    ]
    centred = {**near, **SMALL["vecmap"], "normalisation": "centre"}
    maps.append({"label": "both", "layer": 3, "method": "vecmap", "options": centred, "moves": "both"})
    study = {
        "name": "aligned",
        "title": "Does aligning a layer help?",
        "corpus": {"pattern": "bundled:sample.tsv"},
        "languages": ["en", "es"],
        "sentences": 12,
        "models": ["tiny"],
        "measures": ["cosine"],
        "aligned_fine_tuning": {
            "task": "qa",
            "sources": {"en": {"train": "en.train.json"}},
            "test": {"en": "en.test.json", "sv": "sv.test.json"},
            "maps": maps,
            "text": {"en": "en.train.json", "sv": "sv.more.json"},
            "column": "context",
            "words": 20,
            "discriminators": [{"layer": 1, "hidden_size": 16}],
            "unlabelled": {"sv": "sv.more.json"},
            "settings": {"epochs": 1, "learning_rate": 0.001, "step_tokens": 256},
        },
    }
    path = folder / "study.yaml"
    path.write_text(json.dumps(study))  # JSON is YAML as well
    return path


def test_the_rows_of_the_table(mesh: babelscope.LocalMesh, tmp_path: Path) -> None:
    path, out = _study(tmp_path), tmp_path / "out"
    before = {job.name for job in mesh.trainer.list_jobs()}
    result = run_study(load_study(path), mesh, out)
    found: dict[str, Aligned] = {each.label: each for each in aligned_fine_tuning.SECTION.records(result)}
    assert {label: each.layer for label, each in found.items()} == LAYERS
    assert [each.kind for each in found.values()] == ["none", "map", "map", "map", "discriminator"]
    # Every row is a training of its own, scored in both languages.
    assert len({each.checkpoint for each in found.values()}) == len(LAYERS)
    for each in found.values():
        assert {(one.place, one.metric) for one in each.figures} >= {
            (place, metric) for place in ("en", "sv") for metric in ("em", "f1")
        }
        assert {one.n for one in each.figures} == {12}
    maps = {label: each.map for label, each in found.items() if each.map is not None}
    assert {label: each.matrix_only for label, each in maps.items()} == {
        "MUSE": False, "dema": True, "both": False,
    }  # fmt: skip
    assert all(0 < each.alike <= each.source_words <= 20 for each in maps.values())

    # What moves the source, and the target only where both are moved, belongs to the checkpoint.
    edited = {
        job.labels["alignment"]: {each.language: len(each.interventions) for each in job.spec.language_interventions}
        for job in mesh.trainer.list_jobs()
        if job.name not in before
    }
    one, two = {"en": 1}, {"en": 1, "sv": 1}
    assert edited == {"none": {}, "MUSE": one, "dema": one, "both": two, "GAN, layer 1": {}}

    with (out / "results.csv").open(newline="") as file:
        lines = [line for line in csv.DictReader(file) if line["kind"] == "aligned_fine_tuning"]
    assert {line["layer"] for line in lines if line["metric"] == "qa/f1"} == {"", "1", "2", "3"}
    page = write_report(result, out).read_text()
    assert "Fine-tuning with a layer aligned" in page
    assert '<th scope="row">GAN, layer 1</th><td>1</td><td>1</td>' in page

    # Nothing is trained twice: what was found is found done, and without it the same requests are the same jobs.
    again = run_study(load_study(path), mesh, out)
    assert all(step.reused for step in again.steps)
    jobs = {job.name for job in mesh.trainer.list_jobs()}
    anew = run_study(load_study(path), mesh, tmp_path / "anew")
    assert {job.name for job in mesh.trainer.list_jobs()} == jobs
    assert aligned_fine_tuning.SECTION.records(anew) == tuple(found.values())


def test_a_layer_that_the_model_lacks_is_refused_before_anything_is_trained(
    mesh: babelscope.LocalMesh, tmp_path: Path
) -> None:
    path = _study(tmp_path)
    study = json.loads(path.read_text())
    study["aligned_fine_tuning"]["discriminators"] = [{"layer": 11}]
    path.write_text(json.dumps(study))
    before = len(mesh.trainer.list_jobs())
    with pytest.raises(StudyError, match=r"`aligned_fine_tuning.layer` within 0..4 for model tiny, but got 11"):
        run_study(load_study(path), mesh, tmp_path / "out")
    assert len(mesh.trainer.list_jobs()) == before
