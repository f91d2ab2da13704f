"""Retrieval against brute force over the whole matrix of scores."""

import numpy as np
import pytest

from services.metrics.retrieval import retrieve
from services.metrics.retrieval.products import TILE_COLUMNS, TILE_ROWS
from tests.support import metrics_references as reference


def assert_ranks(x, y, **options):
    found = retrieve(x, y, **options)
    expected = reference.ranks(x, y, k=options.get("csls_k", 10), centre=options.get("centre", False))
    for name, ranks in found.items():
        np.testing.assert_array_equal(ranks.forward, expected[name][0], err_msg=f"{name} forward")
        np.testing.assert_array_equal(ranks.backward, expected[name][1], err_msg=f"{name} backward")


@pytest.mark.parametrize("n", [10, 11, TILE_ROWS - 1, TILE_ROWS + 1, 1500])
@pytest.mark.parametrize("d", [2, 19, 64])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_ranks_are_those_of_brute_force(n, d, dtype):
    x, y = reference.related(np.random.default_rng(n + d), n, d, d, noise=2.0)
    y = x + 0.8 * y
    assert_ranks(x.astype(dtype), y.astype(dtype))


@pytest.mark.slow
def test_more_candidates_than_a_tile_has_columns():
    n = TILE_COLUMNS + 300
    rng = np.random.default_rng(2)
    x = rng.standard_normal((n, 12)).astype(np.float32)
    y = x + 0.5 * rng.standard_normal((n, 12)).astype(np.float32)
    assert_ranks(x, y)


@pytest.mark.parametrize("centre", [False, True])
def test_rows_in_a_narrow_cone(centre):
    """Anisotropic rows, cosines of 0.99 and more: near ties everywhere, as real models have them."""
    rng = np.random.default_rng(4)
    x = rng.standard_normal((700, 48)) + 30
    y = x + 0.7 * rng.standard_normal((700, 48))
    assert_ranks(x.astype(np.float32), y.astype(np.float32), centre=centre)


def test_equal_rows_rank_worst():
    rng = np.random.default_rng(6)
    x = rng.standard_normal((400, 16)).astype(np.float32)
    y = x + 0.1 * rng.standard_normal((400, 16)).astype(np.float32)
    y[100:140] = y[100]
    x[7:300:7] = x[7]
    assert_ranks(x, y)


def test_all_rows_equal():
    x = np.ones((300, 5), np.float32)
    found = retrieve(x, x)
    for ranks in found.values():
        assert set(ranks.forward) == set(ranks.backward) == {300}


@pytest.mark.parametrize("k", [1, 3, 25])
def test_csls_with_other_neighbourhoods(k):
    x, y = reference.related(np.random.default_rng(k), 333, 10, 10, noise=1.5)
    assert_ranks(x, y, similarities=("csls",), csls_k=k)
