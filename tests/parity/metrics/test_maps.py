"""Rotations against SciPy's, longer formulas and the field's definitions."""

from typing import Any

import numpy as np
import pytest
import scipy.linalg

from services.metrics.maps.base import Problem
from services.metrics.maps.orthogonal import rotation
from services.metrics.maps.procrustes import Procrustes, ProcrustesOptions
from services.metrics.sums.accumulate import nothing


@pytest.mark.parametrize(("n", "d"), [(8, 3), (300, 64), (40, 64)])
@pytest.mark.parametrize(("scale", "shift"), [(1.0, 0.0), (1e-6, 0.0), (1.0, 1e3)])
def test_rotations_are_those_of_scipy(n: int, d: int, scale: float, shift: float) -> None:
    rng = np.random.default_rng((n, d))
    x = scale * rng.standard_normal((n, d)) + shift
    y = rng.standard_normal((n, d)) + shift
    found = rotation(x, y)
    expected, _ = scipy.linalg.orthogonal_procrustes(x, y)
    assert np.linalg.norm(x @ found.matrix - y) == pytest.approx(np.linalg.norm(x @ expected - y), rel=1e-12)
    if n >= d and not shift:
        np.testing.assert_allclose(found.matrix, expected, rtol=0, atol=1e-9)


def test_no_random_rotation_fits_better() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((50, 4)), rng.standard_normal((50, 4))
    best = np.linalg.norm(x @ rotation(x, y).matrix - y)
    for _ in range(2000):
        turn = np.linalg.qr(rng.standard_normal((4, 4)))[0]
        assert np.linalg.norm(x @ turn - y) >= best


def iterative(rows: Any) -> Any:
    """Zhang et al. 2019, section 3.2, five rounds, in long double."""
    rows = np.asarray(rows, np.longdouble)
    for _ in range(5):
        rows = rows / np.sqrt((rows * rows).sum(axis=1, keepdims=True))
        rows = rows - rows.sum(axis=0) / len(rows)
    return (rows / np.sqrt((rows * rows).sum(axis=1, keepdims=True))).astype(np.float64)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_procrustes_after_iterative_normalisation(dtype: Any) -> None:
    rng = np.random.default_rng(1)
    x, y = (rng.standard_normal((500, 32)).astype(dtype) + 1 for _ in range(2))
    y = (0.3 * y + x @ np.linalg.qr(rng.standard_normal((32, 32)))[0]).astype(dtype)
    pairs = np.stack([np.arange(200)] * 2, axis=1)
    ids = tuple(map(str, range(500)))
    found = Procrustes().fit(Problem(x, y, pairs, ids, ids), ProcrustesOptions(), check=nothing, tell=lambda *_: None)
    left, right = iterative(x), iterative(y)
    expected, _ = scipy.linalg.orthogonal_procrustes(left[:200], right[:200])
    np.testing.assert_allclose(found.source.matrix, expected, rtol=0, atol=1e-9)
    np.testing.assert_allclose(found.source.transform(x), left @ expected, rtol=0, atol=1e-9)
    np.testing.assert_allclose(found.target.transform(y), right, rtol=0, atol=1e-12)
    cosines = np.einsum("ij,ij->i", left[:200] @ expected, right[:200])
    assert found.trace == pytest.approx([cosines.mean()], rel=1e-12)
