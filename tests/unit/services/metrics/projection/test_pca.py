"""Principal components: a table by hand, what they do not depend on, signs, and rows that determine nothing."""

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.metrics.projection.pca import signed
from services.runtime.errors import InvalidArgument, LimitExceeded
from tests.support.projections import projected, table


def test_worked_out_by_hand() -> None:
    # About the mean (2, 1) the rows are (-3, 0), (3, 0), (0, -1), (0, 1): variances 18 and 2 of 20.
    found = projected([table([[-1.0, 1], [5, 1]], "en"), table([[2.0, 0], [2, 2]], "fr")])
    np.testing.assert_allclose(found[0, 0], [[-3, 0], [3, 0]], atol=1e-15)
    np.testing.assert_allclose(found[1, 0], [[0, -1], [0, 1]], atol=1e-15)
    assert found[-1, 0].shares == pytest.approx((0.9, 0.1), rel=1e-12)
    assert found[-1, 0].signature == (
        "proj:pca|components:2|n:4|dim:2|views:2|pool:pushed|centre:all-rows|form:covariance|sign:largest-positive|v:"
        + found[-1, 0].signature.rpartition(":")[2]
    )


def test_each_layer_has_axes_of_its_own() -> None:
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((40, 3, 5)) * [1, 2, 3, 4, 5]
    found = projected([table(rows[:25], "en", (2, 5, 7)), table(rows[25:], "fr", (7, 2, 5))])
    alone = projected([table(rows[:25, 1], "en"), table(rows[25:, 2], "fr")])
    np.testing.assert_allclose(found[0, 5], alone[0, 0], atol=1e-12)
    np.testing.assert_allclose(found[1, 5], alone[1, 0], atol=1e-12)
    assert sorted({layer for _, layer in found}) == [2, 5, 7]


def test_the_largest_entry_is_positive_and_the_first_of_equals_decides() -> None:
    axes = np.array([[0.6, -0.5, 0.5], [-0.8, 0.5, -0.5], [0.0, -0.5, 0.5 + 1e-9], [0.0, 0.5, 0.5]])
    np.testing.assert_array_equal(signed(axes), axes * [-1, -1, 1])
    np.testing.assert_array_equal(signed(-axes), signed(axes))


@given(st.integers(0, 999), st.sampled_from([(9, 4), (4, 9), (30, 5)]), st.floats(-100, 100), st.floats(0.01, 100))
@settings(max_examples=40, deadline=None)
def test_what_the_coordinates_do_not_depend_on(seed: int, shape: tuple[int, int], shift: float, scale: float) -> None:
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal(shape) * np.linspace(1, 3, shape[1])
    base = projected([table(rows)])
    order = rng.permutation(len(rows))
    turned = projected([table(rows[order])])
    np.testing.assert_allclose(turned[0, 0], base[0, 0][order], atol=1e-8)
    moved = projected([table(rows * scale + shift)])
    np.testing.assert_allclose(moved[0, 0], base[0, 0] * scale, atol=1e-8 * max(1, scale))
    assert moved[-1, 0].shares == pytest.approx(base[-1, 0].shares, rel=1e-8)
    turn = np.linalg.qr(rng.standard_normal((shape[1], shape[1])))[0]
    spun = projected([table(rows @ turn)])
    np.testing.assert_allclose(np.abs(spun[0, 0]), np.abs(base[0, 0]), atol=1e-7)


@given(st.integers(0, 99))
@settings(max_examples=20, deadline=None)
def test_coordinates_are_uncorrelated_and_shares_sum_to_one(seed: int) -> None:
    rows = np.random.default_rng(seed).standard_normal((12, 5))
    found = projected([table(rows)], components=5)
    scatter = found[0, 0].T @ found[0, 0]
    np.testing.assert_allclose(scatter, np.diag(np.diag(scatter)), atol=1e-10)
    assert sum(found[-1, 0].shares) == pytest.approx(1)
    assert list(found[-1, 0].shares) == sorted(found[-1, 0].shares, reverse=True)


def test_chance_level_of_independent_rows() -> None:
    # Marchenko and Pastur (1967): the largest eigenvalue of n x d normal rows is near (1 + sqrt(d / n))^2.
    rows = np.random.default_rng(3).standard_normal((2000, 100))
    found = projected([table(rows)])
    assert found[-1, 0].shares[0] * 100 == pytest.approx((1 + np.sqrt(100 / 2000)) ** 2, rel=0.03)


@pytest.mark.parametrize("shape", [(40, 6), (5, 6)])
def test_axes_without_variance_are_zero_and_told(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(1)
    rows = np.outer(rng.standard_normal(shape[0]), rng.standard_normal(shape[1])) + 7
    found = projected([table(rows)], components=3)
    assert found[-1, 0].shares == (pytest.approx(1), 0, 0)
    assert not found[0, 0][:, 1:].any()
    assert found[-1, 0].warnings == ("Only 1 of 3 components have variance: the others are 0",)


RNG = np.random.default_rng(2)


@pytest.mark.parametrize(
    ("views", "components", "field", "words"),
    [
        ([RNG.standard_normal((1, 4))], 1, "spec.views", "at least 2 rows in all views together, but got n = 1, d = 4"),
        ([RNG.standard_normal((3, 9))], 3, "spec.components", "at most min(n - 1, d) = 2 components for n = 3, d = 9"),
        ([RNG.standard_normal((9, 3))], 4, "spec.components", "at most min(n - 1, d) = 3 components for n = 9, d = 3"),
        ([np.full((5, 3), 0.1), np.full((2, 3), 0.1)], 2, "spec.views", "all n = 7 are equal; pca of views '0', '1'"),
        ([np.full((2, 30), 1e9 / 3)], 1, "spec.views", "layer 0, n = 2, d = 30"),
        ([np.ones((4, 3)), np.ones((4, 2))], 1, "spec.views[1]", "d = 3 as in view '0' in view '1' as well, but got d"),
        ([np.ones((4, 1, 3)), np.ones((4, 2, 3))], 1, "spec.views[1].layers", "0, in view '1' as well, but got 0, 1"),
    ],
)  # fmt: skip
def test_rows_that_determine_nothing_are_typed_errors(views: Any, components: int, field: str, words: str) -> None:
    with pytest.raises(InvalidArgument) as error:
        projected([table(each, str(index)) for index, each in enumerate(views)], components=components)
    assert error.value.field == field
    assert words in error.value.problem


@pytest.mark.parametrize("value", [0.1, 1 / 3, 1e9 / 3, 123456.789])
@pytest.mark.parametrize("n", [3, 2100])
def test_equal_rows_are_never_taken_for_variance(value: float, n: int) -> None:
    with pytest.raises(InvalidArgument, match="are equal"):
        projected([table(np.full((n, 4), value) * [1, 2, 3, 7])], components=1)


def test_what_does_not_fit_the_memory_names_the_limit() -> None:
    with pytest.raises(LimitExceeded) as error:
        projected([table(RNG.standard_normal((60, 50)))], budget=1000)
    assert error.value.subject == "work_bytes"
    assert "layer 0 for n = 60, d = 50" in error.value.problem


def test_coordinates_past_float32_are_told() -> None:
    rows = (RNG.standard_normal((9, 40)).astype(np.float32) > 0) * np.float32(3e38)
    with pytest.raises(InvalidArgument, match="send rows as float64"):
        projected([table(rows)])


@pytest.mark.parametrize(("n", "d"), [(60_000, 40), (1200, 2000)])
def test_memory_does_not_grow_with_the_rows(tmp_path: Path, n: int, d: int) -> None:
    path = tmp_path / "rows"
    with path.open("wb") as file:
        for start in range(0, n, 1000):
            np.random.default_rng(start).standard_normal((min(1000, n - start), d), dtype=np.float32).tofile(file)
    views = [table(np.memmap(path, np.float32, "r", shape=(n, 1, d)))]
    matrix = 8 * min(n, d) * (min(n, d) + 2)
    tracemalloc.start()
    found = projected(views, budget=max(matrix, 1 << 20))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found[0, 0].shape == (n, 2)
    # Coordinates twice, the matrix, and blocks of rows of a quarter of the budget; all rows in float64 are 19 MB.
    assert peak < 40 * n + 1.3 * matrix + 4_000_000 < 8 * n * d + matrix


def test_long_views_come_in_pieces() -> None:
    rows = RNG.standard_normal((3000, 60))
    found = projected([table(rows)], components=60)
    assert found[0, 0].shape == (3000, 60)
    first = found[-1, 0].coordinates
    assert (1 << 19) < first.nbytes <= 1 << 20
