"""Mean cosine of the paired rows."""

from typing import Final

from services.metrics.errors import Degenerate
from services.metrics.estimates.intervals import student
from services.metrics.estimates.nulls import Null, cosine_null
from services.metrics.similarity.measure import NO_NULL, Measure, Measured, Options, bounded
from services.metrics.sums.pair_statistics import PairStatistics


def measure(pair: PairStatistics, options: Options) -> Measured:
    """Mean cosine of the paired rows, not centred.

    Raises:
        Degenerate: Unequal dimensions, no rows, or a row of zeros.
    """
    sums = pair.cosine()
    if sums.n < 1:
        raise Degenerate(f"Expected at least 1 row for a cosine, but got n=0 (d={pair.p})")
    mean = sums.total / sums.n
    variance = (sums.squares - sums.total * mean) / (sums.n - 1) if sums.n > 1 else 0.0
    kept, warnings = bounded(student(mean, variance, sums.n), -1.0, 1.0, clip=True)
    if sums.n > 1:
        null = cosine_null(sums, *pair.units())
    else:
        null = Null(0.0, 0.0, "none")
        warnings = (*warnings, NO_NULL)
    return Measured(mean, kept, null, warnings=warnings)


MEASURE: Final = Measure(
    summary="Mean cosine of the paired rows, neither centred nor aligned.",
    estimators=("mean",),
    compute=measure,
    needs_cosines=True,
)
