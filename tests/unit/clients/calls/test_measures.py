"""Measures with options: as keywords, as a mapping, by position, and as strings."""

import pytest
from babelscope.calls.measures import Measure


@pytest.mark.parametrize(
    ("measure", "estimator", "options"),
    [
        (Measure("cka"), "", {}),
        (Measure("svcca", "", 0.9), "", {"variance": "0.9"}),
        (Measure("rbf", sample=100, seed=4), "", {"sample": "100", "seed": "4"}),
        (Measure("rbf", "rbf_biased", options={"sample": 100}), "rbf_biased", {"sample": "100"}),
        (Measure("new", deep=True, layers=[1, 2]), "", {"deep": "true", "layers": "1,2"}),
        (Measure.of("cka"), "", {}),
        (Measure.of("cka:biased"), "biased", {}),
        (Measure.of("svcca:variance=0.9"), "", {"variance": "0.9"}),
        (Measure.of("rbf:rbf_biased,sample=100,seed=4"), "rbf_biased", {"sample": "100", "seed": "4"}),
    ],
)
def test_options_travel_as_text(measure: Measure, estimator: str, options: dict[str, str]) -> None:
    message = measure.to_proto()
    assert (message.name, message.estimator, dict(message.options)) == (measure.name, estimator, options)


def test_measures_are_equal_by_all_that_they_say() -> None:
    assert Measure.of("svcca:variance=0.9") == Measure("svcca", variance=0.9)
    assert len({Measure("svcca", variance=0.9), Measure("svcca"), Measure("svcca")}) == 2


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("rbf:biased,3", "Expected NAME:key=value"),
        ("rbf:sample=3,sample=4", "each key once"),
        ("", "Expected a measure as NAME"),
        (":variance=0.9", "Expected a measure as NAME"),
    ],
)
def test_a_string_of_another_form_is_refused(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        Measure.of(text)
