"""What each measure says of itself, and how a request's options are read."""

import pytest

from services.metrics.similarity import MEASURES, Options
from services.metrics.similarity.measure import KeptVariance, SubSample
from services.metrics.similarity.registry import describe_options, make
from services.runtime.errors import InvalidArgument

OPTIONS = {
    "cka": {}, "cca": {}, "procrustes": {}, "neuron_correlation": {}, "cosine": {},
    "svcca": {"variance": "0.99"}, "pwcca": {"variance": "0.99"},
    "rbf": {"sample": "2000", "seed": "0"},
}  # fmt: skip


def test_the_table_has_every_measure() -> None:
    assert OPTIONS.keys() == MEASURES.keys()


@pytest.mark.parametrize("name", MEASURES)
def test_a_measure_describes_itself_and_its_options(name: str) -> None:
    options = describe_options(name)
    assert {each.name: each.default for each in options} == OPTIONS[name]
    assert all(each.summary for each in options)
    assert MEASURES[name].summary.endswith(".")


@pytest.mark.parametrize(
    ("name", "estimator", "options", "expected"),
    [
        ("cka", "", {}, Options("cka", "debiased")),
        ("cka", "biased", {}, Options("cka", "biased")),
        ("svcca", "", {}, Options("svcca", "mean", KeptVariance(0.99))),
        ("svcca", "mean", {"variance": "0.5"}, Options("svcca", "mean", KeptVariance(0.5))),
        ("rbf", "", {"seed": "3"}, Options("rbf", "debiased", SubSample(2000, 3))),
    ],
)
def test_what_is_left_out_has_its_default(
    name: str, estimator: str, options: dict[str, str], expected: Options
) -> None:
    assert make(name, estimator, options, "m") == expected


@pytest.mark.parametrize(
    ("name", "estimator", "options", "field", "problem"),
    [
        ("ckaa", "", {}, "m.name", "did you mean 'cka'"),
        ("cka", "unbiased", {}, "m.estimator", "debiased, biased"),
        ("cka", "", {"variance": "0.9"}, "m.options[variance]", "no options of cka"),
        ("svcca", "", {"varience": "0.9"}, "m.options[varience]", "did you mean 'variance'"),
        ("svcca", "", {"variance": "0"}, "m.options[variance]", "within 0.001..1, but got '0'"),
        ("svcca", "", {"variance": "most"}, "m.options[variance]", "a number within 0.001..1, but got 'most'"),
        ("rbf", "", {"sample": "3"}, "m.options[sample]", "within 4..10000"),
    ],
)
def test_what_is_wrong_is_named(name: str, estimator: str, options: dict[str, str], field: str, problem: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        make(name, estimator, options, "m")
    assert caught.value.field == field
    assert problem in caught.value.problem
