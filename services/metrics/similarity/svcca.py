"""SVCCA (Raghu et al. 2017): the plain mean of the canonical correlations of the leading directions.

The directions kept are the fewest whose squared singular values hold the share asked for; the mean is over min(kx, ky)
correlations, all of them.
"""

from typing import Final

import numpy as np
import scipy.linalg

from services.metrics.errors import Degenerate
from services.metrics.intervals import influence
from services.metrics.nulls import Null, svcca_null
from services.metrics.pairs import PairStatistics
from services.metrics.products import times
from services.metrics.similarity.measure import NO_NULL, Measure, Measured, Options, bounded

_ROWS_A_DIRECTION: Final = 10
"""Rows a kept direction below which canonical correlations are mostly chance."""


def measure(pair: PairStatistics, options: Options) -> Measured:
    """SVCCA of a pair.

    The interval takes the kept directions as given: correlation j has the influence u_j v_j - rho_j (u_j^2 + v_j^2) / 2
    at an item whose canonical variates are u and v (Campbell 1982).

    Raises:
        Degenerate: Fewer than 2 rows, or a constant view.
    """
    if pair.n < 2:
        raise Degenerate(f"Expected at least 2 rows for SVCCA, but got n={pair.n} (d={pair.p} and {pair.q})")
    canonical = pair.canonical(options.variance)
    kx, ky = canonical.product.shape
    left, rho, right = scipy.linalg.svd(canonical.product, full_matrices=False, check_finite=False)
    rho = np.minimum(rho, 1.0)
    value = float(rho.mean())
    u, v = times(canonical.left, left), times(canonical.right, right.T)
    values = np.mean(u * v - rho * (u * u + v * v) / 2, axis=1)
    room = pair.n - 1 - max(kx, ky)
    interval = influence(value, values, pair.n) if room > 0 else None
    kept, warnings = bounded(interval, 0.0, 1.0, clip=True)
    if kx < pair.n and ky < pair.n:
        null = svcca_null(pair.n, kx, ky)
    else:
        null = Null(0.0, 0.0, "none")
        warnings = (*warnings, NO_NULL)
    if pair.n < _ROWS_A_DIRECTION * max(kx, ky):
        warnings = (
            *warnings,
            f"n={pair.n} is below 10 k={_ROWS_A_DIRECTION * max(kx, ky)} (kept {kx} and {ky} directions): "
            f"SVCCA of unrelated rows is {null.mean:.3f} here",
        )
    return Measured(value, kept, null, kx, ky, {"var": options.variance}, warnings)


MEASURE: Final = Measure(estimators=("mean",), compute=measure, needs_moments=True, default_variance=0.99)
