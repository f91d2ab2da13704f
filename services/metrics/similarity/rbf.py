"""CKA with a Gaussian kernel (Kornblith et al. 2019, section 3) on a stated sub-sample of the rows.

The kernel is exp(-D / (2 s^2)) with s^2 the median of the squared distances that are not 0, on each side by itself. It
needs all pairs of rows, hence a sub-sample: the rows of smallest seeded hash of their ids, which does not depend on the
order of the rows and merges. `debiased` is the ratio of unbiased HSIC; `rbf_biased` is what the public script of
Conneau et al. (2020) computes.
"""

from dataclasses import replace
from typing import Final

from services.metrics.errors import Degenerate
from services.metrics.similarity import cka
from services.metrics.similarity.measure import Measure, Measured, Options, SubSample
from services.metrics.sums.grams import GramPair
from services.metrics.sums.kernels import kernel_side, radial_kernel
from services.metrics.sums.pair_statistics import PairStatistics


def measure(pair: PairStatistics, options: Options) -> Measured:
    """RBF CKA of a pair, its interval by the delete-one jackknife with the bandwidths taken as given.

    Raises:
        Degenerate: Too few rows, equal rows, or an unbiased HSIC of a view with itself that is not positive.
    """
    left, right = pair.sampled(options.settings.sample, options.settings.seed)
    m = len(left)
    if m < cka.LEAST_DEBIASED:
        raise Degenerate(
            f"Expected at least {cka.LEAST_DEBIASED} rows for RBF CKA, but got n={m} (d={pair.p} and {pair.q})"
        )
    x, y = radial_kernel(left), radial_kernel(right)
    sides = GramPair(kernel_side(x.gram, pair.p), kernel_side(y.gram, pair.q))
    linear = "debiased" if options.estimator == "debiased" else "biased"
    found = cka.of_sums(sides, linear)
    bandwidths = f"{x.bandwidth:.6g}/{y.bandwidth:.6g}"
    settings: dict[str, str | int | float] = {"rows": m, "seed": options.settings.seed, "bw": bandwidths}
    warnings = found.warnings
    if m < pair.n:
        warnings = (*warnings, f"measured on {m} of n={pair.n} rows")
    return replace(found, settings=settings, warnings=warnings, rows=m)


MEASURE: Final = Measure(
    summary="Centred kernel alignment with a Gaussian kernel of median bandwidth, on a seeded sub-sample of the rows.",
    estimators=("debiased", "rbf_biased"),
    compute=measure,
    settings=SubSample,
    needs_moments=False,
)
