"""Retrieval of words against brute force in float64: several right answers, vocabularies of unequal size."""

import numpy as np
import pytest

from services.metrics.retrieval import Gold, locate, retrieve
from services.metrics.retrieval import products as tiles
from services.metrics.retrieval.index import retrieve_by_index
from tests.support import word_references as reference


def words(seed, n, m, d, queries, *, noise=1.0):
    """Two vocabularies; some rows have one to four right answers on the other side, and some of these share them."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, d)) + 1.5
    y = rng.standard_normal((m, d)) + 1.5
    left, right = [], []
    for source in rng.choice(n, queries, replace=False):
        for target in rng.choice(m, rng.integers(1, 5), replace=False):
            y[target] = x[source] + noise * rng.standard_normal(d)
            left.append(source)
            right.append(target)
    pairs = np.unique(np.array([left, right]).T, axis=0)
    return x, y, Gold(pairs[:, 0].copy(), pairs[:, 1].copy())


def assert_ranks(x, y, gold, **options):
    found = retrieve(x, y, gold=gold, **options)
    expected = reference.ranks(x, y, gold, options.get("csls_k", 10))
    for name, ranks in found.items():
        np.testing.assert_array_equal(ranks.forward, expected[name][0], err_msg=f"{name} forward")
        np.testing.assert_array_equal(ranks.backward, expected[name][1], err_msg=f"{name} backward")


@pytest.mark.parametrize(("n", "m", "queries"), [(11, 40, 5), (700, 333, 60), (600, 2300, 600), (60, 50, 60)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_ranks_are_those_of_brute_force(n, m, queries, dtype):
    x, y, gold = words(n, n, m, 24, queries)
    assert_ranks(x.astype(dtype), y.astype(dtype), gold)


@pytest.mark.parametrize("similarities", [("cosine",), ("csls",)])
def test_few_queries_go_by_narrow_passes(similarities):
    x, y, gold = words(3, 1200, 900, 16, 7)
    assert_ranks(x, y, gold, similarities=similarities)


def test_equal_rows_rank_worst_but_for_right_answers():
    x, y, gold = words(5, 300, 300, 12, 50, noise=0.3)
    copied = np.flatnonzero(np.isin(np.arange(300), gold.right))[:20]
    others = np.setdiff1d(np.arange(300), gold.right)[:20]
    y[others] = y[copied]
    x[100:120] = x[5]
    assert_ranks(x.astype(np.float32), y.astype(np.float32), gold)


def test_two_right_answers_that_tie_do_not_stand_in_each_other_s_way():
    x = np.eye(4)
    y = np.array([[1.0, 0, 0, 0], [1.0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [1.0, 0, 0, 0]])
    found = retrieve(x, y, ("cosine",), gold=Gold(np.array([0, 0]), np.array([0, 1])))["cosine"]
    assert found.forward.tolist() == [2]  # the third row like it is no right answer
    assert found.backward.tolist() == [1, 1]


@pytest.mark.parametrize("similarities", [("cosine",), ("csls",), ("cosine", "csls")])
def test_tiles_of_any_size_give_the_same_ranks(monkeypatch, similarities):
    x, y, gold = words(8, 150, 260, 20, 90, noise=2.0)
    monkeypatch.setattr(tiles, "TILE_ROWS", 32)
    monkeypatch.setattr(tiles, "TILE_COLUMNS", 64)
    for kept in (0, 1 << 30):
        monkeypatch.setattr(tiles, "_KEPT_BYTES", kept)
        assert_ranks(x, y, gold, similarities=similarities)


def test_torch_s_own_product_gives_the_same_ranks(monkeypatch):
    """What runs on CUDA and on processors without AVX-512."""
    monkeypatch.setattr(tiles, "has_blocked_kernels", lambda device: False)
    x, y, gold = words(9, 500, 400, 48, 120, noise=2.0)
    assert_ranks(x.astype(np.float32), y.astype(np.float32), gold)


def test_outlier_dimensions_and_halves_that_cancel():
    """Partial sums that leave far from the product they end at, as concatenated layers make them."""
    rng = np.random.default_rng(11)
    x = rng.standard_normal((800, 128))
    x[:, 3] *= 40
    y = np.concatenate([x[:, :64], -x[:, 64:]], axis=1) + rng.standard_normal((800, 128))
    assert_ranks(x.astype(np.float32), y.astype(np.float32), Gold.aligned(800))


def test_rows_far_from_the_range_of_float32():
    x, y, gold = words(12, 80, 70, 9, 30)
    scale = 10.0 ** np.linspace(-300, 300, 80)[:, None]
    found, expected = retrieve(x * scale, y * scale[:70], gold=gold), reference.ranks(x, y, gold)
    for name, ranks in found.items():
        np.testing.assert_array_equal(ranks.forward, expected[name][0])
        np.testing.assert_array_equal(ranks.backward, expected[name][1])


def test_many_equal_neighbours():
    """More equal rows than neighbours are kept: which of them are nearest must not matter."""
    x, y, gold = words(13, 400, 300, 10, 80, noise=0.5)
    y[200:] = y[200]
    x[300:] = x[300]
    assert_ranks(x.astype(np.float32), y.astype(np.float32), gold)


def test_gold_by_id_counts_what_vocabularies_lack():
    left, right = {"dog": 0, "cat": 1, "sun": 2}, {"Hund": 0, "Katze": 1, "Kater": 2}
    pairs = [("cat", "Katze"), ("cat", "Kater"), ("dog", "Hund"), ("dog", "Hund"), ("sun", "Sonne"), ("fox", "Hund")]
    gold, coverage = locate(pairs, left, right)
    assert list(zip(gold.left, gold.right, strict=True)) == [(0, 0), (1, 1), (1, 2)]
    assert (coverage.sources, coverage.covered, coverage.missing) == (4, 2, ("sun", "fox"))
    assert gold.answers(forward=True).tolist() == [1, 2]


@pytest.mark.parametrize("kind", ["ivf", "hnsw"])
def test_an_index_that_finds_everything_gives_the_exact_ranks(kind):
    pytest.importorskip("faiss")
    x, y, gold = words(14, 90, 80, 16, 40, noise=0.7)
    found = retrieve_by_index(x.astype(np.float32), y.astype(np.float32), kind=kind, gold=gold)
    expected = reference.ranks(x, y, gold)
    assert set(found.forward.found) == set(found.backward.found) == {10}
    for name, ranks in found.ranks.items():
        np.testing.assert_array_equal(ranks.forward, expected[name][0], err_msg=name)
        np.testing.assert_array_equal(ranks.backward, expected[name][1], err_msg=name)


@pytest.mark.parametrize("kind", ["ivf", "hnsw"])
def test_the_recall_of_an_index_is_that_of_its_lists(kind):
    """Points without clusters and few lists searched: the index misses some, and says how many."""
    pytest.importorskip("faiss")
    rng = np.random.default_rng(15)
    x = rng.standard_normal((5000, 48)).astype(np.float32)
    y = (x + 0.8 * rng.standard_normal((5000, 48))).astype(np.float32)
    exact = retrieve(x, y, ("cosine",))["cosine"]
    found = retrieve_by_index(x, y, ("cosine",), kind=kind)
    recall = np.mean(found.forward.found) / found.forward.k
    assert 0.2 < recall < 1.0 if kind == "ivf" else recall > 0.8
    ranks = found.ranks["cosine"].forward
    assert np.mean((ranks > 0) & (ranks <= 10)) <= np.mean(exact.forward <= 10)
    assert np.all(ranks[ranks > 0] <= exact.forward[ranks > 0])
