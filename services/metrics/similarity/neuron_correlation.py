"""Average neuron-wise correlation: the mean over j of Pearson's r between column j of the two views.

Nothing is aligned, so it is invariant only to scale and shift of single columns: it asks whether the same neuron does
the same thing, which makes sense for two views through one model (or two trained from the same start).
"""

from typing import Final

import numpy as np

from services.metrics.errors import Degenerate
from services.metrics.estimates.intervals import influence
from services.metrics.estimates.nulls import Null
from services.metrics.similarity.measure import Measure, Measured, Options, bounded
from services.metrics.sums.pair_statistics import PairStatistics


def measure(pair: PairStatistics, options: Options) -> Measured:
    """Average correlation of columns of the same number.

    Correlation j has the influence u v - r_j (u^2 + v^2) / 2 at an item with standardised entries u and v. Over all n!
    pairings the mean is 0 and the variance |Rx o Ry| / ((n - 1) d^2), the sum of the products of the entries of the two
    correlation matrices (Hoeffding 1951, theorem 2).

    Raises:
        Degenerate: Unequal dimensions, fewer than 3 rows, or no column that varies on both sides.
    """
    n, d = pair.n, pair.p
    if pair.p != pair.q:
        raise Degenerate(
            f"Expected views of equal dimensions for neuron correlation, but got p={pair.p} and q={pair.q}"
        )
    if n < 3:
        raise Degenerate(f"Expected at least 3 rows for neuron correlation, but got n={n} (d={d})")
    sums = pair.neurons()
    used = len(sums.correlations)
    if not used:
        raise Degenerate(f"Expected columns that vary on both sides, but none of d={d} does (n={n})")
    r = np.clip(sums.correlations, -1.0, 1.0)
    value = float(r.mean())
    u, v = sums.left, sums.right
    values = np.mean(u * v - r * (u * u + v * v) / 2, axis=1)
    kept, warnings = bounded(influence(value, values, n), -1.0, 1.0, clip=True)
    if used < d:
        warnings = (*warnings, f"{d - used} of d={d} columns are constant on a side and left out")
    null = Null(0.0, float(np.sqrt(max(sums.spread, 0.0) / (n - 1))) / used, "permutation-moments")
    return Measured(value, kept, null, used, used, warnings=warnings)


MEASURE: Final = Measure(
    summary="Mean correlation of each dimension with the same dimension of the other view.",
    estimators=("mean",),
    compute=measure,
    needs_moments=True,
)
