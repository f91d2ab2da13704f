"""Studies packed for a trainer, and read there as they were."""

import json
from pathlib import Path
from typing import Any

import pytest
from babelscope.errors import StudyError
from babelscope.study import load_study
from babelscope.study.nodes import StudyFiles
from babelscope.study.submission.pack import pack_study

STUDY: Any = {
    "name": "s", "title": "t", "corpus": {"pattern": "{language}.txt"}, "languages": ["en", "fr"], "models": ["m"],
    "scores": {"score": "nli", "predictions": "said.tsv", "gold": "gold.tsv", "languages": ["en"]},
}  # fmt: skip


def _write(folder: Path) -> Path:
    path = folder / "study.yaml"
    path.write_text(json.dumps(STUDY))
    return path


def test_a_study_is_packed_with_all_that_it_names(tmp_path: Path) -> None:
    for language in ("en", "fr"):
        (tmp_path / f"{language}.txt").write_text("".join(f"{number}\t{language} {number}\n" for number in range(5)))
    for name in ("said", "gold"):
        (tmp_path / f"{name}.tsv").write_text("id\tlabel\n")
    packed = pack_study(_write(tmp_path))
    assert {language: len(texts) for language, texts in packed.corpus.items()} == {"en": 5, "fr": 5}
    assert set(packed.files) == {"said.tsv", "gold.tsv"}
    request = packed.request({"en": "datasets/1", "fr": "datasets/2"}, 9.0)
    received = tmp_path / "received.yaml"
    received.write_text(request.study.yaml)
    files = StudyFiles({file.path: tmp_path / file.path for file in request.study.files})
    study = load_study(received, files=files)
    assert study.corpus.datasets == {"en": "datasets/1", "fr": "datasets/2"}
    assert request.study.deadline_seconds == 9.0
    with pytest.raises(StudyError, match="handed in with the study"):
        load_study(received, files=StudyFiles({}))


def test_variables_in_names_of_models_are_those_of_the_sender(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "${BABELSCOPE_PAIR:-pair}"
    stored = {"corpus": {"datasets": {"en": "datasets/1", "fr": "datasets/2"}}, "models": [name]}
    said = {key: value for key, value in STUDY.items() if key != "scores"} | stored
    monkeypatch.setenv("BABELSCOPE_PAIR", "checkpoints/1")
    received = tmp_path / "received.yaml"
    received.write_text(pack_study(said).request({}, 0.0).study.yaml)
    monkeypatch.setenv("BABELSCOPE_PAIR", "another")
    [model] = load_study(received, files=StudyFiles({})).models
    assert (model.name, model.label) == ("checkpoints/1", "checkpoints/1")
    received.write_text(json.dumps(said))
    assert load_study(received, files=StudyFiles({})).models[0].name == name
