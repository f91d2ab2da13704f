"""SVCCA (Raghu et al. 2017): the plain mean of the canonical correlations of the leading directions.

The directions kept are the fewest whose squared singular values hold the share asked for; the mean is over min(kx, ky)
correlations, all of them.
"""

from typing import Final

import numpy as np

from services.metrics.estimates.nulls import svcca_null
from services.metrics.similarity.correlations import NONE, correlations, has_null, weighted
from services.metrics.similarity.measure import KeptVariance, Measure, Measured, Options
from services.metrics.sums.pair_statistics import PairStatistics


def measure(pair: PairStatistics, options: Options) -> Measured:
    """SVCCA of a pair. The interval takes the kept directions as given.

    Raises:
        Degenerate: Fewer than 2 rows, or a constant view.
    """
    found = correlations(pair, "SVCCA", options.settings.variance)
    null = svcca_null(pair.n, found.kx, found.ky) if has_null(pair, found) else NONE
    weights = np.full(len(found.rho), 1.0 / len(found.rho))
    return weighted(pair, "SVCCA", found, weights=weights, null=null, settings={"var": options.settings.variance})


MEASURE: Final = Measure(
    summary="Mean canonical correlation of the leading directions, up to any invertible map.",
    estimators=("mean",),
    compute=measure,
    needs_moments=True,
    settings=KeptVariance,
)
