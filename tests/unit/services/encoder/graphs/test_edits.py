"""Interventions as inputs of a graph, against a loop over the edits."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.encoder.graphs.edits import CONTENT, SPECIAL, composed
from services.models.spec import Edit, Positions

SIZE = 5
POSITIONS = st.sampled_from(("non_special", "all"))


def _array(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@st.composite
def edits(draw: st.DrawFn) -> Edit:
    seed = draw(st.integers(0, 1000))
    return Edit(
        layer=draw(st.integers(0, 2)),
        vector=draw(st.sampled_from((None, _array(seed, SIZE)))),
        alpha=draw(st.sampled_from((-1.5, 0.0, 2.0))),
        vector_positions=draw(POSITIONS),
        matrix=draw(st.sampled_from((None, _array(seed + 1, SIZE, SIZE), np.eye(SIZE, dtype=np.float32)))),
        bias=draw(st.sampled_from((None, _array(seed + 2, SIZE)))),
        matrix_positions=draw(POSITIONS),
    )


@given(given_edits=st.lists(edits(), max_size=5))
def test_the_composed_map_is_what_the_edits_do_one_after_the_other(given_edits: list[Edit]) -> None:
    found = composed(given_edits, SIZE)
    rows = _array(7, 4, SIZE).astype(np.float64)
    for layer in range(3):
        for kind in (CONTENT, SPECIAL):
            expected = rows
            for edit in given_edits:
                if edit.layer == layer:
                    expected = _edited(expected, edit, kind)
            actual = rows
            if layer in found:
                edit_ = found[layer]
                actual = (rows @ edit_.matrices[kind] if edit_.mapped[kind] else rows) + edit_.shifts[kind]
            np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-4 * (1 + np.abs(expected).max()))


def _edited(rows: np.ndarray, edit: Edit, kind: int) -> np.ndarray:
    if edit.vector is not None and (kind == CONTENT or edit.vector_positions == "all"):
        rows = rows + edit.alpha * edit.vector
    if edit.matrix is not None and (kind == CONTENT or edit.matrix_positions == "all"):
        rows = rows @ edit.matrix
        if edit.bias is not None:
            rows = rows + edit.bias
    return rows


@pytest.mark.parametrize(
    "edit",
    [
        Edit(1, _array(0, SIZE), 0.0),
        Edit(1, matrix=np.eye(SIZE, dtype=np.float32)),
        Edit(1, matrix=np.eye(SIZE, dtype=np.float32), bias=np.zeros(SIZE, np.float32)),
    ],
)
def test_edits_that_do_nothing_multiply_no_row_and_add_nothing(edit: Edit) -> None:
    for found in composed([edit], SIZE).values():
        assert found.mapped == (False, False)
        assert not found.shifts.any()


@pytest.mark.parametrize(("positions", "mapped"), [("all", (True, True)), ("non_special", (True, False))])
def test_positions(positions: Positions, mapped: tuple[bool, bool]) -> None:
    matrix, vector = _array(1, SIZE, SIZE), _array(2, SIZE)
    found = composed([Edit(0, vector, 1.0, positions, matrix, None, positions)], SIZE)[0]
    assert found.mapped == mapped
    assert found.shifts.any(axis=1).tolist() == list(mapped)
