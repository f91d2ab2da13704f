"""Gaps of a job's figures, whose languages may be spelled in any way."""

from dataclasses import replace

import pytest

from services.trainer.specs import JobFigure
from services.trainer.works.desk import gap_warnings, with_gaps


def _figure(target: str, value: float, part: str = "eval", domain: str = "") -> JobFigure:
    return JobFigure(part, "zh", target, "accuracy", "micro", value, value, value, 9, "s", domain=domain)


@pytest.mark.parametrize("own", ["zh", "cmn", "zho_Hans"])
def test_the_gap_is_to_the_set_of_the_source_in_any_spelling(own: str) -> None:
    given = (_figure("en", 60.0), _figure(own, 90.0), _figure("zh-Hant", 80.0), _figure(own, 75.0, domain="web"))
    found = with_gaps((*given, _figure("en", 50.0, part="dev")))
    assert [each.gap for each in found] == [30.0, None, 10.0, None, None]
    assert [each.gap for each in with_gaps(given[::2])] == [None, None]


def test_a_set_that_is_scored_in_another_way_than_the_sources_is_named() -> None:
    """Answers in Arabic are normalised by another rule than English ones, so that their figures have no difference."""
    own, alike = _figure("zh", 90.0), _figure("fr", 70.0)
    other = [replace(_figure("ar", 60.0, domain=domain), estimator="char") for domain in ("", "web")]
    found = with_gaps((own, alike, *other))
    assert [each.gap for each in found] == [None, 20.0, None, None]
    assert gap_warnings(found) == ("No gap of accuracy for ar, ar/web: scored by char, the source by micro",)
    assert gap_warnings((alike, *other)) == gap_warnings((own, alike)) == ()
