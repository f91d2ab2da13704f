"""Principal components against NumPy's SVD of the stacked rows, and roughly against scikit-learn's incremental ones."""

import numpy as np
import pytest

from services.metrics.projection.scatter import Scatter
from tests.support.projections import by_svd, projected, table


def views(n: int, d: int, seed: int = 0) -> list[np.ndarray]:
    """Three views of unequal size with means of their own and a falling spectrum."""
    rng = np.random.default_rng(seed)
    spread = np.linspace(3, 1, d) * rng.permutation(np.linspace(1, 2, d))
    turn = np.linalg.qr(rng.standard_normal((d, d)))[0]
    sizes = [n // 2, n // 3, n - n // 2 - n // 3]
    return [(rng.standard_normal((size, d)) + rng.standard_normal(d)) * spread @ turn for size in sizes]


@pytest.mark.parametrize(("n", "d"), [(6, 40), (40, 40), (60, 20), (2500, 24), (1100, 1200), (5000, 64)])
@pytest.mark.parametrize("components", [1, 2, 4])
def test_coordinates_and_shares_are_the_svds(n: int, d: int, components: int) -> None:
    arrays = views(n, d)
    found = projected([table(each, str(i)) for i, each in enumerate(arrays)], components=components)
    expected, shares = by_svd(arrays, components)
    for index, each in enumerate(expected):
        scale = np.abs(np.concatenate(expected)).max(axis=0)
        np.testing.assert_allclose(found[index, 0] / scale, each / scale, rtol=0, atol=1e-9)
    np.testing.assert_allclose(found[-1, 0].shares, shares, rtol=1e-9)
    assert f"form:{'gram' if n <= d else 'covariance'}" in found[-1, 0].signature


@pytest.mark.parametrize(("n", "d"), [(30, 50), (4000, 30)])
@pytest.mark.parametrize(
    ("shift", "scale", "columns"),
    [
        (1e3, 1.0, 1.0),  # a mean of a thousand times the spread
        (1e6, 1e-3, 1.0),
        (0.0, 1e150, 1.0),  # squares overflow
        (0.0, 1e-170, 1.0),  # squares vanish
        (0.0, 1.0, 1e6),  # one column a million times the others: squares lose the others in rounding
        (1e3, 1.0, 1e5),
    ],
)
def test_bad_shifts_and_scales(n: int, d: int, shift: float, scale: float, columns: float) -> None:
    arrays = [each * np.append(columns, np.ones(d - 1)) + shift for each in views(n, d)]
    scaled = [each * scale for each in arrays]
    found = projected([table(each, str(i)) for i, each in enumerate(scaled)], components=3)
    expected, shares = by_svd(arrays, 3)
    size = np.abs(np.concatenate(expected)).max(axis=0)
    for index, each in enumerate(expected):
        np.testing.assert_allclose(found[index, 0] / scale / size, each / size, rtol=0, atol=1e-6)
    np.testing.assert_allclose(found[-1, 0].shares, shares, rtol=1e-6)


@pytest.mark.parametrize("n", [20, 3000])
def test_float32_rows_far_from_the_origin(n: int) -> None:
    arrays = [(each + 1e3).astype(np.float32) for each in views(n, 25)]
    found = projected([table(each, str(i)) for i, each in enumerate(arrays)])
    expected, _ = by_svd(arrays, 2)
    for index, each in enumerate(expected):
        assert found[index, 0].dtype == np.float32
        np.testing.assert_allclose(found[index, 0], each, rtol=0, atol=1e-6 * np.abs(each).max())


@pytest.mark.parametrize("cuts", [(1,), (1023, 1025), (3, 700, 1024, 2999)])
def test_streamed_equals_at_once(cuts: tuple[int, ...]) -> None:
    rows = np.concatenate(views(3000, 12)) + 1e3
    whole = projected([table(rows)], components=3)
    parts = np.split(rows, cuts)
    found = projected([table(each, str(i)) for i, each in enumerate(parts)], components=3)
    split = np.concatenate([found[index, 0] for index in range(len(parts))])
    np.testing.assert_allclose(split, whole[0, 0], rtol=0, atol=1e-9)
    # A budget that holds no more than the covariance: rows come in the smallest blocks.
    small = projected([table(rows)], components=3, budget=8 * 12 * 15)
    np.testing.assert_allclose(small[0, 0], whole[0, 0], rtol=0, atol=1e-9)


def test_sums_of_shards_merge_to_those_of_the_whole() -> None:
    rows = np.concatenate(views(500, 9)) + 1e3
    expected = (rows - rows.mean(axis=0)).T @ (rows - rows.mean(axis=0))

    def sums(*parts: np.ndarray) -> Scatter:
        found = Scatter(9)
        for part in parts:
            found.add(part.copy())
        return found

    first, second, third = np.split(rows, (7, 301))
    left, right = sums(first, second), sums(third)
    left.merge(right)
    turned = sums(third)
    turned.merge(sums(second))
    turned.merge(sums(first))
    turned.merge(Scatter(9))
    for found in (left, turned):
        assert found.n == 500
        np.testing.assert_allclose(found.mean, rows.mean(axis=0), rtol=1e-12)
        np.testing.assert_allclose(np.tril(found.lower), np.tril(expected), rtol=1e-9, atol=1e-9 * expected.max())


def test_roughly_scikit_learns_incremental_components() -> None:
    decomposition = pytest.importorskip("sklearn.decomposition")
    rows = np.random.default_rng(0).standard_normal((3000, 16)) * np.append([9, 5], np.linspace(2, 1, 14))
    model = decomposition.IncrementalPCA(2, batch_size=250).fit(rows)
    found = projected([table(rows)])
    np.testing.assert_allclose(found[-1, 0].shares, model.explained_variance_ratio_, rtol=0.02)
    expected = model.transform(rows)
    for axis in range(2):
        assert abs(np.corrcoef(expected[:, axis], found[0, 0][:, axis])[0, 1]) > 0.98
