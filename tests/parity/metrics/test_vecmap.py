"""VecMap's single steps against the formulas, by other routes than the source takes."""

from typing import Any

import numpy as np
import pytest
import scipy.linalg

from services.metrics.maps.vecmap.start import similarity_profiles, unsupervised_start
from services.metrics.maps.vecmap.symmetric import symmetric_map
from services.metrics.sums.accumulate import nothing


def draw(seed: int, n: int = 60, d: int = 7) -> tuple[Any, Any]:
    """Rows that share some directions, each side with scales of its own."""
    rng = np.random.default_rng(seed)
    shared = rng.standard_normal((n, d))
    left = shared @ rng.standard_normal((d, d)) + 0.3 * rng.standard_normal((n, d))
    right = shared @ rng.standard_normal((d, d)) + 0.3 * rng.standard_normal((n, d))
    return left, right


def unit_centre_unit(rows: Any) -> Any:
    rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    rows = rows - rows.mean(axis=0)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.mark.parametrize(("n", "d"), [(12, 5), (5, 12), (9, 9)])
def test_profiles_are_the_sorted_rows_of_the_matrix_root(n: int, d: int) -> None:
    rows = np.random.default_rng(n).standard_normal((n, d))
    root = np.real(scipy.linalg.sqrtm(rows @ rows.T + 1e-18 * np.eye(n)))
    np.testing.assert_allclose(similarity_profiles(rows), np.sort(root, axis=1), atol=2e-6)


def test_the_start_is_that_of_whole_matrices() -> None:
    left, right = draw(3, n=40)
    words, k = 30, 4
    profiles = []
    for rows in (left, right):
        u, s, _ = np.linalg.svd(rows[:words], full_matrices=False)
        profiles.append(unit_centre_unit(np.sort((u * s) @ u.T, axis=1)))
    cos = profiles[0] @ profiles[1].T
    near = np.sort(cos, axis=1)[:, -k:].mean(axis=1), np.sort(cos, axis=0)[-k:].mean(axis=0)
    csls = 2 * cos - near[0][:, None] - near[1]
    expected = [(i, csls[i].argmax()) for i in range(words)] + [(csls[:, j].argmax(), j) for j in range(words)]
    found = unsupervised_start(left, right, words=words, normalisation="unit_centre_unit", k=k, check=nothing)
    assert found.tolist() == [[int(a), int(b)] for a, b in expected]


def reference(x: Any, z: Any, power: float) -> tuple[Any, Any]:
    """Whitening, mapping, re-weighting, de-whitening, one after the other, with general matrix powers."""
    wx, wz = (np.real(scipy.linalg.fractional_matrix_power(rows.T @ rows, -0.5)) for rows in (x, z))
    u, s, vt = np.linalg.svd((x @ wx).T @ (z @ wz))
    maps = []
    for white, turn in ((wx, u), (wz, vt.T)):
        maps.append(white @ turn @ np.diag(s**power) @ turn.T @ np.linalg.inv(white) @ turn)
    return maps[0], maps[1]


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
def test_the_last_step_is_that_of_the_formulas(power: float) -> None:
    left, right = draw(5)
    found, expected = symmetric_map(left, right, reweight=power), reference(left, right, power)
    # Singular vectors are unique up to a sign that both sides share.
    sign = np.sign(np.sum((left @ found.source) * (left @ expected[0]), axis=0))
    np.testing.assert_allclose(left @ found.source * sign, left @ expected[0], rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(right @ found.target * sign, right @ expected[1], rtol=1e-8, atol=1e-9)


def test_whitened_rows_are_white_and_their_products_are_the_canonical_correlations() -> None:
    left, right = draw(6)
    found = symmetric_map(left, right, reweight=0.0, dewhiten=False)
    x, z = left @ found.source, right @ found.target
    rho = np.linalg.svd(np.linalg.qr(left)[0].T @ np.linalg.qr(right)[0], compute_uv=False)
    np.testing.assert_allclose(x.T @ x, np.eye(7), atol=1e-10)
    np.testing.assert_allclose(z.T @ z, np.eye(7), atol=1e-10)
    np.testing.assert_allclose(x.T @ z, np.diag(rho), atol=1e-10)


@pytest.mark.parametrize("options", [{"whiten": False, "reweight": 0.0}, {"reweight": 0.0}], ids=str)
def test_without_weights_both_moves_are_orthogonal(options: dict[str, Any]) -> None:
    left, right = draw(7)
    found = symmetric_map(left, right, **options)
    for matrix in (found.source, found.target):
        np.testing.assert_allclose(matrix @ matrix.T, np.eye(7), atol=1e-10)


def test_without_whitening_and_weights_it_is_procrustes() -> None:
    left, right = draw(8)
    found = symmetric_map(left, right, whiten=False, reweight=0.0)
    np.testing.assert_allclose(
        found.source @ found.target.T, scipy.linalg.orthogonal_procrustes(left, right)[0], atol=1e-10
    )


def test_weights_are_halved_between_the_sides() -> None:
    left, right = draw(9)
    plain = symmetric_map(left, right, reweight=0.0, dewhiten=False)
    weighted = symmetric_map(left, right, reweight=0.5, dewhiten=False)
    rho = np.linalg.svd(np.linalg.qr(left)[0].T @ np.linalg.qr(right)[0], compute_uv=False)
    signs = np.sign(np.sum(plain.source * weighted.source, axis=0))
    np.testing.assert_allclose(weighted.source * signs, plain.source * np.sqrt(rho), atol=1e-10)
    np.testing.assert_allclose(weighted.target * signs, plain.target * np.sqrt(rho), atol=1e-10)
