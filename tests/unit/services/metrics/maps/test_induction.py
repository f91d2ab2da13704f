"""Induced dictionaries, against whole matrices of scores."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.metrics.errors import Degenerate
from services.metrics.maps import induction
from services.metrics.maps.induction import induce


def cosines(x: Any, y: Any) -> Any:
    return (x / np.linalg.norm(x, axis=1)[:, None]) @ (y / np.linalg.norm(y, axis=1)[:, None]).T


def csls(x: Any, y: Any, k: int) -> Any:
    """Equation 3 of Lample et al. 2018, as a whole matrix."""
    cos = cosines(x, y)
    return 2 * cos - np.sort(cos, axis=1)[:, -k:].mean(axis=1)[:, None] - np.sort(cos, axis=0)[-k:].mean(axis=0)


def draw(seed: int, n: int, m: int, d: int = 6) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, d)), rng.standard_normal((m, d)) + 0.3


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 1000), n=st.integers(3, 90), m=st.integers(3, 90), k=st.integers(1, 3))
def test_both_directions_are_those_of_the_whole_matrix(seed: int, n: int, m: int, k: int) -> None:
    x, y = draw(seed, n, m)
    scores, found = csls(x, y, k), induce(x, y, k=k)
    for direction, whole in ((found.forward, scores), (found.backward, scores.T)):
        every = np.arange(len(whole))
        np.testing.assert_allclose(direction.score, whole.max(axis=1), atol=2e-6)
        np.testing.assert_allclose(whole[every, direction.best], whole.max(axis=1), atol=2e-6)
        np.testing.assert_allclose(
            direction.margin, np.sort(whole, axis=1)[:, -1] - np.sort(whole, axis=1)[:, -2], atol=4e-6
        )


def test_plain_cosines_where_k_is_0() -> None:
    x, y = draw(1, 30, 20)
    found = induce(x, y, k=0)
    assert np.array_equal(found.forward.best, cosines(x, y).argmax(axis=1))
    assert np.array_equal(found.backward.best, cosines(x, y).argmax(axis=0))
    np.testing.assert_allclose(found.forward.score, cosines(x, y).max(axis=1), atol=1e-6)


def test_tiles_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = draw(2, 70, 55)
    whole = induce(x, y)
    monkeypatch.setattr(induction, "TILE_ROWS", 16)
    monkeypatch.setattr(induction, "TILE_COLUMNS", 13)
    tiled = induce(x, y)
    for one, other in ((whole.forward, tiled.forward), (whole.backward, tiled.backward)):
        assert np.array_equal(one.best, other.best)
        np.testing.assert_allclose(one.score, other.score, atol=1e-6)
        np.testing.assert_allclose(one.margin, other.margin, atol=2e-6)


def test_mutual_pairs_choose_each_other_and_come_by_falling_score() -> None:
    x, y = draw(3, 60, 40)
    scores, found = csls(x, y, 10), induce(x, y)
    pairs = found.mutual()
    expected = {(i, j) for i, j in enumerate(scores.argmax(axis=1)) if scores[:, j].argmax() == i}
    assert set(map(tuple, pairs.tolist())) == expected
    assert len(expected) > 5
    assert np.all(np.diff(scores[pairs[:, 0], pairs[:, 1]]) <= 1e-6)
    assert set(map(tuple, found.mutual(20).tolist())) == {(i, j) for i, j in expected if i < 20 and j < 20}


def test_a_dictionary_has_mutual_pairs_first_and_no_source_twice() -> None:
    x, y = draw(4, 60, 40)
    found = induce(x, y)
    mutual, whole = found.mutual(), found.dictionary(1000)
    assert np.array_equal(whole[: len(mutual)], mutual)
    assert sorted(whole[:, 0]) == list(range(60))
    assert np.array_equal(found.forward.best[whole[:, 0]], whole[:, 1])
    assert np.array_equal(found.dictionary(7), whole[:7])
    assert not len(found.dictionary(0))


def test_the_union_has_every_row_of_either_side() -> None:
    found = induce(*draw(5, 30, 20))
    pairs = found.union()
    assert pairs.shape == (50, 2)
    assert np.array_equal(pairs[:30, 0], np.arange(30))
    assert np.array_equal(pairs[30:, 1], np.arange(20))


@given(seed=st.integers(0, 100))
@settings(deadline=None, max_examples=10)
def test_a_rotation_of_both_sides_changes_no_neighbour(seed: int) -> None:
    x, y = draw(seed, 40, 30)
    turn = np.linalg.qr(np.random.default_rng(seed).standard_normal((6, 6)))[0]
    assert np.array_equal(induce(x, y).forward.best, induce(x @ turn, 3 * y @ turn).forward.best)


def test_scores_can_be_perturbed() -> None:
    x, y = draw(6, 30, 20)
    found = induce(x, y, k=0, perturb=lambda tile: -tile)
    assert np.array_equal(found.forward.best, cosines(x, y).argmin(axis=1))
    assert np.array_equal(found.backward.best, cosines(x, y).argmin(axis=0))


def test_one_candidate_has_no_second() -> None:
    x, y = draw(7, 5, 1)
    found = induce(x, y, k=1)
    assert np.isinf(found.forward.margin).all()
    assert np.array_equal(found.mutual(), [[int(np.argmax(cosines(x, y)[:, 0])), 0]])


@pytest.mark.parametrize(
    ("n", "m", "k", "message"),
    [(9, 30, 10, "k=10 rows .* n=9, m=30"), (30, 3, 4, "k=4 rows .* n=30, m=3"), (0, 5, 0, "n=0, m=5")],
)
def test_too_few_rows_are_refused(n: int, m: int, k: int, message: str) -> None:
    with pytest.raises(Degenerate, match=message):
        induce(*draw(0, n, m), k=k)


def test_a_row_without_direction_is_refused() -> None:
    x, y = draw(8, 30, 20)
    x[4] = 0
    with pytest.raises(Degenerate, match="row 4 of 30"):
        induce(x, y)


def test_the_work_stops_when_it_is_told_to() -> None:
    class Gone(Exception):
        pass

    def check() -> None:
        raise Gone

    with pytest.raises(Gone):
        induce(*draw(9, 30, 20), check=check)
