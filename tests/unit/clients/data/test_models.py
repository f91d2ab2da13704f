"""Models, edits and texts as messages."""

import numpy as np
import pytest
from babelscope.data.models import Intervention, LinearMap, Model, ModelInfo, Shift, format_layers, parse_layers
from babelscope.data.tensors import to_numpy
from babelscope.data.texts import Text, as_texts
from babelscope.v1 import model_pb2
from babelscope.v1.tensor_pb2 import DATA_TYPE_F32, DATA_TYPE_F64
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("text", "layers"), [("3", (3,)), ("1-3,6", (1, 2, 3, 6)), ("0, 2", (0, 2)), ("2,1-2", (2, 1))]
)
def test_layers_are_read(text: str, layers: tuple[int, ...]) -> None:
    assert parse_layers(text) == layers


@pytest.mark.parametrize("text", ["", "a", "1-", "-1", "1,,2", "1-b", "3-1", "1-" + "9" * 5000, "²"])
def test_what_is_no_list_of_layers_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="Expected layers such as 1-3,6"):
        parse_layers(text)


@given(st.lists(st.integers(0, 30), min_size=1, unique=True))
def test_layers_written_are_layers_read(layers: list[int]) -> None:
    assert parse_layers(format_layers(layers)) == tuple(sorted(layers))


def test_a_model_and_its_label() -> None:
    model = Model("org/name", "main").reinit_layers((1, 2, 3), 7).reinit_layers(embeddings=True, scheme="torch_default")
    assert model.reinit_label == "1-3@7,embeddings@0/torch_default"
    message = model.to_proto()
    assert (message.name, message.revision) == ("org/name", "main")
    assert [list(each.layers) for each in message.reinit] == [[1, 2, 3], []]
    assert message.reinit[1].scheme == model_pb2.REINIT_SCHEME_TORCH_DEFAULT
    assert message.reinit[1].embeddings
    assert Model.of("x") == Model("x")
    assert hash(model) == hash(model.reinit_layers((4,)).__class__(model.name, model.revision, model.reinit))


def test_an_unknown_scheme_is_refused() -> None:
    with pytest.raises(ValueError, match="Expected `scheme` to be one of 'model', 'torch_default', but got 'zeros'"):
        Model("x").reinit_layers((1,), scheme="zeros").to_proto()  # type: ignore[arg-type]


def test_edits_travel_inline_or_by_name() -> None:
    shift = Shift(np.ones(4, np.float32), alpha=-2.0, positions="all")
    edit = Intervention(3, shift, LinearMap(np.eye(4), bias="vectors/b"))
    message = edit.to_proto()
    assert (message.layer, message.shift.alpha, message.shift.positions) == (3, -2.0, model_pb2.POSITIONS_ALL)
    assert message.shift.vector.inline.dtype == DATA_TYPE_F32
    assert message.linear_map.matrix.inline.dtype == DATA_TYPE_F64
    assert np.array_equal(to_numpy(message.linear_map.matrix.inline), np.eye(4))
    assert message.linear_map.bias.artifact == "vectors/b"
    assert not Intervention(0, shift).to_proto().HasField("linear_map")


def test_a_newer_servers_values_are_shown_by_number() -> None:
    message = model_pb2.Model(name="x", state=77, poolings=[1, 99])  # type: ignore[arg-type, list-item]
    info = ModelInfo.from_proto(message)
    assert info.state == "77"
    assert info.poolings == ("mean", "99")


def test_strings_become_texts_by_position() -> None:
    assert list(as_texts(["a", Text("x", "b"), "c"])) == [Text("0", "a"), Text("x", "b"), Text("2", "c")]


def test_a_reference_is_read_back_as_it_was() -> None:
    model = Model("m", "main").reinit_layers([1, 2], seed=3, embeddings=True, scheme="torch_default")
    assert Model.from_proto(model.to_proto()) == model
    assert Model.from_proto(Model("m").to_proto()) == Model("m")
