"""Similarity against transfer."""

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from babelscope.errors import StudyError
from babelscope.study import Study, StudyResult
from babelscope.study.sections.transfer import SECTION, Correlated, least_squares
from hypothesis import given
from hypothesis import strategies as st

Read = Callable[..., Study]
Run = Callable[[Study], StudyResult]
LANGUAGES = ("fr", "de", "ru", "zh")
TABLE = "source,target,score\nen,fr,70.5\nen,de,72\nen,ru,55\nen,zh,40\nen,xx,1\n"


def records(result: StudyResult) -> tuple[Correlated, ...]:
    return SECTION.records(result)


def test_a_table(section: Read, run: Run, mesh, tmp_path: Path) -> None:
    (tmp_path / "f1.csv").write_text("# made up\n" + TABLE)
    result = run(section("transfer: {name: F1, table: f1.csv, cite: nowhere}"))
    first, *_, last = records(result)
    assert [(each.layer, each.model) for each in records(result)] == [(layer, "tiny") for layer in (0, 1, 2, None)]
    # Languages that the study lacks are left out; a point has the similarity of its own pair and layer.
    assert [(each.source, each.target, each.similarity, each.transfer) for each in first.points] == [
        ("en", "fr", 0.8, 70.5), ("en", "de", 0.7, 72.0), ("en", "ru", 0.4, 55.0), ("en", "zh", 0.2, 40.0)
    ]  # fmt: skip
    assert [each.similarity for each in last.points] == pytest.approx([0.81, 0.71, 0.41, 0.21])
    assert [(each.method, each.p_value, each.n) for each in first.correlations] == [
        ("spearman", 0.04, 4), ("pearson", 0.04, 4)
    ]  # fmt: skip
    asked = [call for name, call in mesh.calls if name == "correlate"]
    assert asked[0]["x"] == [0.8, 0.7, 0.4, 0.2]
    assert asked[0]["y"] == [70.5, 72.0, 55.0, 40.0]
    slope, intercept = np.polyfit(asked[0]["x"], asked[0]["y"], 1)
    assert (first.slope, first.intercept) == pytest.approx((slope, intercept))
    with (tmp_path / "out" / "results.csv").open(newline="") as file:
        lines = [line for line in csv.DictReader(file) if line["kind"] == "transfer"]
    assert len(lines) == 4 * 2
    assert (lines[0]["metric"], lines[0]["estimator"], lines[0]["layer"], lines[0]["p_value"]) == (
        "spearman", "cka/debiased with F1", "0", "0.04"
    )  # fmt: skip
    assert lines[-1]["layer"] == "mean"
    assert result.study["sections"]["transfer"][0]["figures"]["file"] == "f1.csv"


def test_figures_of_the_study_file_by_model(section: Read, run: Run) -> None:
    scores = ", ".join(
        f"{{source: en, target: {target}, score: {score}, model: {model}}}"
        for model, shift in (("A", 0), ("two", 5))
        for target, score in (("fr", 70 + shift), ("de", 65), ("ru", 50), ("zh", 45))
    )
    study = section(
        f"transfer: {{name: F1, scores: [{scores}], methods: [kendall], layers: [1]}}",
        models="[{name: one, label: A}, {name: two, label: B}]",
    )
    found = {each.model: each for each in records(run(study))}
    assert [each.transfer for each in found["one"].points] == [70, 65, 50, 45]
    assert [each.transfer for each in found["two"].points] == [75, 65, 50, 45]
    assert (found["one"].layer, [each.method for each in found["one"].correlations]) == (1, ["kendall"])


def test_the_study_s_own_retrieval(section: Read, run: Run) -> None:
    extra = "retrieval: {{}}\ntransfer: {{name: P@1, retrieval: {{metric: p@1, layer: {}}}}}"
    best = records(run(section(extra.format("best"))))
    # One point a pair, the mean of both directions, at the layer where most is found.
    assert [(each.source, each.target) for each in best[0].points] == [("en", tag) for tag in LANGUAGES]
    assert best[0].points[0].transfer == pytest.approx((0.82**2 + 0.92**2) / 2)
    same = records(run(section(extra.format("same"))))
    assert [each.layer for each in same] == [0, 1, 2]
    assert same[0].points[0].transfer == pytest.approx((0.8**2 + 0.9**2) / 2)
    fixed = records(run(section(extra.format("1"))))
    assert fixed[0].points[0].transfer == pytest.approx((0.81**2 + 0.91**2) / 2)


def test_the_study_s_own_scores(section: Read, run: Run, tmp_path: Path) -> None:
    for language, right in (("fr", 4), ("de", 3), ("ru", 2), ("zh", 1)):
        (tmp_path / f"gold.{language}").write_text("".join(f"s{at}\tyes\n" for at in range(4)))
        (tmp_path / f"said.{language}").write_text(
            "".join(f"s{at}\t{'yes' if at < right else 'no'}\n" for at in range(4))
        )
    result = run(
        section(
            "scores: {score: nli, name: NLI, source: en, languages: [fr, de, ru, zh], format: lines,"
            " predictions: 'said.{language}', gold: 'gold.{language}'}\n"
            "transfer: {name: accuracy, score: {name: NLI, metric: accuracy}}"
        )
    )
    assert [(each.target, each.transfer) for each in records(result)[0].points] == [
        ("fr", 100.0), ("de", 75.0), ("ru", 50.0), ("zh", 25.0)
    ]  # fmt: skip


def test_only_other_figures_are_asked_again(section: Read, run: Run, mesh, tmp_path: Path) -> None:
    (tmp_path / "f1.csv").write_text(TABLE)
    study = section("transfer: {name: F1, table: f1.csv}")
    run(study)
    count = len(mesh.calls)
    run(section("transfer: {name: F1, table: f1.csv}"))
    assert len(mesh.calls) == count
    (tmp_path / "f1.csv").write_text(TABLE.replace("70.5", "70.6"))
    run(section("transfer: {name: F1, table: f1.csv}"))
    assert len(mesh.calls) == count + 4


@pytest.mark.parametrize(
    ("extra", "problem"),
    [
        ("transfer: {table: t.csv}", "transfer: Expected the key name"),
        ("transfer: {name: x}", "Expected one of the keys table, scores, retrieval, score, but got"),
        ("transfer: {name: x, table: none.csv}", "none.csv: Expected a readable table"),
        ("transfer: {name: x, table: short.csv}", "short.csv: Expected a column 'score', but got source, target"),
        ("transfer: {name: x, table: bad.csv}", "bad.csv:3: Expected a finite number in column 'score', but got 'n/a'"),
        ("transfer: {name: x, table: few.csv}", "at least 4 pairs of languages whose similarity .* but got 3 of 3"),
        ("transfer: {name: x, table: flat.csv}", "to differ between pairs of languages, but all are 1"),
        ("transfer: {name: x, table: twice.csv}", "each pair of languages once a model, but got 'en to fr twice'"),
        ("transfer: {name: x, table: model.csv}", "models of `transfer` among tiny, but got 'huge'"),
        ("transfer: {name: x, retrieval: {}}", "transfer.retrieval: Expected this only where the study has a key"),
        ("transfer: {name: x, table: few.csv, measures: [svcca]}", r"measures\[0\]: Expected one of the study's"),
        (
            "transfer: {name: x, scores: [{source: en, target: xx, score: 1}]}",
            r"scores\[0\].target: Expected one of en",
        ),
        ("transfer: {name: x, scores: [{source: en, target: fr, score: .inf}]}", "Expected a finite number"),
        ("transfer: [{name: x, table: few.csv}, {name: x, table: flat.csv}]", "a name of its own"),
        ("retrieval: {}\ntransfer: {name: x, retrieval: {layer: top}}", "layer: Expected one of best, same"),
        ("retrieval: {}\ntransfer: {name: x, retrieval: {layer: 9}}", r"layer` among \[0, 1, 2\], but got 9"),
        ("retrieval: {centre: true}\ntransfer: {name: x, retrieval: {}}", "that is not centred"),
        ("transfer: {name: x, table: few.csv, methods: [phi]}", r"methods\[0\]: Expected one of pearson, spearman"),
        ("transfer: {name: x, table: few.csv, layers: [9]}", "`transfer.layers` within 0..2 for model tiny, but got 9"),
    ],
)
def test_what_is_wrong_is_said(section: Read, run: Run, tmp_path: Path, extra: str, problem: str) -> None:
    head = "source,target,score"
    for name, text in (
        ("short", "source,target\nen,fr\n"), ("bad", f"{head}\nen,fr,1\nen,de,n/a\n"),
        ("few", f"{head}\nen,fr,1\nen,de,2\nen,ru,3\n"),
        ("flat", f"{head}\nen,fr,1\nen,de,1\nen,ru,1\nen,zh,1\n"), ("twice", f"{head}\nen,fr,1\nen,fr,2\n"),
        ("model", f"{head},model\nen,fr,1,huge\n"),
    ):  # fmt: skip
        (tmp_path / f"{name}.csv").write_text(text)
    with pytest.raises(StudyError, match=problem):
        run(section(extra))


@given(st.lists(st.tuples(st.integers(-50, 50), st.integers(-50, 50)), min_size=2, max_size=20))
def test_the_line_is_that_of_least_squares(points: list[tuple[int, int]]) -> None:
    x, y = [float(one) for one, _ in points], [float(two) for _, two in points]
    slope, intercept = least_squares(x, y)
    if len(set(x)) == 1:
        assert (slope, intercept) == (0.0, pytest.approx(sum(y) / len(y)))
    else:
        residuals = [two - slope * one - intercept for one, two in zip(x, y, strict=True)]
        assert sum(residuals) == pytest.approx(0, abs=1e-8)
        assert sum(one * rest for one, rest in zip(x, residuals, strict=True)) == pytest.approx(0, abs=1e-6)
