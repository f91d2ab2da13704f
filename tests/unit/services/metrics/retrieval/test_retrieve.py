"""Retrieval: what must not change a rank, small cases by hand, and what is refused."""

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.metrics.errors import Degenerate
from services.metrics.retrieval import Gold, hits, reciprocal, retrieve
from services.metrics.retrieval.index import retrieve_by_index
from services.metrics.retrieval.nearest import Nearest
from services.metrics.retrieval.products import Products
from services.metrics.retrieval.sides import Side
from services.runtime.errors import FailedPrecondition


def _views(seed, n, m, d, *, equal):
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((n, d)), rng.standard_normal((m, d))
    if equal:
        x[rng.integers(0, n, n // 3)] = x[0]
        y[rng.integers(0, m, m // 3)] = y[0]
    return x.astype(np.float32), y.astype(np.float32)


shapes = st.tuples(st.integers(0, 2**32 - 1), st.integers(10, 90), st.integers(1, 12), st.booleans())


@settings(max_examples=40)
@given(shapes, st.booleans())
def test_permuting_both_sides_together_changes_nothing(shape, centre):
    seed, n, d, equal = shape
    x, y = _views(seed, n, n, d, equal=equal)
    order = np.random.default_rng(seed + 1).permutation(n)
    before, after = retrieve(x, y, centre=centre), retrieve(x[order], y[order], centre=centre)
    for name in before:
        np.testing.assert_array_equal(before[name].forward[order], after[name].forward)
        np.testing.assert_array_equal(before[name].backward[order], after[name].backward)


@settings(max_examples=30)
@given(shapes, st.integers(10, 90))
def test_the_order_of_candidates_and_of_gold_pairs_changes_nothing(shape, m):
    seed, n, d, equal = shape
    x, y = _views(seed, n, m, d, equal=equal)
    rng = np.random.default_rng(seed + 2)
    left, right = np.unique(rng.integers(0, (n, m), (20, 2)), axis=0).T
    order, shuffled = rng.permutation(m), rng.permutation(len(left))
    before = retrieve(x, y, gold=Gold(left, right))
    after = retrieve(x, y[order], gold=Gold(left[shuffled], np.argsort(order)[right][shuffled]))
    for name in before:
        np.testing.assert_array_equal(before[name].forward, after[name].forward)
        assert sorted(before[name].backward) == sorted(after[name].backward)


@settings(max_examples=30)
@given(shapes)
def test_exchanging_the_sides_exchanges_the_directions(shape):
    seed, n, d, equal = shape
    x, y = _views(seed, n, n, d, equal=equal)
    one, other = retrieve(x, y), retrieve(y, x)
    for name in one:
        np.testing.assert_array_equal(one[name].forward, other[name].backward)
        np.testing.assert_array_equal(one[name].backward, other[name].forward)


@settings(max_examples=20)
@given(shapes, st.floats(1e-6, 1e6))
def test_a_rotation_and_a_scale_of_both_sides_change_no_rank(shape, scale):
    seed, n, d, _ = shape
    x, y = (rows.astype(np.float64) for rows in _views(seed, n, n, d, equal=False))
    rotation = np.linalg.qr(np.random.default_rng(seed).standard_normal((d, d)))[0]
    before, after = retrieve(x, y), retrieve(scale * x @ rotation, y @ rotation)
    for name in before:
        np.testing.assert_array_equal(before[name].forward, after[name].forward)


def test_ranks_by_hand():
    x = np.array([[1.0, 0], [0, 1], [1, 1]])
    y = np.array([[1.0, 0.1], [1, 1], [0, 1.0]])
    found = retrieve(x, y, ("cosine",))["cosine"]
    assert found.forward.tolist() == [1, 2, 3]
    assert hits(found.forward, 2) == 2
    assert reciprocal(found.forward) == pytest.approx([1, 1 / 2, 1 / 3])
    assert hits(np.array([0, 1]), 5) == 1
    assert reciprocal(np.array([0, 4])).tolist() == [0, 0.25]


@pytest.mark.parametrize(
    ("x", "y", "options", "message"),
    [
        (np.ones((3, 4)), np.ones((3, 5)), {}, "equal dimensions for a cosine, but got p=4 and q=5"),
        (np.ones((0, 4)), np.ones((0, 4)), {}, r"at least 1 row to retrieve, but got n=0 \(d=4\)"),
        (np.ones((9, 4)), np.ones((9, 4)), {}, r"at least csls_k=10 rows for CSLS, but got n=9 \(d=4\)"),
        (np.ones((30, 4)), np.ones((9, 4)), {}, r"csls_k=10 rows for CSLS, but got n=30 and 9 \(d=4\)"),
        (np.ones((9, 4)), np.ones((8, 4)), {"similarities": ("cosine",)}, "n=9 and 8"),
        (
            np.ones((9, 4)),
            np.diag(np.arange(9.0))[:, :4],
            {"similarities": ("cosine",)},
            r"row 0 of n=9 is zero \(d=4\)",
        ),
        (
            np.ones((9, 4)),
            np.ones((9, 4)),
            {"similarities": ("cosine",), "centre": True},
            "once the mean is subtracted",
        ),
    ],
)
def test_degenerate_input_is_refused(x, y, options, message):
    with pytest.raises(Degenerate, match=message):
        retrieve(x, y, **options)


@pytest.mark.parametrize("work", [retrieve, lambda x, y, **rest: retrieve_by_index(x, y, kind="ivf", **rest)])
def test_no_gold_pair_is_refused(work):
    rows = np.eye(12)
    none = np.zeros(0, np.int64)
    with pytest.raises(Degenerate, match=r"at least 1 gold pair, but got none \(n=12 and 12, d=12\)"):
        work(rows, rows, gold=Gold(none, none))


def test_an_index_without_its_package_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(FailedPrecondition, match=r"babelscope\[faiss\]"):
        retrieve_by_index(np.eye(12), np.eye(12), kind="hnsw")


def test_work_can_be_stopped_between_tiles():
    class Stop(Exception):
        pass

    def check():
        raise Stop

    with pytest.raises(Stop):
        retrieve(np.eye(12), np.eye(12), check=check)


@pytest.mark.parametrize("scale", [1.0, 30.0])
@pytest.mark.parametrize("blocked", [None, False])
def test_the_stated_error_of_scores_holds(scale, blocked):
    """Every float32 score lies within the slack of its float64 value, by a wide margin."""
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(3)
    x = (rng.standard_normal((500, 768)) + scale).astype(np.float32)
    y = (x + rng.standard_normal((500, 768))).astype(np.float32)
    device = torch.device("cpu")
    products = Products(Side(x, False, device), Side(y, False, device), blocked=blocked)
    exact = products.exact_tile(slice(0, 500), slice(0, 500)) - products.origin
    ((_, tile),) = products.tiles(0)
    error = (tile[:500, :500].double() - exact).abs()
    slack = products.slack(exact.abs().amax(dim=1), of_rows=True)
    assert float((error.amax(dim=1) / slack).max()) < 0.7
    assert float(slack.max()) < 3e-6


def test_the_nearest_of_rows_and_columns_as_tiles_come():
    torch = pytest.importorskip("torch")
    scores = torch.from_numpy(np.random.default_rng(1).standard_normal((96, 160)).astype(np.float32))
    of_rows, of_columns = (Nearest(n, 5, torch.device("cpu")) for n in scores.shape)
    for top in range(0, 96, 32):
        for start in range(0, 160, 40):
            tile = scores[top : top + 32, start : start + 40].contiguous()
            of_rows.see_rows(tile, slice(top, top + 32), slice(start, start + 40))
            of_columns.see_columns(tile, slice(top, top + 32), slice(start, start + 40))
    for found, expected in ((of_rows, scores.topk(5, dim=1)), (of_columns, scores.T.topk(5, dim=1))):
        np.testing.assert_array_equal(found.values, expected.values)
        np.testing.assert_array_equal(found.indices, expected.indices)
