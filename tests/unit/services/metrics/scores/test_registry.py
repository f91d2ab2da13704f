"""All scores: what they say of themselves."""

import pytest

from services.metrics.scores.registry import SCORES, describe_options, make
from services.runtime.errors import InvalidArgument


@pytest.mark.parametrize("name", SCORES)
def test_a_score_describes_its_options_and_those_of_all(name: str) -> None:
    *own, resamples, seed = describe_options(name)
    assert [resamples.name, seed.name] == ["resamples", "seed"]
    assert all(each.summary for each in own)
    written = {each.name: each.default for each in (*own, resamples, seed) if each.default}
    score, samples, _ = make(name, "en", written)
    assert score.name == name
    assert samples == 1000


@pytest.mark.parametrize(
    ("name", "options"),
    [("bleu1", ["tokens"]), ("qa", ["normaliser"]), ("span_f1", ["repair", "scheme", "types"]), ("nli", ["labels"])],
)
def test_the_options_of_a_score_come_before_those_of_all(name: str, options: list[str]) -> None:
    assert [each.name for each in describe_options(name)] == [*options, "resamples", "seed"]


def test_a_mistake_in_a_value_is_told_with_what_is_allowed() -> None:
    with pytest.raises(InvalidArgument, match="Expected a value of upos, ner, but got 'upo'; did you mean 'upos'"):
        make("tagging", "en", {"tag": "upo"})
    with pytest.raises(InvalidArgument, match=r"Expected a whole number within 1\.\.100000, but got '0'"):
        make("nli", "en", {"resamples": "0"})
