"""Colours and rows of the tables of fine-tuning."""

from collections.abc import Iterable

import pytest
from babelscope.data.jobs.sweep import SweepFigure
from babelscope.report.parts.fine_tuning import colour, findings, tables
from babelscope.study.sections.fine_tuning import Swept

DELTAS = (2.0, 5.0)


@pytest.mark.parametrize(
    ("delta", "wanted"),
    [(1.0, "up"), (0.04, "up"), (0.0, "up"), (-0.09, "down1"), (-1.99, "down1"), (-2.0, "down2"), (-2.14, "down2"),
     (-4.99, "down2"), (-5.0, "down3"), (-15.77, "down3"), (None, "")],
)  # fmt: skip
def test_the_colours_are_those_of_the_paper(delta: float | None, wanted: str) -> None:
    assert colour(delta, DELTAS) == wanted


def _swept(target: str, reinit: str, mean: float, *, source: str = "en", domain: str = "", **change: object) -> Swept:
    reference = {"en": 88.98, "X": 53.23, "fr": 74.04}[target]
    values = {
        "task": "parsing", "source": source, "target": target, "domain": domain, "part": "eval", "metric": "las",
        "estimator": "all", "reinit": reinit, "selection": "best", "setting": "s", "mean": mean, "deviation": None,
        "low": mean, "high": mean, "seeds": 5, "delta": mean - reference if reinit else None, "gap": None,
        "checkpoint": "c", "main": True,
    }  # fmt: skip
    return Swept("mBERT", SweepFigure(**{**values, **change}))  # type: ignore[arg-type]


def _paper() -> Iterable[Swept]:
    """English rows of table 1 for parsing, layers 1-2 and 11-12, and one of table 6."""
    yield _swept("en", "", 88.98)
    yield _swept("en", "1-2", 88.98 - 0.96)
    yield _swept("en", "11-12", 88.98 - 0.09)
    yield _swept("X", "", 53.23)
    yield _swept("X", "1-2", 53.23 - 15.77)
    yield _swept("X", "11-12", 53.23 + 1.00)
    yield _swept("fr", "", 74.04)
    yield _swept("fr", "1-2", 74.04 - 21.30)
    yield _swept("en", "1-2", 1.0, selection="best two")
    yield _swept("en", "1-2", 1.0, main=False, metric="uas")


def test_rows_of_table_1_of_the_paper() -> None:
    first, all_targets, scores = tables(list(_paper()))["tables"]
    assert first.head == ["Source – target", "REF", "Δ 1-2", "Δ 11-12"]
    said = [[(cell.text, cell.colour) for cell in row] for row in first.body]
    assert said == [
        [("en – English", ""), ("88.98", ""), ("−0.96", "down1"), ("−0.09", "down1")],
        [("en – X (mean)", ""), ("53.23", ""), ("−15.77", "down3"), ("+1.00", "up")],
    ]
    assert [row[0].text for row in all_targets.body] == ["en – English", "en – X (mean)", "en – French"]
    french = [(cell.text, cell.colour) for cell in scores.body[2]]
    assert french == [("en – French", ""), ("74.04", ""), ("52.74", "down3"), ("", "")]


def test_domains_have_a_table_of_their_own_where_there_are_any() -> None:
    listed = [*_paper(), _swept("fr", "", 71.29, domain="wiki"), _swept("fr", "1-2", 66.18, domain="wiki")]
    domains = tables(listed)["tables"][2]
    assert [row[0].text for row in domains.body] == ["en – English", "en – French, wiki"]


def test_the_finding_names_the_layers_that_other_languages_need_most() -> None:
    _, found = findings(list(_paper()), None)  # type: ignore[arg-type]
    assert "−15.77" in found.text
    assert "layers 1-2" in found.text
    assert "appears here" in found.text


def test_layers_that_the_source_needs_as_much_are_said_to_show_no_such_effect() -> None:
    listed = [_swept("en", "", 88.98), _swept("X", "", 53.23), _swept("en", "1-2", 60.0), _swept("X", "1-2", 50.0)]
    assert "does not appear here" in findings(listed, None)[-1].text  # type: ignore[arg-type]


def test_what_is_left_of_the_source_s_score_in_other_languages() -> None:
    found, _ = findings(list(_paper()), None)  # type: ignore[arg-type]
    assert found.figure == "60 %"
    assert "scores 89.0 there and 53.2 on average" in found.text
