"""Linear centred kernel alignment, debiased and biased.

Biased: Kornblith et al. (2019), equation 4. Debiased: the ratio of unbiased HSIC estimates (Song et al. 2012, equation
5; Nguyen et al. 2020, equation 3), which is about 0 for unrelated rows whatever n and d, may fall a little below 0 or
above 1, and is not clipped.
"""

from typing import Final, Protocol

import numpy as np

from services.metrics.errors import Degenerate, all_equal
from services.metrics.estimates.intervals import jackknife
from services.metrics.estimates.nulls import Null, biased_cka_null, debiased_cka_null
from services.metrics.similarity.measure import NO_NULL, Measure, Measured, Options, bounded
from services.metrics.sums.hsic import HsicSums, RowTerms, biased_cka, debiased_cka, debiased_hsic, without_row
from services.metrics.sums.pair_statistics import PairStatistics

LEAST_DEBIASED: Final = 4
"""Rows below which the unbiased HSIC does not exist."""


def measure(pair: PairStatistics, options: Options) -> Measured:
    """Linear CKA of a pair.

    Raises:
        Degenerate: Too few rows, constant features, or an unbiased HSIC of a view with itself that is not positive.
    """
    return of_sums(pair, options.estimator)


class SummedPair(Protocol):
    """The part of a pair that CKA asks for."""

    @property
    def p(self) -> int:
        """Dimensions of the left rows."""

    @property
    def q(self) -> int:
        """Dimensions of the right rows."""

    def hsic(self) -> HsicSums:
        """The sums."""

    def terms(self) -> RowTerms:
        """The terms of rows."""


def of_sums(pair: SummedPair, estimator: str) -> Measured:
    """CKA of a pair, whatever the kernel behind its sums.

    Raises:
        Degenerate: In the same cases as `measure`.
    """
    sums = pair.hsic()
    debiased = estimator == "debiased"
    _check(sums, pair, debiased=debiased)
    estimate = debiased_cka if debiased else biased_cka
    value = float(np.asarray(estimate(sums)))
    interval = None
    if sums.n > (LEAST_DEBIASED if debiased else 2):
        interval = jackknife(value, np.asarray(estimate(without_row(sums, pair.terms()))), sums.n)
    kept, warnings = bounded(interval, -1.0 if debiased else 0.0, 1.0, clip=not debiased)
    if debiased:
        null = debiased_cka_null(sums.n)
    elif sums.n >= LEAST_DEBIASED:
        null = biased_cka_null(sums)
    else:
        null = Null(0.0, 0.0, "none")
        warnings = (*warnings, NO_NULL)
    if not debiased and sums.n < max(pair.p, pair.q):
        warnings = (
            *warnings,
            f"n={sums.n} is below d={max(pair.p, pair.q)}: biased CKA of unrelated rows is {null.mean:.3f} here",
        )
    return Measured(value, kept, null, warnings=warnings)


def _check(sums: HsicSums, pair: SummedPair, *, debiased: bool) -> None:
    """Refuses data of which CKA is not defined."""
    least = LEAST_DEBIASED if debiased else 2
    if sums.n < least:
        kind = "debiased" if debiased else "biased"
        raise Degenerate(f"Expected at least {least} rows for {kind} CKA, but got n={sums.n} (d={pair.p} and {pair.q})")
    sides = (("left", pair.p, sums.xx, sums.kk, sums.k), ("right", pair.q, sums.yy, sums.ll, sums.l))
    for side, d, product, fourth, trace in sides:
        if not float(np.asarray(product)) > 0:
            raise all_equal(sums.n, d, side)
        if debiased:
            own = float(np.asarray(debiased_hsic(sums.n, product, fourth, trace, trace)))
            # Rows on a simplex have an HSIC_1 of exactly 0; rounding leaves a trace of either sign.
            if not own > 1e-12 * float(np.asarray(product)):
                raise Degenerate(
                    f"Expected an unbiased HSIC of the {side} rows with themselves above 0, but got {own:.3g} "
                    f"(n={sums.n}, d={d}): the rows have no structure that n rows could show; give more rows"
                )


MEASURE: Final = Measure(
    summary="Linear centred kernel alignment: likeness of the geometry of two views, up to rotation and scale.",
    estimators=("debiased", "biased"),
    compute=measure,
    needs_moments=True,
)
