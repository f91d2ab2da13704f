"""What edits are refused, and what they do to rows."""

import numpy as np
import pytest
import torch

from services.models.families.base import count_positions
from services.models.layers.blocks import Layout
from services.models.layers.interventions import Interventions, check
from services.models.layers.packing import pack
from services.models.spec import ArrayOrigin, Edit, TokenizedText
from services.runtime.errors import InvalidArgument

D = 3
ONES = np.ones(D, dtype=np.float32)
EYE = np.eye(D, dtype=np.float32)
NAN = np.array([0, np.nan, 0], dtype=np.float32)


@pytest.mark.parametrize(
    ("edit", "field", "problem"),
    [
        (Edit(5, ONES, 1.0), "edits.layer", "within 0..4 for model m, but got 5"),
        (Edit(-1, ONES, 1.0), "edits.layer", "but got -1"),
        (Edit(1), "edits", "a shift, a linear map, or both"),
        (Edit(1, ONES, np.inf), "edits.shift.alpha", "finite number"),
        (Edit(1, ONES * 3e38, 10.0), "edits.shift.alpha", r"alpha \* vector within float32, but alpha is 10"),
        (Edit(1, np.ones(4, dtype=np.float32), 1.0), "edits.shift.vector", r"shape \[3\] for model m, but got \[4\]"),
        (Edit(1, NAN, 1.0), "edits.shift.vector", "1 are not"),
        (Edit(1, matrix=np.ones((3, 2), dtype=np.float32)), "edits.linear_map.matrix", r"shape \[3, 3\]"),
        (Edit(1, matrix=EYE * np.nan), "edits.linear_map.matrix", "9 are not"),
        (Edit(1, matrix=EYE, bias=np.ones((1, 3), dtype=np.float32)), "edits.linear_map.bias", r"shape \[3\]"),
        (Edit(1, ONES, 1.0, bias=ONES), "edits.linear_map.matrix", "a matrix with the bias"),
    ],
)
def test_refused(edit: Edit, field: str, problem: str) -> None:
    with pytest.raises(InvalidArgument, match=problem) as caught:
        check(edit, "edits", 4, D, "m", digest="")
    assert caught.value.field == field


def test_accepted() -> None:
    for layer in (0, 4):
        check(Edit(layer, ONES, -2.0, matrix=EYE, bias=ONES), "edits", 4, D, "m", digest="")


@pytest.mark.parametrize("model", ["", "some/model"])
def test_arrays_of_another_model_are_refused(model: str) -> None:
    edit = Edit(1, ONES, 1.0, matrix=EYE, origins=(ArrayOrigin("linear_map.matrix", "b" * 64, model),))
    check(edit, "edits", 4, D, "m", digest="b" * 64)
    with pytest.raises(InvalidArgument, match="with model m, digest aaaaaaaaaaaa, but got one of another") as caught:
        check(edit, "edits", 4, D, "m", digest="a" * 64)
    assert caught.value.field == "edits.linear_map.matrix"
    assert ("some/model" in caught.value.problem) == bool(model)
    assert "allow_other_model" in caught.value.problem


def _layout() -> Layout:
    special = np.array([True, False, False, True])
    nowhere = np.zeros(4, dtype=np.int32)
    text = TokenizedText(np.arange(4), special, nowhere, nowhere, False, 4)
    return Layout.of(pack([text], np.array([0]), count_positions), "cpu")


def test_default_positions() -> None:
    hidden = torch.zeros(4, D)
    shifted = Interventions([Edit(2, ONES, 2.0)], "cpu").apply(2, hidden, _layout())
    assert shifted[:, 0].tolist() == [0.0, 2.0, 2.0, 0.0]
    mapped = Interventions([Edit(2, matrix=EYE, bias=ONES)], "cpu").apply(2, hidden, _layout())
    assert mapped[:, 0].tolist() == [1.0, 1.0, 1.0, 1.0]
    assert not hidden.any()


def test_rows_are_multiplied_from_the_left_and_the_shift_comes_first() -> None:
    matrix = np.arange(9, dtype=np.float32).reshape(3, 3)
    edit = Edit(0, ONES, 1.0, vector_positions="all", matrix=matrix, bias=ONES)
    hidden = torch.arange(12.0).view(4, 3)
    edited = Interventions([edit], "cpu").apply(0, hidden, _layout())
    np.testing.assert_array_equal(edited, (hidden.numpy() + 1) @ matrix + 1)


def test_nothing_to_do_is_nothing_done() -> None:
    hidden = torch.zeros(4, D)
    idle = Interventions([Edit(1, ONES, 0.0)], "cpu")
    assert idle.apply(1, hidden, _layout()) is hidden
    assert idle.apply(0, hidden, _layout()) is hidden
