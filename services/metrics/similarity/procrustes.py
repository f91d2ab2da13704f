"""Orthogonal Procrustes distance of centred views of norm 1 (Ding et al. 2021; Williams et al. 2021).

With A = Xc / |Xc|_F and B = Yc / |Yc|_F, the smallest |A R - B|_F over orthogonal maps R (views of unequal widths are
padded with zeros) is sqrt(2 - 2 s), where s = |A'B|_* is the nuclear norm of the cross-covariance. The estimator
`distance` is that distance, a metric within 0..sqrt(2); `similarity` is s itself, within 0..1, and 1 - s is half the
squared distance that Ding et al. report.
"""

import math
from typing import Final

from services.metrics.errors import Degenerate, all_equal
from services.metrics.estimates.intervals import Interval, influence
from services.metrics.estimates.rotations import procrustes_null
from services.metrics.similarity.measure import NO_INTERVAL, Measure, Measured, Options
from services.metrics.sums.pair_statistics import PairStatistics


def measure(pair: PairStatistics, options: Options) -> Measured:
    """Procrustes distance or similarity of a pair.

    The influence of an item on s is (x'R y - N) / sqrt(t u) - s / 2 (|x|^2 / t + |y|^2 / u - 2), with the nuclear norm
    N and the traces t and u of the covariances; the best R is taken as given. The interval of the distance is that of
    s, transformed.

    Raises:
        Degenerate: Fewer than 2 rows, or a constant view.
    """
    n = pair.n
    if n < 2:
        raise Degenerate(f"Expected at least 2 rows for Procrustes, but got n={n} (d={pair.p} and {pair.q})")
    sums = pair.procrustes()
    for side, d, trace in (("left", pair.p, sums.left), ("right", pair.q, sums.right)):
        if not trace > 0:
            raise all_equal(n, d, side)
    scale = math.sqrt(sums.left) * math.sqrt(sums.right)
    similarity = min(sums.nuclear / scale, 1.0)
    influences = n * (
        sums.fitted / scale - similarity / 2 * (sums.left_squares / sums.left + sums.right_squares / sums.right)
    )
    found = influence(similarity, influences, n) if n > max(pair.p, pair.q) else None
    warnings: tuple[str, ...] = () if found else (NO_INTERVAL,)
    interval = Interval(max(found.low, 0.0), min(found.high, 1.0), found.name) if found else Interval(0.0, 1.0, "none")
    distance = options.estimator == "distance"
    null = procrustes_null(n, *pair.spectra(), distance=distance)
    if n < 10 * max(pair.p, pair.q):
        warnings = (
            *warnings,
            f"n={n} is below 10 d={10 * max(pair.p, pair.q)}: Procrustes {options.estimator} of unrelated rows is "
            f"{null.mean:.3f} here",
        )
    if distance:
        low, high = (math.sqrt(2 - 2 * end) for end in (interval.high, interval.low))
        return Measured(math.sqrt(2 - 2 * similarity), Interval(low, high, interval.name), null, warnings=warnings)
    return Measured(similarity, interval, null, warnings=warnings)


MEASURE: Final = Measure(
    summary="Distance or similarity of two centred views of norm 1 after the best rotation.",
    estimators=("distance", "similarity"),
    compute=measure,
    needs_moments=True,
)
