"""Canonical correlations of a pair: what CCA, SVCCA and PWCCA have in common.

They differ in the directions kept and in the weights of the correlations; values, intervals and warnings are made here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import scipy.linalg

from services.metrics.arrays import F64
from services.metrics.errors import Degenerate
from services.metrics.estimates.intervals import influence
from services.metrics.estimates.nulls import Null
from services.metrics.similarity.measure import NO_NULL, Measured, bounded
from services.metrics.sums.pair_statistics import PairStatistics
from services.metrics.sums.products import times

_ROWS_A_DIRECTION: Final = 10
"""Rows a kept direction below which canonical correlations are mostly chance."""

NONE: Final = Null(0.0, 0.0, "none")
"""Where there are too few rows for a chance level."""


@dataclass(frozen=True, eq=False)
class Correlations:
    """The canonical correlations of a pair.

    Args:
        rho: [r] largest first, r = min(kx, ky), at most 1.
        influence: [m, r] influence function of each at the sampled rows, the kept directions taken as given.
        left: [kx, r] the left canonical variates in the coordinates of the left directions.
        kx: Directions kept of the left.
        ky: Directions kept of the right.
        lost: Number of wanted directions that rounding hides, of the left and of the right.
    """

    rho: F64
    influence: F64
    left: F64
    kx: int
    ky: int
    lost: tuple[int, int]


def correlations(pair: PairStatistics, name: str, variance: float | None) -> Correlations:
    """The correlations of the directions that hold a share of the variance.

    Correlation j has the influence u_j v_j - rho_j (u_j^2 + v_j^2) / 2 at an item whose canonical variates are u and v
    (Campbell 1982).

    Args:
        pair: The pair.
        name: Name of the measure, for messages.
        variance: Share of the variance kept; None for all directions, whatever the units of the columns.

    Raises:
        Degenerate: Fewer than 2 rows, or a constant view.
    """
    if pair.n < 2:
        raise Degenerate(f"Expected at least 2 rows for {name}, but got n={pair.n} (d={pair.p} and {pair.q})")
    canonical = pair.canonical(variance)
    kx, ky = canonical.product.shape
    left, rho, right = scipy.linalg.svd(canonical.product, full_matrices=False, check_finite=False)
    rho = np.minimum(rho, 1.0)
    u, v = times(canonical.left, left), times(canonical.right, right.T)
    return Correlations(rho, np.asarray(u * v - rho * (u * u + v * v) / 2), left, kx, ky, canonical.lost)


def has_null(pair: PairStatistics, found: Correlations) -> bool:
    """Whether there are rows enough for a chance level."""
    return found.kx < pair.n and found.ky < pair.n


def weighted(
    pair: PairStatistics,
    name: str,
    found: Correlations,
    *,
    weights: F64,
    null: Null,
    settings: Mapping[str, str | int | float],
) -> Measured:
    """A weighted mean of canonical correlations.

    Args:
        pair: The pair.
        name: Name of the measure, for messages.
        found: Its correlations.
        weights: [r] adding up to 1, taken as given by the interval.
        null: Chance level.
        settings: For the signature.
    """
    value = float(found.rho @ weights)
    k = max(found.kx, found.ky)
    interval = influence(value, found.influence @ weights, pair.n) if pair.n - 1 - k > 0 else None
    kept, warnings = bounded(interval, 0.0, 1.0, clip=True)
    if null is NONE:
        warnings = (*warnings, NO_NULL)
    for side, used, lost in (("left", found.kx, found.lost[0]), ("right", found.ky, found.lost[1])):
        warnings = (*warnings, *_lost(name, side, used, lost))
    if pair.n < _ROWS_A_DIRECTION * k:
        warnings = (
            *warnings,
            f"n={pair.n} is below 10 k={_ROWS_A_DIRECTION * k} (kept {found.kx} and {found.ky} directions): "
            f"{name} of unrelated rows is {null.mean:.3f} here",
        )
    return Measured(value, kept, null, found.kx, found.ky, settings, warnings)


def _lost(name: str, side: str, kept: int, lost: int) -> tuple[str, ...]:
    """A warning where directions of a side are left out that the share of the variance asks for."""
    if not lost:
        return ()
    return (
        f"{name} uses {kept} of {kept + lost} directions of the {side} view: the variance of the other {lost} is "
        "within the rounding of the largest, as of columns that are linearly dependent or nearly so",
    )
