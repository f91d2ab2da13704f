"""Grids of pretraining as a table and in sentences, from figures whose means are known."""

import math
from collections.abc import Sequence

import pytest
from babelscope.report.emergence import Outcome, clear, summaries
from babelscope.report.parts.emergence import findings, payload, tables
from babelscope.study.sections.emergence import CellFigure, CellFound


def _figures(at: Sequence[float], chance: float, transfer: float) -> tuple[CellFigure, ...]:
    """P@1 by layer, the other direction 0.1 lower; CKA of half as much; a tagger's scores."""
    found = []
    for layer, value in enumerate(at):
        for source, target, less in (("en", "es", 0.0), ("es", "en", 0.1)):
            p = value - less
            found.append(
                CellFigure("retrieval", "p@1", "csls", source, target, layer, p, p - 0.05, p + 0.05, 300, chance)
            )
            found.append(
                CellFigure(
                    "retrieval", "p@1", "csls+centred", source, target, layer, p, p - 0.05, p + 0.05, 300, chance
                )
            )
        found.append(CellFigure("similarity", "cka", "debiased", "en", "es", layer, value / 2, 0.0, 1.0, 300, 0.001))
        found.append(CellFigure("similarity", "cka", "biased", "en", "es", layer, 0.99, 0.0, 1.0, 300, 0.4))
    for target, score in (("en", 90.0), ("es", transfer), ("X", transfer)):
        found.append(CellFigure("transfer", "pos/accuracy", "all", "en", target, None, score, 0.0, 100.0, 1))
    return tuple(found)


def _cell(setting: str, seed: int, at: Sequence[float], transfer: float = 60.0, **more: object) -> CellFound:
    values = {"size": 100, "run": True, "checkpoint": f"checkpoints/{setting}{seed}", "layers": 2, **more}
    figures = _figures(at, 0.003, transfer) if values["run"] else ()
    return CellFound(setting=setting, seed=seed, figures=figures, **values)  # type: ignore[arg-type]


DEFAULT = [_cell("default", 0, (0.3, 0.5, 0.4)), _cell("default", 1, (0.3, 0.7, 0.4), 64.0)]
LESS = [_cell("sep", 0, (0.2, 0.1, 0.1), 20.0), _cell("sep", 1, (0.22, 0.1, 0.1), 21.0)]
ALIKE = [_cell("window", 0, (0.3, 0.6, 0.4), 61.0), _cell("window", 1, (0.3, 0.62, 0.4), 63.5)]
LEFT = [_cell("default", 2, (), run=False), _cell("sep", 2, (), run=False), _cell("domain", 0, (), run=False)]


def test_scores_are_means_over_seeds_at_the_best_layer() -> None:
    default, sep = summaries([*DEFAULT, *LESS, *LEFT])
    sentences = default.outcomes["Sentences, P@1"]
    assert (sentences.layer, sentences.seeds) == (1, 2)
    assert sentences.mean == pytest.approx((0.45 + 0.65) / 2)
    assert sentences.deviation == pytest.approx(0.2 / math.sqrt(2))
    assert sentences.chance == pytest.approx(0.003)
    assert sentences.low == pytest.approx(0.5)
    # The embeddings are no layer of CKA's mean, and the debiased estimator is taken.
    assert default.outcomes["CKA"].mean == pytest.approx((0.25 + 0.2 + 0.35 + 0.2) / 4)
    assert default.outcomes["Transfer"].mean == pytest.approx(62.0)  # each language once, the mean not again
    assert default.outcomes["Transfer, source itself"].mean == 90.0
    assert sep.outcomes["Sentences, P@1"].layer == 0
    curve = default.curves["similarity", "cka", "debiased"]
    assert curve.layers == (0, 1, 2)
    assert curve.means == pytest.approx((0.15, 0.3, 0.2))


def test_a_table_has_a_row_a_setting_and_its_difference_to_the_first() -> None:
    scores, cells = tables([*DEFAULT, *LESS, *LEFT])
    assert scores.caption == "Scores by setting, 100 texts a language"
    assert list(scores.head) == [
        "Setting", "Seeds", "Sentences, P@1", "Δ", "CKA", "Δ", "Transfer", "Δ", "Transfer, source itself", "Δ",
    ]  # fmt: skip
    assert [list(row) for row in scores.body] == [
        ["default", "2", "55.0 ± 14.1 (1)", "", "0.250 ± 0.035", "", "62.0 ± 2.8", "", "90.0 ± 0.0", ""],
        [
            "sep",
            "2",
            "16.0 ± 1.4 (emb)",
            "−39.0",
            "0.050 ± 0.000",
            "−0.200",
            "20.5 ± 0.7",
            "−41.5",
            "90.0 ± 0.0",
            "+0.0",
        ],
    ]
    assert [list(row) for row in cells.body] == [
        ["default", "100", "0, 1", "2"], ["sep", "100", "0, 1", "2"], ["domain", "100", "none", "0"],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("one", "other", "wanted"),
    [
        (Outcome(0.5, 0.1, 4), Outcome(0.3, 0.1, 4), True),  # 0.2 against 2 x 0.0707
        (Outcome(0.5, 0.1, 4), Outcome(0.37, 0.1, 4), False),
        (Outcome(0.5, 0.1, 2), Outcome(0.3, 0.1, 2), False),
        (Outcome(0.5, None, 1), Outcome(0.1, 0.1, 4), None),
    ],
)
def test_a_difference_is_clear_beyond_twice_its_standard_error(
    one: Outcome, other: Outcome, wanted: bool | None
) -> None:
    assert clear(one, other) is wanted


def _said(records: Sequence[CellFound]) -> list[str]:
    return [each.text for each in findings(records, None)]  # type: ignore[arg-type]


def test_sentences_say_what_changes_and_what_does_not() -> None:
    structure, sep, window, left = _said([*DEFAULT, *LESS, *ALIKE, *LEFT])
    assert "cross-lingual structure appears here (2 seeds)" in structure
    assert "Sentences, P@1 16.0 against 55.0, clearly less" in sep
    assert "Transfer 20.5 against 62.0, clearly less" in sep
    assert "still above chance" in sep
    assert "Sentences, P@1 56.0 against 55.0, within the spread over seeds" in window
    assert left.startswith("3 cells were left out")
    assert "domain at 100" in left


def test_one_seed_is_said_to_be_one() -> None:
    _, change = _said([DEFAULT[0], LESS[0]])
    assert "Sentences, P@1 15.0 against 45.0, of one seed" in change


def test_what_identical_strings_give_is_no_structure() -> None:
    """An untrained model that finds as much as the default."""
    drawn = [_cell("untrained", seed, (0.6, 0.1, 0.1), 10.0, untrained=True) for seed in (0, 1)]
    assert "does not appear here" in _said([*DEFAULT, *drawn])[0]
    poor = [_cell("untrained", seed, (0.25, 0.1, 0.1), 10.0, untrained=True) for seed in (0, 1)]
    assert "finds 20 %: cross-lingual structure appears here" in _said([*DEFAULT, *poor])[0]
    nothing = [_cell("default", seed, (0.06, 0.05, 0.05)) for seed in (0, 1)]
    assert "where chance is 0.3 %: cross-lingual structure does not appear here" in _said(nothing)[0]


def test_more_text_is_compared_with_less() -> None:
    large = [_cell("default", seed, (0.3, 0.8, 0.4), size=400) for seed in (0, 1)]
    _, sizes = _said([*DEFAULT, *large])
    assert "Sentences, P@1 from 55.0 to 75.0, clearly more" in sizes
    assert "Transfer from 62.0 to 60.0, within the spread over seeds" in sizes


def test_curves_have_a_line_a_setting() -> None:
    entries = payload([*DEFAULT, *LESS, *LEFT], None)  # type: ignore[arg-type]
    assert [each["measure"] for each in entries] == [
        "sentences: P@1, CSLS", "sentences: P@1, CSLS, centred", "similarity: CKA, debiased", "similarity: CKA, biased",
    ]  # fmt: skip
    first, second = entries[2]["lines"]
    assert (first["name"], second["name"]) == ("default", "sep")
    assert first["v"] == pytest.approx([0.15, 0.3, 0.2])
    assert first["sd"] == pytest.approx([0.0, 0.1 / math.sqrt(2), 0.0])
    assert payload(LEFT, None) == []  # type: ignore[arg-type]
