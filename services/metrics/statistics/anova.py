"""One-way analysis of variance (Fisher 1925) with its effect sizes.

`F = (SSB / (k - 1)) / (SSW / (N - k))`; eta squared `SSB / (SSB + SSW)` (Pearson 1911), the share of variance
between the groups in this sample; omega squared `(SSB - (k - 1) MSW) / (SSB + SSW + MSW)` (Hays 1963), the same for
the population, which may fall below 0 where there is no effect and is not clipped.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from services.metrics.estimates.signature import signature
from services.metrics.statistics.samples import centred_and_scaled, sample
from services.runtime.errors import InvalidArgument


@dataclass(frozen=True)
class Anova:
    """An analysis of variance.

    Args:
        f: F statistic.
        p_value: Upper tail of the F distribution.
        df_between: k - 1 for k groups.
        df_within: N - k for N numbers.
        eta_squared: Share of variance between the groups.
        omega_squared: The same, freed of its bias.
        signature: All settings behind the number, in one line.
    """

    f: float
    p_value: float
    df_between: int
    df_within: int
    eta_squared: float
    omega_squared: float
    signature: str


def anova(groups: Mapping[str, Sequence[float]]) -> Anova:
    """One-way analysis of variance.

    Args:
        groups: At least two groups by name, each with at least one number, and more numbers than groups.

    Raises:
        InvalidArgument: Too few groups or numbers, or no variance within the groups that float64 can tell from the
            differences between them.
    """
    if len(groups) < 2:
        raise InvalidArgument("groups", f"Expected at least 2 groups, but got {len(groups)}")
    samples = [sample(values, f"groups[{index}].values", 1) for index, values in enumerate(groups.values())]
    sizes = np.array([len(values) for values in samples])
    total, k = int(sizes.sum()), len(samples)
    if total <= k:
        raise InvalidArgument(
            "groups", f"Expected more numbers than groups, but got n = {total} in {k}: no variance within a group"
        )
    if all(values.min() == values.max() for values in samples):
        raise InvalidArgument(
            "groups", f"Expected numbers that vary within a group, but all {k} groups (n = {total}) are constant"
        )
    # Sums of squares about the grand mean: F and both effect sizes do not change with a shift or a scale.
    pooled = centred_and_scaled(np.concatenate(samples))
    samples = np.split(pooled, np.cumsum(sizes)[:-1])
    means = np.array([values.mean() for values in samples])
    grand = float((sizes * means).sum() / total)
    between = float((sizes * (means - grand) ** 2).sum())
    within = float(sum(((values - mean) ** 2).sum() for values, mean in zip(samples, means, strict=True)))
    error = within / (total - k)
    f = between / (k - 1) / error if error > 0 else math.inf
    if not math.isfinite(f):
        raise InvalidArgument(
            "groups",
            f"Expected numbers that vary within a group, but in all {k} groups (n = {total}) they vary too little "
            "beside the differences between the groups to be told apart in double precision",
        )
    return Anova(
        f=f,
        p_value=float(stats.f.sf(f, k - 1, total - k)),
        df_between=k - 1,
        df_within=total - k,
        eta_squared=between / (between + within),
        omega_squared=(between - (k - 1) * error) / (between + within + error),
        signature=signature({"stat": "anova-one-way", "groups": k, "n": total, "p": "f-distribution"}),
    )
