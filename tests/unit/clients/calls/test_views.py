"""Views of a request: layers as people write them."""

from typing import Any

import numpy as np
import pytest
from babelscope.calls.views import View, Views

ROWS = np.zeros((5, 2, 3), np.float32)


def _views(layers: Any) -> Views:
    return Views({"x": View(activations=ROWS, layers=layers)}, {})


@pytest.mark.parametrize("layers", [[3, 7], (3, 7), np.array([3, 7]), np.array([3, 7], np.uint8), range(3, 11, 4)])
def test_layers_of_an_array(layers: Any) -> None:
    assert list(_views(layers).protos[0].layers) == [3, 7]


def test_layers_are_numbered_where_none_are_given() -> None:
    assert list(_views(None).protos[0].layers) == [0, 1]


@pytest.mark.parametrize(
    "layers", [0, "01", b"01", np.array(3), np.array([[3, 7]]), [0.0, 1.0], [True, False], [None, 1]]
)
def test_what_are_no_layers_is_refused(layers: Any) -> None:
    with pytest.raises(TypeError, match="Expected `layers` to"):
        _views(layers)


@pytest.mark.parametrize("layers", [[], (), np.array([], int)])
def test_no_layers_are_not_all(layers: Any) -> None:
    with pytest.raises(ValueError, match="Expected at least one layer in `layers`, or None for all"):
        _views(layers)


def test_another_number_of_layers_than_the_array_has() -> None:
    with pytest.raises(ValueError, match="Expected 5 ids and 2 layers for view 'x', but got 5 and 1"):
        _views([3])
