"""What the jobs of a grid of pretraining are given to read."""

from pathlib import Path
from typing import Any

import pytest
from babelscope.data.examples import TextPair
from babelscope.data.jobs.architecture import Architecture
from babelscope.errors import StudyError
from babelscope.study.jobs.cells import CellGrid, CellName, CodeSwitching, Setting, VocabularyDesign
from babelscope.study.jobs.pretraining import CellJobs

from tests.support.pretrained import Kept

LINES = 60


@pytest.fixture
def grid(tmp_path: Path) -> dict[str, Any]:
    """Line i of English and of French says the same."""
    for language in ("en", "fr"):
        (tmp_path / f"{language}.txt").write_text("".join(f"{language} line {at}\n" for at in range(LINES)))
    (tmp_path / "other.txt").write_text("".join(f"autre {at}\n" for at in range(LINES)))
    (tmp_path / "en-fr.tsv").write_text("line\tligne\ndog\tchien\n")
    return {
        "text": {
            "plain": {language: tmp_path / f"{language}.txt" for language in ("en", "fr")},
            "other": {"fr": tmp_path / "other.txt"},
        },
        "settings": {
            "default": Setting(),
            "no anchors": Setting(vocabulary="prefixed"),
            "extra": Setting(code_switch=CodeSwitching(0.5, 0.25)),
            "domain": Setting(domain="other"),
            "separate": Setting(vocabulary="prefixed", separate_embeddings=True, window=20),
            "untrained": Setting(untrained=True),
        },
        "sizes": (10, 20),
        "vocabulary": VocabularyDesign(100),
        "model": Architecture(layers=2),
        "training": {"max_steps": 9, "learning_rate": 0.1},
        "dictionary": {"fr": tmp_path / "en-fr.tsv"},
    }


def _enter(grid: dict[str, Any], *cells: tuple[str, int], measured: Any = None, **change: Any) -> Kept:
    mesh = Kept()
    jobs = CellJobs(CellGrid(**{**grid, **change}), ("en", "fr"), measured or {})
    for at, (setting, size) in enumerate(cells):
        jobs.enter(mesh, CellName(setting, size, 3), f"r{at}")
    return mesh


def _texts(mesh: Kept, job: int, language: str) -> list[str]:
    return [str(each.content) for each in mesh.put[mesh.entered[job]["train"][language]]]


def test_a_job_has_the_first_texts_of_each_language_and_what_the_grid_says(grid: dict[str, Any]) -> None:
    mesh = _enter(grid, ("default", 10), ("separate", 10), ("untrained", 10))
    first, separate, untrained = mesh.entered
    assert _texts(mesh, 0, "fr") == [f"fr line {at}" for at in range(10)]
    assert (first["source"], first["seed"], first["max_tokens"], first["max_steps"]) == ("en", 3, 0, 9)
    assert first["start"] == Architecture(layers=2)
    assert first["random_within_language"] is False
    assert first["entry"] == {"request_id": "r0", "labels": {"cell": "default/10/3"}}
    assert (separate["max_tokens"], separate["random_within_language"]) == (20, True)
    assert separate["start"].separation.embeddings
    assert separate["start"].separation.softmax
    assert (untrained["max_steps"], untrained["learning_rate"] < 1e-9) == (1, True)
    # What cells share is stored once: two texts, and a vocabulary of all and one of each.
    assert first["train"] == separate["train"] == untrained["train"]
    assert first["vocabulary"] == untrained["vocabulary"] != separate["vocabulary"]
    assert len(mesh.put) == 4
    assert [step.options["size"] for step, _ in mesh.steps] == ["100", "50"]
    assert [step.options["separate"] for step, _ in mesh.steps] == ["false", "true"]


def test_no_item_of_parallel_text_goes_to_two_languages(grid: dict[str, Any]) -> None:
    mesh = _enter(grid, ("default", 20), parallel=True)
    sides = [{int(text.rsplit(" ", 1)[1]) for text in _texts(mesh, 0, language)} for language in ("en", "fr")]
    assert [len(side) for side in sides] == [20, 20]
    assert not sides[0] & sides[1]


def test_parallel_text_that_is_said_twice_goes_the_same_way(grid: dict[str, Any], tmp_path: Path) -> None:
    for language in ("en", "fr"):
        (tmp_path / f"{language}.txt").write_text("".join(f"{language} line {at % 30}\n" for at in range(LINES)))
    mesh = _enter(grid, ("default", 20), parallel=True)
    sides = [{int(text.rsplit(" ", 1)[1]) for text in _texts(mesh, 0, language)} for language in ("en", "fr")]
    assert not sides[0] & sides[1]


@pytest.mark.parametrize("parallel", [False, True])
def test_what_is_measured_is_never_trained_on(grid: dict[str, Any], parallel: bool) -> None:
    """Of parallel text not even the version in the other language."""
    measured = {"en": ["en line 0", "en line 1"], "fr": ["fr line 1", "fr line 2", "fr line 3"]}
    mesh = _enter(grid, ("default", 10), measured=measured, parallel=parallel)
    for language in ("en", "fr"):
        texts = set(_texts(mesh, 0, language))
        gone = {f"{language} line {at}" for at in range(4)} if parallel else set(measured[language])
        assert not texts & gone


def test_too_little_text_is_refused(grid: dict[str, Any]) -> None:
    with pytest.raises(StudyError, match=r"at least 61 texts of en in en\.txt .*, but got 60"):
        _enter(grid, ("default", 61))
    with pytest.raises(StudyError, match=r"at least 50 texts of en in en\.txt .*no other language has"):
        _enter(grid, ("default", 50), parallel=True)


def test_another_domain_is_that_of_the_other_languages(grid: dict[str, Any]) -> None:
    mesh = _enter(grid, ("domain", 10))
    assert _texts(mesh, 0, "en")[0] == "en line 0"
    assert _texts(mesh, 0, "fr")[0] == "autre 0"
    [(step, texts)] = mesh.steps
    assert (step.name, texts[-1].content) == ("learn_vocabulary", "autre 9")


def test_extra_anchors_go_both_ways(grid: dict[str, Any]) -> None:
    """The vocabulary is that of the default: of the text before words are replaced."""
    mesh = _enter(grid, ("default", 10), ("extra", 10))
    assert mesh.entered[0]["vocabulary"] == mesh.entered[1]["vocabulary"]
    english, french = [step for step, _ in mesh.steps if step.name == "code_switch"]
    assert (english.options["source"], english.options["languages"]) == ("en", "fr")
    assert (french.options["source"], french.options["languages"]) == ("fr", "en")
    assert (english.options["probability"], english.options["cap"], english.options["rule"]) == (
        "0.5",
        "0.25",
        "conneau",
    )
    assert [each.content for each in mesh.put[english.options["dictionary"]]] == [
        TextPair("line", "ligne"), TextPair("dog", "chien"),
    ]  # fmt: skip
    assert [each.content for each in mesh.put[french.options["dictionary"]]] == [
        TextPair("ligne", "line"), TextPair("chien", "dog"),
    ]  # fmt: skip
    assert _texts(mesh, 1, "fr")[0] == "code_switch: fr line 0"


def test_a_job_that_failed_is_tried_again(grid: dict[str, Any]) -> None:
    mesh = Kept(states={"default/10/0": "failed"})
    jobs = CellJobs(CellGrid(**grid), ("en", "fr"), {})
    assert jobs.enter(mesh, CellName("default", 10, 0), "r").state == "queued"
    assert jobs.enter(mesh, CellName("default", 20, 0), "s").name == "jobs/1"
    assert mesh.retried == ["jobs/0"]
