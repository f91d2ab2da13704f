"""HSIC of linear kernels from a handful of sums, and the same sums with one row left out.

With rows centred, K = Xc Xc' has zero row sums, so that the diagonal-free sums of Song et al. (2012, equation 5)
collapse: `tr(K~L~) = <K, L> - S(kl)`, `1'K~1 = -S(k)`, `1'K~L~1 = S(kl)`, where k_i = |x_i|^2, l_i = |y_i|^2 about the
means and S is the sum over rows. HSIC_1 does not change when rows are translated, so this is the general case.
"""

from dataclasses import dataclass

import numpy as np

from services.metrics.arrays import F64, Scalars


@dataclass(frozen=True)
class HsicSums:
    """All that linear CKA needs, about the means. Each may be one number or one a left-out row.

    Args:
        n: Rows.
        xy: `|Xc'Yc|_F^2`, which equals `<K, L>`.
        xx: `|Xc'Xc|_F^2`.
        yy: `|Yc'Yc|_F^2`.
        kl: Sum of |x|^2 |y|^2.
        kk: Sum of |x|^4.
        ll: Sum of |y|^4.
        k: Sum of |x|^2, the trace of K.
        l: Sum of |y|^2, the trace of L.
    """

    n: int
    xy: Scalars
    xx: Scalars
    yy: Scalars
    kl: Scalars
    kk: Scalars
    ll: Scalars
    k: Scalars
    l: Scalars  # noqa: E741 - the diagonal of L, as in the formula


@dataclass(frozen=True, eq=False)
class RowTerms:
    """What single rows contribute: by these the sums without a row are exact. All [m] float64, about the means.

    Args:
        k: |x|^2.
        l: |y|^2.
        xy: x' Sxy y, where Sxy = Xc'Yc.
        xx: x' Sxx x.
        yy: y' Syy y.
        xk: x . sum |x|^2 x.
        xl: x . sum |y|^2 x.
        yk: y . sum |x|^2 y.
        yl: y . sum |y|^2 y.
    """

    k: F64
    l: F64  # noqa: E741 - the diagonal of L, as in the formula
    xy: F64
    xx: F64
    yy: F64
    xk: F64
    xl: F64
    yk: F64
    yl: F64


def biased_cka(sums: HsicSums) -> Scalars:
    """Linear CKA with the biased estimator (Kornblith et al. 2019, equation 4); NaN where a view is constant."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.divide(sums.xy, np.sqrt(sums.xx) * np.sqrt(sums.yy)))


def debiased_hsic(n: int, product: Scalars, squares: Scalars, left_trace: Scalars, right_trace: Scalars) -> Scalars:
    """HSIC_1 times n (n - 3) (Song et al. 2012, equation 5), for linear kernels about the means.

    Args:
        n: Rows, at least 4.
        product: <K, L>.
        squares: S(kl).
        left_trace: S(k).
        right_trace: S(l).
    """
    return product - squares * n / (n - 2) + left_trace * right_trace / ((n - 1) * (n - 2))


def debiased_cka(sums: HsicSums) -> Scalars:
    """Linear CKA from unbiased HSIC (Nguyen et al. 2020, equation 3).

    NaN where an HSIC of a view with itself is not positive.
    """
    xy = debiased_hsic(sums.n, sums.xy, sums.kl, sums.k, sums.l)
    xx = debiased_hsic(sums.n, sums.xx, sums.kk, sums.k, sums.k)
    yy = debiased_hsic(sums.n, sums.yy, sums.ll, sums.l, sums.l)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.divide(xy, np.sqrt(xx) * np.sqrt(yy)))


def without_row(sums: HsicSums, terms: RowTerms) -> HsicSums:
    """The sums of the n - 1 rows that remain when one is taken out, for each row of `terms`.

    Taking out x moves the mean by -x / (n - 1): Sxy becomes Sxy - c x y' with c = n / (n - 1), and each |x_j|^2 becomes
    |x_j|^2 + 2 x_j.x / (n - 1) + |x|^2 / (n - 1)^2.

    Returns:
        Sums whose fields are [m] float64.
    """
    n, m = sums.n, sums.n - 1
    c = n / m

    k, l = terms.k, terms.l  # noqa: E741 - the diagonal of L, as in the formula

    def product(total: Scalars, row: F64, squares: F64) -> F64:
        return np.asarray(total - 2 * c * row + c * c * squares)

    def fourth(total: Scalars, row: F64, squares: F64, cubes: F64, traces: F64) -> F64:
        moved = 2 / m * cubes + (4 * row + traces) / m**2 + n * squares / m**4
        return np.asarray(total + moved - c**4 * squares)

    return HsicSums(
        n=m,
        xy=product(sums.xy, terms.xy, k * l),
        xx=product(sums.xx, terms.xx, k * k),
        yy=product(sums.yy, terms.yy, l * l),
        kl=fourth(sums.kl, terms.xy, k * l, terms.yk + terms.xl, l * sums.k + k * sums.l),
        kk=fourth(sums.kk, terms.xx, k * k, 2 * terms.xk, 2 * k * sums.k),
        ll=fourth(sums.ll, terms.yy, l * l, 2 * terms.yl, 2 * l * sums.l),
        k=np.asarray(sums.k - c * k),
        l=np.asarray(sums.l - c * l),
    )
