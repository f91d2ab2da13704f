"""Measures of similarity: one file a family, and the list by which requests name them.

A new measure is a new file with a `Measure` and a line in `MEASURES`.
"""

from typing import Final

from services.metrics.similarity import cca, cka, cosine, neuron_correlation, procrustes, pwcca, rbf, svcca
from services.metrics.similarity.measure import Measure, Measured, Options

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
"""By the name that requests use."""

__all__ = ["MEASURES", "Measure", "Measured", "Options"]
