"""The measures by name, and what a request says of one. A new one is a new file with a `Measure` and one line here."""

from collections.abc import Mapping
from typing import Final

from services.metrics.similarity import cca, cka, cosine, neuron_correlation, procrustes, pwcca, rbf, svcca
from services.metrics.similarity.measure import Measure, Options
from services.runtime.options import OptionInfo, Place, describe, read
from services.runtime.suggestions import unknown

MEASURES: Final[dict[str, Measure]] = {
    "cka": cka.MEASURE,
    "rbf": rbf.MEASURE,
    "svcca": svcca.MEASURE,
    "cca": cca.MEASURE,
    "pwcca": pwcca.MEASURE,
    "procrustes": procrustes.MEASURE,
    "neuron_correlation": neuron_correlation.MEASURE,
    "cosine": cosine.MEASURE,
}
"""Measures by the name that requests use."""


def describe_options(name: str) -> tuple[OptionInfo, ...]:
    """The options of a measure beside its estimator."""
    return describe(MEASURES[name].settings)


def make(name: str, estimator: str, options: Mapping[str, str], field: str) -> Options:
    """A measure with all its settings.

    Args:
        name: Name of the measure.
        estimator: Variant of the measure; the first of its estimators where empty.
        options: Options of the measure by name, as strings.
        field: Path of the measure in the request.

    Raises:
        InvalidArgument: There is no such measure, estimator or option, or an option's value is wrong.
    """
    if name not in MEASURES:
        raise unknown(f"{field}.name", "a measure", name, tuple(MEASURES))
    measure = MEASURES[name]
    chosen = estimator or measure.estimators[0]
    if chosen not in measure.estimators:
        raise unknown(f"{field}.estimator", f"an estimator of {name}", chosen, measure.estimators)
    return Options(name, chosen, read(measure.settings, options, Place(f"{field}.options", name)))
