"""What is taken for texts, models and layers, and what is refused rather than guessed at."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from babelscope.data.models import Model, check_layers
from babelscope.data.texts import Text, as_texts, count


class DataFrame(list[str]):
    """A table as pandas has it: iterable by the names of its columns."""

    columns = ("text",)


@pytest.mark.parametrize(
    "texts",
    ["昨日は雨が降った", b"rain", {"a": "x"}, Text("a", "x"), {"a", "b"}, 5, None, Path("x"), DataFrame(["text"])],
)
def test_what_holds_no_texts_in_an_order_is_refused(texts: Any) -> None:
    for call in (as_texts, count):
        with pytest.raises(TypeError, match=f"Expected `texts` to be a list .* but got {type(texts).__name__}"):
            call(texts)


def test_several_texts() -> None:
    assert list(as_texts(["x", Text("b", "y")], start=3)) == [Text("3", "x"), Text("b", "y")]
    assert (count(["x"]), count(iter("x"))) == (1, None)


@pytest.mark.parametrize(
    ("layers", "expected"),
    [(None, []), ([0, 3], [0, 3]), ((0,), [0]), (range(2), [0, 1]), (np.array([0]), [0]), (np.array([0, 3]), [0, 3])],
)
def test_layers(layers: Any, expected: list[int]) -> None:
    got = check_layers(layers)
    assert got == expected
    assert all(type(layer) is int for layer in got)


@pytest.mark.parametrize(
    ("layers", "error"),
    [
        ([], ValueError), (np.array([], int), ValueError), (0, TypeError), ("12", TypeError), ([1.0], TypeError),
        ({0: "a"}, TypeError),
        ([True], TypeError), (np.array([[0]]), TypeError), (np.array([0.0]), TypeError), (["1"], TypeError),
    ],
)  # fmt: skip
def test_only_none_means_all_layers(layers: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="`layers`"):
        check_layers(layers)


@pytest.mark.parametrize("model", [Path("m"), 5, None])
def test_models_by_name_only(model: Any) -> None:
    with pytest.raises(TypeError, match="Expected `model` to be a Model or the name of one"):
        Model.of(model)
