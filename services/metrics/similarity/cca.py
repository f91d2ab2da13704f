"""CCA (Hotelling 1936): the plain mean of all canonical correlations, invariant to any invertible map of either side.

All directions count that are not 0 by rounding, whatever the units of the columns. With n <= d rows every correlation
is 1 whatever the data: the null says so.
"""

from typing import Final

import numpy as np

from services.metrics.estimates.nulls import svcca_null
from services.metrics.similarity.correlations import NONE, correlations, has_null, weighted
from services.metrics.similarity.measure import Measure, Measured, Options
from services.metrics.sums.pair_statistics import PairStatistics


def measure(pair: PairStatistics, options: Options) -> Measured:
    """Mean canonical correlation of a pair.

    Raises:
        Degenerate: Fewer than 2 rows, or a constant view.
    """
    found = correlations(pair, "CCA", None)
    null = svcca_null(pair.n, found.kx, found.ky) if has_null(pair, found) else NONE
    weights = np.full(len(found.rho), 1.0 / len(found.rho))
    return weighted(pair, "CCA", found, weights=weights, null=null, settings={})


MEASURE: Final = Measure(
    summary="Mean of all canonical correlations, up to any invertible map.",
    estimators=("mean",),
    compute=measure,
    needs_moments=True,
    needs_exact=True,
)
