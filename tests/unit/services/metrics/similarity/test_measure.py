"""What each measure says of its options."""

import pytest

from services.metrics.similarity import MEASURES
from services.metrics.similarity.measure import describe_options

OPTIONS = {
    "cka": {}, "cca": {}, "procrustes": {}, "neuron_correlation": {}, "cosine": {},
    "svcca": {"variance": "0.99"}, "pwcca": {"variance": "0.99"},
    "rbf": {"sample": "2000", "seed": "0"},
}  # fmt: skip


def test_the_table_has_every_measure() -> None:
    assert OPTIONS.keys() == MEASURES.keys()


@pytest.mark.parametrize("name", MEASURES)
def test_a_measure_describes_its_estimator_and_its_options(name: str) -> None:
    measure = MEASURES[name]
    estimator, *others = describe_options(measure)
    assert (estimator.name, estimator.default, estimator.choices) == (
        "estimator",
        measure.estimators[0],
        measure.estimators,
    )
    assert {each.name: each.default for each in others} == OPTIONS[name]
    assert all(each.summary for each in others)
    assert measure.default_sample == int(OPTIONS[name].get("sample", 0))
    assert measure.default_variance == float(OPTIONS[name].get("variance", 0))
