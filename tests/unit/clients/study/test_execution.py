"""Running a study: what is asked, what is kept, what is asked again."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from babelscope.data.comparison import TIDY_COLUMNS
from babelscope.errors import DeadlineExceeded, NotFound, StudyError, Unavailable
from babelscope.study import StudyResult, Watcher, load_study, run_study

Write = Callable[..., Path]
RICH = """
random_init: {groups: pairs, seeds: [0, 3], retrieval: true}
retrieval: {centre: [false, true]}
measures: [cosine, {name: cka, estimator: debiased}]
"""


def test_a_study_comes_to_the_requests_that_it_says(study_file: Write, mesh, tmp_path: Path) -> None:
    result = run_study(load_study(study_file(RICH)), mesh, tmp_path / "out")
    assert mesh.asked == [
        "cosine tiny", "mrr tiny", "mrr tiny",
        "cosine tiny 1-2@0", "mrr tiny 1-2@0", "cosine tiny 1-2@3", "mrr tiny 1-2@3",
        "cosine tiny 3-4@0", "mrr tiny 3-4@0", "cosine tiny 3-4@3", "mrr tiny 3-4@3",
    ]  # fmt: skip
    assert [(each.reinit, each.label, each.layers, each.seed) for each in result.variants][:3] == [
        ("", "", (), 0), ("1-2@0", "1-2", (1, 2), 0), ("1-2@3", "1-2", (1, 2), 3)
    ]  # fmt: skip
    plain = [row for row in result.rows if row.kind == "similarity" and not row.reinit]
    assert {(row.source, row.target) for row in plain} == {("en", "fr"), ("en", "sw"), ("fr", "sw")}
    drawn = [row for row in result.rows if row.kind == "similarity" and row.reinit]
    assert {(row.source, row.target) for row in drawn} == {("en", "fr"), ("en", "sw")}
    assert {row.centred for row in result.rows if row.kind == "retrieval" and not row.reinit} == {False, True}
    assert result.languages[0].truncated == {"tiny": 1}


def test_rows_stand_in_a_fixed_order(study_file: Write, mesh, tmp_path: Path) -> None:
    result = run_study(load_study(study_file(RICH)), mesh, tmp_path / "out")
    first = [(row.metric, row.source, row.target, row.layer) for row in result.rows[:16]]
    assert first[:5] == [("cosine", "en", "fr", layer) for layer in range(5)]
    assert first[5][:3] == ("cosine", "en", "sw")
    assert result.rows[15].metric == "cka"
    retrieval = [row.metric for row in result.rows if row.kind == "retrieval" and not row.reinit and not row.centred]
    assert list(dict.fromkeys(retrieval)) == ["p@1", "p@5", "mrr"]


def test_results_come_back_and_the_table_is_tidy(study_file: Write, mesh, tmp_path: Path) -> None:
    result = run_study(load_study(study_file(RICH)), mesh, tmp_path / "out", command="babelscope study study.yaml")
    assert StudyResult.read(tmp_path / "out" / "results.json") == StudyResult.read(tmp_path / "out" / "results.json")
    again = StudyResult.read(tmp_path / "out" / "results.json")
    assert again.rows == result.rows
    assert again.models == result.models
    assert again.provenance["command"] == "babelscope study study.yaml"
    with (tmp_path / "out" / "results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == TIDY_COLUMNS
    assert len(rows) == len(result.rows)
    assert [float(row["value"]) for row in rows] == [row.value for row in result.rows]
    assert {row["estimator"] for row in rows} == {
        "mean",
        "debiased",
        "cosine",
        "csls",
        "cosine+centred",
        "csls+centred",
    }
    assert {row["reinit"] for row in rows} == {"", "1-2@0", "1-2@3", "3-4@0", "3-4@3"}


def test_running_again_asks_nothing_and_force_asks_all(study_file: Write, mesh, tmp_path: Path) -> None:
    study = load_study(study_file(RICH))
    first = run_study(study, mesh, tmp_path / "out")
    count = len(mesh.asked)
    second = run_study(study, mesh, tmp_path / "out")
    assert len(mesh.asked) == count
    assert second.rows == first.rows
    assert all(step.reused for step in second.steps)
    run_study(study, mesh, tmp_path / "out", force=True)
    assert len(mesh.asked) == 2 * count


def test_a_killed_run_goes_on_where_it_stopped(study_file: Write, mesh, tmp_path: Path) -> None:
    study = load_study(study_file(RICH))
    mesh.broken = 4
    with pytest.raises(KeyboardInterrupt):
        run_study(study, mesh, tmp_path / "out")
    assert len(list((tmp_path / "out" / "steps").iterdir())) == 4
    assert not (tmp_path / "out" / "results.json").exists()
    mesh.broken = 0
    result = run_study(study, mesh, tmp_path / "out")
    assert len(mesh.asked) == 11
    assert [step.reused for step in result.steps] == [True] * 4 + [False] * 7


@pytest.mark.parametrize(
    ("change", "asked"),
    [
        (lambda path, mesh: None, 0),
        # Another text of Swahili: every request has Swahili in it.
        (lambda path, mesh: _replace(path.parent / "sw.txt", "sentence 2", "sentence two"), 3),
        (lambda path, mesh: _replace(path.parent / "sw.txt", "", "", reverse=True), 0),
        (lambda path, mesh: mesh.models.update(tiny="d2"), 3),
        (lambda path, mesh: _replace(path, "title: Does it run?", "title: Still?"), 0),
        (lambda path, mesh: _replace(path, "[cosine]", "[csls]"), 1),
        (lambda path, mesh: _replace(path, "{low: 1-2}", "{low: 1-2, high: 3-4}"), 1),
        (lambda path, mesh: _replace(path, "{low: 1-2}", "{renamed: 1-2}"), 0),
        (lambda path, mesh: _replace(path, "pooling: mean", "pooling: cls"), 3),
    ],
)
def test_only_what_changed_is_computed_again(study_file: Write, mesh, tmp_path: Path, change, asked: int) -> None:
    path = study_file("random_init: {groups: {low: 1-2}}\nretrieval: {similarities: [cosine]}\npooling: mean\n")
    run_study(load_study(path), mesh, tmp_path / "out")
    mesh.asked.clear()
    change(path, mesh)
    run_study(load_study(path), mesh, tmp_path / "out")
    assert len(mesh.asked) == asked


def _replace(path: Path, old: str, new: str, *, reverse: bool = False) -> None:
    text = path.read_text()
    assert old in text
    lines = text.replace(old, new).splitlines(keepends=True)
    path.write_text("".join(reversed(lines) if reverse else lines))


@pytest.mark.parametrize("damage", [lambda text: text[:40], lambda text: text.replace('"value": 0.1', '"value": 0.9')])
def test_a_damaged_answer_is_computed_again(study_file: Write, mesh, tmp_path: Path, damage) -> None:
    study = load_study(study_file())
    first = run_study(study, mesh, tmp_path / "out")
    (kept,) = (tmp_path / "out" / "steps").iterdir()
    kept.write_text(damage(kept.read_text()))
    mesh.asked.clear()
    assert run_study(study, mesh, tmp_path / "out").rows == first.rows
    assert mesh.asked == ["cka tiny"]


def test_a_language_with_missing_ids_is_reported_and_never_mispaired(study_file: Write, mesh, tmp_path: Path) -> None:
    path = study_file()
    lines = (tmp_path / "sw.txt").read_text().splitlines(keepends=True)
    (tmp_path / "sw.txt").write_text("".join(reversed(lines[1:])) + "s99\textra\n")
    told: list[str] = []

    class Ear(Watcher):
        def note(self, text: str) -> None:
            told.append(text)

    result = run_study(load_study(path), mesh, tmp_path / "out", watcher=Ear())
    missing = {each.language: (each.missing, each.missing_examples) for each in result.languages}
    assert missing == {"en": (1, ("s99",)), "fr": (1, ("s99",)), "sw": (1, ("s0",))}
    assert {(row.source, row.target): row.n for row in result.rows} == {
        ("en", "fr"): 6, ("en", "sw"): 5, ("fr", "sw"): 5
    }  # fmt: skip
    assert "sw lacks 1 of the ids that other languages have" in told
    path.write_text(path.read_text() + "alignment: strict\n")
    with pytest.raises(StudyError, match="alignment: strict"):
        run_study(load_study(path), mesh, tmp_path / "strict")


def test_too_few_shared_ids_are_refused(study_file: Write, mesh, tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"at least 4 ids that both en .* and fr .* have, but got 3"):
        run_study(load_study(study_file(lines=3)), mesh, tmp_path / "out")


def test_the_first_sentences_are_the_same_whatever_the_order_of_the_file(
    study_file: Write, mesh, tmp_path: Path
) -> None:
    path = study_file("sentences: 5\n", lines=12)
    study = load_study(path)
    first = run_study(study, mesh, tmp_path / "out")
    _replace(tmp_path / "en.txt", "", "", reverse=True)
    mesh.asked.clear()
    second = run_study(study, mesh, tmp_path / "out")
    assert mesh.asked == []
    assert [each.digest for each in first.languages] == [each.digest for each in second.languages]
    assert [each.texts for each in first.languages] == [5, 5, 5]


def test_the_fallback_is_used_and_said(study_file: Write, mesh, tmp_path: Path) -> None:
    text = study_file().read_text().replace("[tiny]", "[{name: org/huge, label: Huge, fallback: tiny}, tiny]")
    result = run_study(load_study(study_file(text=text)), mesh, tmp_path / "out")
    use = result.models[0]
    assert (use.label, use.asked, use.used) == ("Huge", "org/huge", "tiny")
    assert "none called 'org/huge'" in use.reason
    assert result.models[1].reason == ""
    assert mesh.asked == ["cka tiny"], "a model that is used twice is measured once"


def test_a_hub_that_cannot_be_reached_is_not_waited_for(study_file: Write, mesh, tmp_path: Path) -> None:
    waited = DeadlineExceeded("The deadline passed while waiting to try again")
    waited.__cause__ = Unavailable("the hub cannot be reached")
    mesh.trouble = {"org/huge": waited, "slow": DeadlineExceeded("Loading")}
    mesh.models["slow"] = "d9"
    path = study_file()
    path.write_text(
        path.read_text().replace("[tiny]", "[{name: org/huge, fallback: tiny}, {name: slow, fallback: tiny}]")
    )
    result = run_study(load_study(path), mesh, tmp_path / "out")
    assert [(use.used, use.reason) for use in result.models] == [("tiny", "The hub cannot be reached."), ("slow", "")]


def test_without_a_fallback_the_error_goes_on(study_file: Write, mesh, tmp_path: Path) -> None:
    path = study_file()
    path.write_text(path.read_text().replace("[tiny]", "[huge]"))
    with pytest.raises(NotFound):
        run_study(load_study(path), mesh, tmp_path / "out")


@pytest.mark.parametrize(
    ("extra", "problem"),
    [
        ("layers: [5]", "`layers` within 0..4 for model tiny, but got 5"),
        ("random_init: {groups: {top: 4-6}}", "`random_init.groups.top` within 1..4 for model tiny, but got 6"),
    ],
)
def test_layers_that_the_model_lacks_are_refused(
    study_file: Write, mesh, tmp_path: Path, extra: str, problem: str
) -> None:
    with pytest.raises(StudyError, match=problem):
        run_study(load_study(study_file(extra)), mesh, tmp_path / "out")


def test_a_result_that_is_none_is_refused(study_file: Write, mesh, tmp_path: Path) -> None:
    run_study(load_study(study_file()), mesh, tmp_path / "out")
    path = tmp_path / "out" / "results.json"
    whole = json.loads(path.read_text())
    for change, problem in (
        ({"format": "x"}, "format babelscope-study/2, but got 'x'"),
        ({"rows": [{"kind": "similarity"}]}, r"rows\[0\]: Expected a value for metric"),
        ({"models": 3}, "models: Expected a list"),
        ({"colour": 1}, "but got 'colour'"),
    ):
        path.write_text(json.dumps({**whole, **change}))
        with pytest.raises(StudyError, match=problem):
            StudyResult.read(path)
    path.write_text("{")
    with pytest.raises(StudyError, match=r"a study's results.json"):
        StudyResult.read(path)
    with pytest.raises(StudyError, match=r"a study's results.json"):
        StudyResult.read(tmp_path / "absent.json")


def test_a_result_of_the_format_before_has_no_sections(study_file: Write, mesh, tmp_path: Path) -> None:
    result = run_study(load_study(study_file()), mesh, tmp_path / "out")
    path = tmp_path / "out" / "results.json"
    whole = json.loads(path.read_text())
    del whole["sections"]
    path.write_text(json.dumps({**whole, "format": "babelscope-study/1"}))
    old = StudyResult.read(path)
    assert (old.rows, old.sections) == (result.rows, {})


@pytest.mark.parametrize(
    ("measures", "problem"),
    [
        (
            "[cka, svca]",
            r"study.yaml: measures\[1\]: Expected a measure among .*'svca'; did you mean 'svcca'",
        ),
        (
            "[{name: cka, estimator: biassed}]",
            r"measures\[0\].name: Expected an estimator of cka among debiased, biased, but got 'biassed'; did you mean",
        ),
        ("[{name: cka, variance: 0.9}]", "Expected an option of cka among none, but got 'variance'"),
        ("[cka]\nlayer_grids: {measures: [rfb]}", r"layer_grids.measures\[0\]: Expected a measure among .*'rfb'"),
    ],
)
def test_what_the_server_does_not_offer_is_refused_before_a_model_is_loaded(
    study_file: Write, mesh, tmp_path: Path, measures: str, problem: str
) -> None:
    mesh.models.clear()  # a model that is asked for would not be found
    with pytest.raises(StudyError, match=problem):
        run_study(load_study(study_file(f"measures: {measures}\n")), mesh, tmp_path / "out")
    assert not mesh.asked
