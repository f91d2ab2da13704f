"""Statistics against SciPy: permutation tests, analysis of variance by regression, bootstraps of means and ratios."""

import numpy as np
import pytest
from scipy import stats

from services.metrics.scores.base import estimates
from services.metrics.statistics import anova, compare_systems, correlate
from tests.support.scored import question, taken, text, tree

COEFFICIENTS = {
    "pearson": lambda x, y: stats.pearsonr(x, y).statistic,
    "spearman": lambda x, y: stats.spearmanr(x, y).statistic,
    "kendall": lambda x, y: stats.kendalltau(x, y).statistic,
}


@pytest.mark.parametrize("method", COEFFICIENTS)
@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("n", [4, 5, 6])
def test_exact_p_values_are_those_of_scipys_permutation_test(method: str, ties: bool, n: int) -> None:
    rng = np.random.default_rng(n)
    x, y = rng.standard_normal(n), rng.standard_normal(n)
    if ties:
        x, y = np.round(x), np.round(y * 2)
        x[0], y[0] = x[1] + 1, y[1] + 1
    expected = stats.permutation_test(
        (x,), lambda chosen: COEFFICIENTS[method](chosen, y), permutation_type="pairings", n_resamples=np.inf
    )
    # SciPy doubles the smaller tail; ours counts |r|. Both are exact for their definition: take SciPy's distribution.
    share = np.mean(np.abs(expected.null_distribution) >= abs(expected.statistic) - 1e-9)
    (found,) = correlate(x, y, [method])
    assert found.value == pytest.approx(expected.statistic, rel=1e-9)
    assert found.p_value == pytest.approx(share, rel=1e-9)


@pytest.mark.parametrize("method", COEFFICIENTS)
def test_intervals_hold_the_truth_about_95_times_of_100(method: str) -> None:
    rng = np.random.default_rng(7)
    rho, held = 0.5, 0
    # Of normal pairs: rank correlations follow from rho (Kendall and Gibbons 1990, chapters 9 and 10).
    angle = np.arcsin(rho), 6 / np.pi * np.arcsin(rho / 2), 2 / np.pi * np.arcsin(rho)
    truth = {"pearson": rho, "spearman": angle[1], "kendall": angle[2]}[method]
    for _ in range(400):
        x = rng.standard_normal(30)
        y = rho * x + np.sqrt(1 - rho**2) * rng.standard_normal(30)
        (found,) = correlate(x, y, [method], permutations=1)
        held += found.low <= truth <= found.high
    # Three standard errors of 400 draws, and the formulas are approximate: 0.92 to 0.99.
    assert 0.92 <= held / 400 <= 0.99


@pytest.mark.parametrize("seed", range(5))
def test_effect_sizes_are_those_of_a_regression_on_the_groups(seed: int) -> None:
    rng = np.random.default_rng(seed)
    groups = {str(k): rng.standard_normal(int(rng.integers(2, 9))) + 0.4 * k + 1e3 for k in range(4)}
    values = np.concatenate(list(groups.values()))
    labels = np.repeat(range(4), [len(each) for each in groups.values()])
    design = (labels[:, None] == np.arange(4)).astype(float)
    centred = values - values.mean()
    fitted = design @ np.linalg.lstsq(design, centred, rcond=None)[0]
    within, total, n = ((centred - fitted) ** 2).sum(), (centred**2).sum(), len(values)
    reference = stats.f_oneway(*groups.values())
    found = anova(groups)
    assert found.f == pytest.approx(reference.statistic, rel=1e-8)
    assert found.p_value == pytest.approx(reference.pvalue, rel=1e-8)
    assert found.eta_squared == pytest.approx(1 - within / total, rel=1e-8)
    assert found.omega_squared == pytest.approx(
        3 * (reference.statistic - 1) / (3 * (reference.statistic - 1) + n), rel=1e-8
    )
    assert found.omega_squared < found.eta_squared


def test_paired_bootstrap_is_near_scipys_percentile_bootstrap() -> None:
    rng = np.random.default_rng(3)
    second = rng.exponential(size=60)
    first = second + 0.2 * rng.exponential(size=60) - 0.1
    found = compare_systems(first, second, resamples=20_000, seed=1)
    expected = stats.bootstrap((first - second,), np.mean, n_resamples=20_000, method="percentile", rng=5)
    interval = expected.confidence_interval
    width = interval.high - interval.low
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high), abs=0.03 * width)


def test_the_p_value_of_equal_systems_is_uniform() -> None:
    rng = np.random.default_rng(4)
    found = [
        compare_systems(rng.standard_normal(50), rng.standard_normal(50), resamples=300, seed=seed).p_value
        for seed in range(300)
    ]
    assert stats.kstest(found, "uniform").pvalue > 0.001


def test_intervals_of_scores_are_near_scipys_bootstrap_of_their_sums() -> None:
    rng = np.random.default_rng(6)

    def sentence(key: int) -> tuple[object, object]:
        size = int(rng.integers(1, 12))
        said, gold = (
            tree(*[(int(head), "obj") for head in rng.integers(0, size + 1, size)], key=str(key)) for _ in range(2)
        )
        return said, gold

    table = taken("parsing", [sentence(key) for key in range(80)]).table()
    found = {one.metric: one for one in estimates("parsing", table, resamples=20_000) if one.estimator == "all"}
    expected = stats.bootstrap(
        (table.rows[:, 0], table.rows[:, 2]), lambda heads, words: 100 * heads.sum() / words.sum(),
        n_resamples=4_000, method="percentile", paired=True, vectorized=False, rng=2,
    ).confidence_interval  # fmt: skip
    width = expected.high - expected.low
    assert (found["uas"].low, found["uas"].high) == pytest.approx((expected.low, expected.high), abs=0.05 * width)


@pytest.mark.parametrize(("score", "count"), [("qa", 50), ("bleu1", 50)])
def test_intervals_narrow_with_the_root_of_the_items(score: str, count: int) -> None:
    rng = np.random.default_rng(8)

    def items(size: int) -> list[tuple[object, object]]:
        said = [" ".join(rng.choice(list("abcd"), 5)) for _ in range(size)]
        gold = [" ".join(rng.choice(list("abcd"), 5)) for _ in range(size)]
        right = question if score == "qa" else text
        return [(text(a, str(key)), right(b, key=str(key))) for key, (a, b) in enumerate(zip(said, gold, strict=True))]

    widths = []
    for size in (count, 16 * count):
        one = estimates(score, taken(score, items(size)).table(), resamples=2000)[1]
        widths.append(one.high - one.low)
    assert widths[0] / widths[1] == pytest.approx(4, rel=0.3)
