"""Rows, differences and findings of fine-tuning with a layer aligned."""

from babelscope.report.parts.aligned_fine_tuning import findings, tables
from babelscope.study.result import StudyResult
from babelscope.study.sections.aligned_fine_tuning import Aligned, WordsMap

from tests.unit.clients.report.conftest import aligned

FITTED = WordsMap(9_000, 800, 12, -0.5, True, "method:vecmap")
TABLE_7: list[Aligned] = [
    aligned("none", None, 0, 78.8),
    aligned("MUSE", 8, 0, 49.48, WordsMap(9_000, 800, 12, 0.31, False, "method:muse")),
    aligned("VecMap", 8, 0, 24.83, FITTED),
    aligned("GAN-layer 11", 11, 0, 76.14),
]
"""F1 of some rows of the paper, and of multi-BERT as it is (its table 2)."""


def test_rows_of_table_7_of_the_paper() -> None:
    shown, maps = tables(TABLE_7)["tables"]
    assert shown.caption == "qa, English → French, made-up/encoder"
    assert shown.head == ["Approach", "Layer", "Seeds", "French: F1", "Δ", "English: F1", "Δ"]
    assert [list(row) for row in shown.body] == [
        ["as it is", "–", "1", "78.80 [77.80, 79.80]", "", "88.80 [87.80, 89.80]", ""],
        ["MUSE", "8", "1", "49.48 [48.48, 50.48]", "−29.32", "59.48 [58.48, 60.48]", "−29.32"],
        ["VecMap", "8", "1", "24.83 [23.83, 25.83]", "−53.97", "34.83 [33.83, 35.83]", "−53.97"],
        ["GAN-layer 11", "11", "1", "76.14 [75.14, 77.14]", "−2.66", "86.14 [85.14, 87.14]", "−2.66"],
    ]
    assert [list(row) for row in maps.body] == [
        ["MUSE", "8", "0", "9,000", "800", "12", "0.31", "matrix and bias"],
        ["VecMap", "8", "0", "9,000", "800", "12", "−0.5", "matrix alone"],
    ]


def test_several_seeds_are_a_mean_with_its_spread() -> None:
    records = [*TABLE_7[:1], aligned("none", None, 1, 76.8), aligned("GAN-layer 11", 11, 0, 75.8)]
    (shown,) = tables([*records, aligned("GAN-layer 11", 11, 1, 79.8)])["tables"]
    assert [row[2:5] for row in shown.body] == [
        ["2", "77.80 ± 1.41", ""], ["2", "77.80 ± 2.83", "+0.00"],
    ]  # fmt: skip


def test_what_is_found_counts_differences_beyond_chance_alone(result: StudyResult) -> None:
    (found,) = findings(TABLE_7, result)
    assert found.figure == "−2.66"
    assert "of 3 approaches 0 score clearly above the model as it is (78.80) and 3 clearly below" in found.text
    assert "GAN-layer 11 differs by −2.66 points, VecMap by −53.97." in found.text
    # Intervals reach one point to either side.
    for f1, counted in ((80.7, 0), (80.9, 1)):
        (better,) = findings([*TABLE_7, aligned("dema", 8, 0, f1)], result)
        assert f"of 4 approaches {counted} score clearly above" in better.text


def test_with_several_seeds_their_spread_says_what_is_clear(result: StudyResult) -> None:
    plain = [aligned("none", None, seed, 70.0 + seed) for seed in (0, 1)]
    for f1, counted in ((71.3, 0), (71.5, 1)):  # twice the standard error is 1.41
        rows = [aligned("dema", 8, seed, f1 + seed) for seed in (0, 1)]
        (found,) = findings([*plain, *rows], result)
        assert f"of 1 approaches {counted} score clearly above" in found.text


def test_a_study_of_rows_without_the_model_as_it_is_claims_nothing(result: StudyResult) -> None:
    assert findings(TABLE_7[1:], result) == []
    assert {row[4] for row in tables(TABLE_7[1:])["tables"][0].body} == {""}
