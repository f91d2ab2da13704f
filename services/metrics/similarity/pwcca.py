"""PWCCA (Morcos et al. 2018): canonical correlations weighted by how much of the left view they account for.

The weight of correlation i is alpha_i = sum_j |<h_i, x_j>| over the centred columns x_j of the left view, where h_i is
its canonical variate of unit norm. The measure is therefore asymmetric: exchange the views of a pair to weigh by the
other side.
"""

from typing import Final

import numpy as np

from services.metrics.estimates.nulls import pwcca_null
from services.metrics.similarity.correlations import NONE, correlations, has_null, weighted
from services.metrics.similarity.measure import KeptVariance, Measure, Measured, Options
from services.metrics.sums.pair_statistics import PairStatistics
from services.metrics.sums.products import times


def measure(pair: PairStatistics, options: Options) -> Measured:
    """PWCCA of a pair. The interval takes kept directions and weights as given.

    Raises:
        Degenerate: Fewer than 2 rows, or a constant view.
    """
    found = correlations(pair, "PWCCA", options.settings.variance)
    loadings = pair.loadings(options.settings.variance)
    alpha = np.abs(times(np.ascontiguousarray(found.left.T), loadings)).sum(axis=1)
    null = pwcca_null(pair.n, found.kx, found.ky, loadings) if has_null(pair, found) else NONE
    settings: dict[str, str | int | float] = {"var": options.settings.variance, "weights": "left"}
    return weighted(pair, "PWCCA", found, weights=alpha / alpha.sum(), null=null, settings=settings)


MEASURE: Final = Measure(
    summary="Canonical correlations weighted by how much of the left view they account for.",
    estimators=("mean",),
    compute=measure,
    needs_moments=True,
    settings=KeptVariance,
)
