"""Scores of files, and analyses of variance of tables."""

import csv
from collections.abc import Callable
from pathlib import Path

import pytest
from babelscope.errors import StudyError
from babelscope.study import Study, StudyResult
from babelscope.study.sections import anova, scores

Read = Callable[..., Study]
Run = Callable[[Study], StudyResult]
NLI = "scores: {score: nli, predictions: said.txt, gold: gold.txt, languages: [sw], format: lines, options: {seed: 3}}"


def files(folder: Path) -> None:
    (folder / "gold.txt").write_text("s0\tyes\ns1\tyes\n")
    (folder / "said.txt").write_text("s1\tyes\ns0\tno\n")
    (folder / "table.csv").write_text("f1,corpus,size\n1,A,small\n2,A,large\n5,B,small\n6,B,large\n")


def test_scores_meet_by_id_and_keep_their_confusion(section: Read, run: Run, mesh, tmp_path: Path) -> None:
    files(tmp_path)
    result = run(section(NLI))
    (record,) = scores.SECTION.records(result)
    assert (record.score, record.name, record.language, record.predictions) == ("nli", "nli", "sw", "said.txt")
    accuracy, cell = record.figures
    assert (accuracy.metric, accuracy.value, accuracy.low) == ("accuracy", 50.0, 49.95)
    assert (cell.metric, cell.left, cell.right, cell.value) == ("confusion", "yes", "no", 1.0)
    asked = mesh.calls[-1][1]
    assert (asked["options"], asked["language"]) == ({"seed": "3"}, "sw")
    assert [(said.id, gold.id) for said, gold in asked["items"]] == [("s0", "s0"), ("s1", "s1")]
    with (tmp_path / "out" / "results.csv").open(newline="") as file:
        lines = [line for line in csv.DictReader(file) if line["kind"] == "score"]
    assert [(line["metric"], line["estimator"], line["value"]) for line in lines] == [
        ("nli/accuracy", "", "50.0"), ("nli/confusion", "yes as no", "1.0")
    ]  # fmt: skip
    count = len(mesh.calls)
    run(section(NLI))
    assert len(mesh.calls) == count
    (tmp_path / "said.txt").write_text("s1\tyes\ns0\tyes\n")
    assert scores.SECTION.records(run(section(NLI)))[0].figures[0].value == 100.0


def test_variance_by_every_factor_of_a_table(section: Read, run: Run, mesh, tmp_path: Path) -> None:
    files(tmp_path)
    result = run(section("anova: {name: F1, table: table.csv, value: f1, factors: [corpus, size], cite: nowhere}"))
    corpus, size = anova.SECTION.records(result)
    assert [(each.name, each.values, each.mean) for each in corpus.groups] == [
        ("A", (1.0, 2.0), 1.5),
        ("B", (5.0, 6.0), 5.5),
    ]
    assert corpus.groups[0].sd == pytest.approx(0.5**0.5)
    assert (corpus.f, corpus.p_value, corpus.df_between, corpus.df_within) == (4.5, 0.03, 1, 2)
    assert (size.factor, size.cite) == ("size", "nowhere")
    assert [call["groups"] for name, call in mesh.calls if name == "anova"][1] == {"small": (1, 5), "large": (2, 6)}
    with (tmp_path / "out" / "results.csv").open(newline="") as file:
        lines = [line for line in csv.DictReader(file) if line["kind"] == "anova"]
    assert [(line["metric"], line["estimator"], line["n"], line["p_value"]) for line in lines[:2]] == [
        ("f", "F1 by corpus", "4", "0.03"), ("eta_squared", "F1 by corpus", "4", "")
    ]  # fmt: skip


def test_variance_of_groups_of_the_study_file(section: Read, run: Run) -> None:
    result = run(section("anova: {name: EM, factor: corpus, groups: {A: [1, 2.5], B: [3]}}"))
    (record,) = anova.SECTION.records(result)
    assert [(each.name, each.values, each.sd > 0) for each in record.groups] == [
        ("A", (1.0, 2.5), True), ("B", (3.0,), False)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("extra", "problem"),
    [
        (NLI.replace("nli", "bleurt"), "scores.score: Expected a score among bleu1, convert_rate, qa"),
        (NLI.replace("languages: [sw], ", ""), "Expected the key languages with the one language of the files"),
        (NLI.replace("said.txt", "'{language}.txt'"), "Expected `{language}` in both `predictions` and `gold`"),
        (NLI.replace("said.txt", "none.txt"), "none.txt: Expected a readable file"),
        (NLI.replace("said.txt", "few.txt"), "few.txt: Expected a prediction of 's1' of .*gold.txt, but got none"),
        (NLI.replace("gold.txt", "few.txt"), "few.txt: Expected gold for all predictions, but 's1' has none"),
        (NLI.replace("format: lines", "format: csv"), "scores.format: Expected one of"),
        ("anova: {name: x}", "anova: Expected either the key groups or the key table"),
        ("anova: {name: x, groups: {A: [1], B: [2]}, factor: f}", "two groups by f, and more numbers than groups"),
        ("anova: {name: x, groups: {A: [1, 2]}, factor: f}", "anova.groups: Expected at least two groups"),
        ("anova: {name: x, groups: {A: [one], B: [2]}, factor: f}", r"groups.A\[0\]: Expected a finite number"),
        ("anova: {name: x, table: table.csv, value: em, factors: [size]}", "table.csv: Expected a column 'em'"),
        ("anova: {name: x, table: table.csv, value: f1}", "anova: Expected the key factors"),
    ],
)
def test_what_is_wrong_is_said(section: Read, run: Run, tmp_path: Path, extra: str, problem: str) -> None:
    files(tmp_path)
    (tmp_path / "few.txt").write_text("s0\tyes\n")
    with pytest.raises(StudyError, match=problem):
        run(section(extra))


def test_a_score_stands_once_for_a_language(section: Read, tmp_path: Path) -> None:
    files(tmp_path)
    one = NLI.removeprefix("scores: ")
    with pytest.raises(StudyError, match="scores: Expected a name of its own for each score of a language"):
        section(f"scores: [{one}, {one.replace('seed: 3', 'seed: 4')}]")


def test_a_run_that_broke_off_within_a_section_goes_on_there(section: Read, run: Run, mesh, tmp_path: Path) -> None:
    files(tmp_path)
    study = section("anova: {name: F1, table: table.csv, value: f1, factors: [corpus, size]}")
    answer, mesh.anova = mesh.anova, lambda groups: (_ for _ in ()).throw(KeyboardInterrupt)
    with pytest.raises(KeyboardInterrupt):
        run(study)
    assert not (tmp_path / "out" / "results.json").exists()
    mesh.anova = answer
    result = run(study)
    assert [name for name, _ in mesh.calls] == ["compare", "anova", "anova"]
    assert [step.reused for step in result.steps] == [True, False, False]
