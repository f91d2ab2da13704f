"""Every mistake in a request has a field, an expectation and what was got."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from babelscope.data.tensors import to_proto
from babelscope.errors import TensorError
from babelscope.v1 import encoder_pb2, model_pb2, tensor_pb2, text_pb2
from hypothesis import given
from hypothesis import strategies as st

from services.encoder.api.requests import SeenIds, check_texts, check_tokens, read_overflow, read_spec
from services.models.api.messages import read_model
from services.models.spec import ModelSpec, Overflow, Pooling, Reinit
from services.runtime.errors import InvalidArgument, LimitExceeded, NotFound

MODEL = model_pb2.ModelRef(name="m")
VECTOR = np.arange(4, dtype=np.float32)


class EmptyStore:
    """Holds nothing."""

    def get(self, name: str) -> bytes:
        raise NotFound("object", name)


def _read(**fields: Any) -> Any:
    return read_spec(encoder_pb2.EncodeSpec(**{"model": MODEL, **fields}), EmptyStore(), 2)


def _shift(tensor: tensor_pb2.Tensor | None = None, **fields: Any) -> model_pb2.Intervention:
    inline = to_proto(VECTOR) if tensor is None else tensor
    return model_pb2.Intervention(
        layer=1, shift=model_pb2.Shift(vector=model_pb2.ArrayRef(inline=inline), **{"alpha": 1.0, **fields})
    )


def test_what_is_not_given_has_its_default() -> None:
    asked = _read()
    assert asked.model == ModelSpec("m")
    assert (asked.layers, asked.pooling, asked.edits, asked.overflow) == ((), Pooling.MEAN, (), Overflow.REFUSE)
    assert (asked.compute, asked.output, asked.max_tokens) == ("float32", "float32", 0)


def test_all_layers_where_none_are_named(engine: Any) -> None:
    assert _read().plan(engine.info).layers == (0, 1, 2)
    assert _read(layers=[2, 0]).plan(engine.info).layers == (2, 0)


def test_a_graph_is_another_engine_of_the_same_weights() -> None:
    assert (_read().backend, _read(backend=model_pb2.BACKEND_TORCH).model) == ("torch", ModelSpec("m"))
    asked = _read(backend=model_pb2.BACKEND_ONNX)
    assert (asked.backend, asked.compute, asked.model) == ("onnx", "float32", ModelSpec("m", graph="float32"))
    asked = _read(backend=model_pb2.BACKEND_ONNX, compute_dtype=tensor_pb2.DATA_TYPE_I8)
    assert (asked.compute, asked.model) == ("int8", ModelSpec("m", graph="int8"))


def test_reinit_is_read_in_order() -> None:
    draws = [
        model_pb2.ReinitLayers(layers=[1, 2], seed=7),
        model_pb2.ReinitLayers(embeddings=True, scheme=model_pb2.REINIT_SCHEME_TORCH_DEFAULT),
    ]
    ref = model_pb2.ModelRef(name="m", revision="r", reinit=draws)
    assert read_model(ref, "model") == ModelSpec(
        "m", "r", (Reinit((1, 2), False, 7, "model"), Reinit((), True, 0, "torch_default"))
    )


def test_arrays_are_read_as_float32() -> None:
    edit = model_pb2.Intervention(
        layer=2,
        shift=model_pb2.Shift(
            vector=model_pb2.ArrayRef(inline=to_proto(VECTOR.astype(np.float64))),
            alpha=-0.5,
            positions=model_pb2.POSITIONS_ALL,
        ),
        linear_map=model_pb2.LinearMap(
            matrix=model_pb2.ArrayRef(inline=to_proto(np.eye(4))),
            bias=model_pb2.ArrayRef(inline=to_proto(VECTOR)),
            positions=model_pb2.POSITIONS_NON_SPECIAL,
        ),
    )
    (read,) = _read(interventions=[edit]).edits
    assert (read.layer, read.alpha, read.vector_positions, read.matrix_positions) == (2, -0.5, "all", "non_special")
    for array, expected in ((read.vector, VECTOR), (read.matrix, np.eye(4)), (read.bias, VECTOR)):
        assert array.dtype == np.float32
        np.testing.assert_array_equal(array, expected)
    (plain,) = _read(interventions=[_shift()]).edits
    assert (plain.vector_positions, plain.matrix_positions, plain.matrix, plain.bias) == (
        "non_special",
        "all",
        None,
        None,
    )


BAD_SPECS: dict[str, tuple[dict[str, Any], str, str]] = {
    "no name": ({"model": model_pb2.ModelRef()}, "spec.model.name", "Expected the name of a model"),
    "draw of nothing": (
        {"model": model_pb2.ModelRef(name="m", reinit=[model_pb2.ReinitLayers(seed=1)])},
        "spec.model.reinit[0].layers",
        "Expected layers to draw anew",
    ),
    "unknown scheme": (
        {"model": model_pb2.ModelRef(name="m", reinit=[model_pb2.ReinitLayers(layers=[1], scheme=9)])},
        "spec.model.reinit[0].scheme",
        "Expected one of REINIT_SCHEME_MODEL, REINIT_SCHEME_TORCH_DEFAULT, but got 9",
    ),
    "repeated layer": ({"layers": [0, 3, 3]}, "spec.layers[2]", "Expected each layer once, but got 3 again"),
    "unknown pooling": (
        {"pooling": 77},
        "spec.pooling",
        "Expected one of POOLING_MEAN, POOLING_CLS, POOLING_TOKEN, POOLING_WORD_FIRST, POOLING_WORD_MEAN, "
        "POOLING_SPAN, but got 77",
    ),
    "unknown overflow": (
        {"overflow": 5},
        "spec.overflow",
        "Expected one of OVERFLOW_REFUSE, OVERFLOW_TRUNCATE, but got 5",
    ),
    "half answers": (
        {"output_dtype": tensor_pb2.DATA_TYPE_F16},
        "spec.output_dtype",
        "Expected one of DATA_TYPE_F32, DATA_TYPE_BF16, but got DATA_TYPE_F16",
    ),
    "unknown back end": ({"backend": 9}, "spec.backend", "Expected one of BACKEND_TORCH, BACKEND_ONNX, but got 9"),
    "int8 by PyTorch": (
        {"compute_dtype": tensor_pb2.DATA_TYPE_I8},
        "spec.compute_dtype",
        "Expected one of DATA_TYPE_F32, DATA_TYPE_BF16, but got DATA_TYPE_I8",
    ),
    "bfloat16 by ONNX Runtime": (
        {"backend": model_pb2.BACKEND_ONNX, "compute_dtype": tensor_pb2.DATA_TYPE_BF16},
        "spec.compute_dtype",
        "Expected one of DATA_TYPE_F32, DATA_TYPE_I8, but got DATA_TYPE_BF16",
    ),
    "double arithmetic": ({"compute_dtype": tensor_pb2.DATA_TYPE_F64}, "spec.compute_dtype", "got DATA_TYPE_F64"),
    "negative limit": ({"max_tokens": -1}, "spec.max_tokens", "Expected `max_tokens` of 0 or more, but got -1"),
    "edit of nothing": (
        {"interventions": [model_pb2.Intervention(layer=1)]},
        "spec.interventions[0]",
        "Expected a `shift` or a `linear_map`",
    ),
    "no array": (
        {"interventions": [model_pb2.Intervention(layer=1, shift=model_pb2.Shift(alpha=1))]},
        "spec.interventions[0].shift.vector",
        "Expected `inline` or `artifact`, but got neither",
    ),
    "NaN": (
        {"interventions": [_shift(), _shift(to_proto(np.array([0, np.nan, np.inf], np.float32)))]},
        "spec.interventions[1].shift.vector.inline",
        "Expected finite float32 numbers, but got nan at [1] (2 in all)",
    ),
    "beyond float32": (
        {"interventions": [_shift(to_proto(np.array([[1e300]])))]},
        "spec.interventions[0].shift.vector.inline",
        "Expected finite float32 numbers, but got 1e+300 at [0, 0] (1 in all)",
    ),
    "infinite alpha": (
        {"interventions": [_shift(alpha=float("inf"))]},
        "spec.interventions[0].shift.alpha",
        "Expected a finite number, but got inf",
    ),
    "whole numbers": (
        {"interventions": [_shift(to_proto(np.arange(4)))]},
        "spec.interventions[0].shift.vector.inline.dtype",
        "Expected a dtype of F32, F64, but got I64",
    ),
    "unknown positions": (
        {"interventions": [_shift(positions=9)]},
        "spec.interventions[0].shift.positions",
        "Expected one of POSITIONS_NON_SPECIAL, POSITIONS_ALL, but got 9",
    ),
    "artifact elsewhere": (
        {
            "interventions": [
                model_pb2.Intervention(shift=model_pb2.Shift(vector=model_pb2.ArrayRef(artifact="../secret")))
            ]
        },
        "spec.interventions[0].shift.vector.artifact",
        "Expected a name of the form vectors/SHA-256 or maps/SHA-256, but got '../secret'",
    ),
}


@pytest.mark.parametrize(("fields", "field", "problem"), BAD_SPECS.values(), ids=BAD_SPECS)
def test_a_wrong_specification_names_the_field(fields: dict[str, Any], field: str, problem: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        _read(**fields)
    assert caught.value.field == field
    assert problem in caught.value.problem


def test_a_wrong_number_of_bytes_names_the_field() -> None:
    tensor = tensor_pb2.Tensor(dtype=tensor_pb2.DATA_TYPE_F32, shape=[4], data=b"\0" * 15)
    with pytest.raises(TensorError, match=r"Expected 16 bytes for F32 \[4\], but got 15") as caught:
        _read(interventions=[_shift(tensor)])
    assert caught.value.field == "spec.interventions[0].shift.vector.inline"


def test_an_artifact_that_is_not_there_is_not_found() -> None:
    ref = model_pb2.ArrayRef(artifact="vectors/" + "0" * 64)
    with pytest.raises(NotFound):
        _read(interventions=[model_pb2.Intervention(shift=model_pb2.Shift(vector=ref, alpha=1))])


def test_too_many_interventions_exceed_a_limit() -> None:
    with pytest.raises(LimitExceeded, match="Expected at most 2 interventions a request, but got 3"):
        _read(interventions=[_shift()] * 3)


def test_a_limit_of_tokens_lies_within_the_model_s(engine: Any) -> None:
    assert _read().limit(engine.info) == 512
    assert _read(max_tokens=64).limit(engine.info) == 64
    for wrong in (1, 513):
        with pytest.raises(InvalidArgument, match=rf"within 3\.\.512 for model fake, or 0 .*, but got {wrong}"):
            _read(max_tokens=wrong).limit(engine.info)


def test_overflow_is_read_by_itself() -> None:
    assert read_overflow(text_pb2.OVERFLOW_TRUNCATE, "overflow") is Overflow.TRUNCATE
    with pytest.raises(InvalidArgument, match="overflow: Expected one of"):
        read_overflow(8, "overflow")


def _texts(*pairs: tuple[str, str]) -> list[text_pb2.Text]:
    return [text_pb2.Text(id=name, text=text) for name, text in pairs]


@pytest.mark.parametrize(
    ("texts", "field", "problem"),
    [
        ([], "texts", "Expected at least one text, but got none"),
        (_texts(("a", "x"), ("", "y")), "texts[1].id", "Expected an id that is not empty"),
        (_texts(("a", "x"), ("b", "y"), ("a", "z")), "texts[2].id", "'a' is also the id of texts[0]"),
        (_texts(("a", "")), "texts[0].text", "Expected a text that is not empty, but text 'a' is"),
        (_texts(("a", "x"), ("b", " \n\t\u3000")), "texts[1].text", "but text 'b' is"),
    ],
)
def test_wrong_texts_are_named(texts: list[text_pb2.Text], field: str, problem: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        check_texts(texts, "texts", 3)
    assert caught.value.field == field
    assert problem in caught.value.problem


def test_too_many_texts_exceed_a_limit() -> None:
    with pytest.raises(LimitExceeded, match="Expected at most 3 texts a message, but got 4"):
        check_texts(_texts(*((str(n), "x") for n in range(4))), "texts", 3)


def test_long_texts_are_refused_or_let_through(fake_text: Callable[..., Any]) -> None:
    texts, tokens = _texts(("a", "x"), ("b", "y")), [fake_text(4), fake_text(8, truncated=True)]
    check_tokens(texts, tokens, Overflow.TRUNCATE, 8, "texts")
    with pytest.raises(
        InvalidArgument, match="at most 8 tokens, but text 'b' has 8; shorten it, or let it be cut"
    ) as caught:
        check_tokens(texts, tokens, Overflow.REFUSE, 8, "texts.texts", offset=256)
    assert caught.value.field == "texts.texts[257].text"


def test_a_text_without_tokens_is_refused(fake_text: Callable[..., Any]) -> None:
    with pytest.raises(InvalidArgument, match="Expected a text with at least one token, but text 'a' has none"):
        check_tokens(_texts(("a", "\u200b")), [fake_text(2)], Overflow.REFUSE, 8, "texts")
    check_tokens(_texts(("a", "x")), [fake_text(3)], Overflow.REFUSE, 8, "texts")


def test_texts_of_special_tokens_only_whatever_their_number(fake_text: Any) -> None:
    special = replace(fake_text(4), special=np.ones(4, dtype=bool))
    with pytest.raises(InvalidArgument, match="at least one token, but text 'a' has none"):
        check_tokens(_texts(("a", "x")), [special], Overflow.REFUSE, 8, "texts")


def test_tokens_beyond_the_embeddings_name_the_text(fake_text: Any) -> None:
    texts = _texts(("a", "x"), ("b", "y"))
    with pytest.raises(InvalidArgument, match=r"within 0\.\.9, .* but text 'b' has token 1003") as caught:
        check_tokens(texts, [fake_text(4), fake_text(4, 1)], Overflow.REFUSE, 8, "texts", offset=7, vocabulary=10)
    assert caught.value.field == "texts[8].text"


def test_ids_and_paths_count_within_the_request() -> None:
    seen = SeenIds()
    check_texts(_texts(("a", "x"), ("b", "y")), "texts.texts", 9, seen)
    with pytest.raises(InvalidArgument, match="'a' is also the id of an earlier text") as caught:
        check_texts(_texts(("c", "x"), ("a", "y")), "texts.texts", 9, seen)
    assert caught.value.field == "texts.texts[3].id"


@given(st.lists(st.lists(st.integers(0, 60).map(str), min_size=1, max_size=20, unique=True), max_size=30))
def test_ids_are_told_as_a_set_tells_them(messages: list[list[str]]) -> None:
    seen, reference, number = SeenIds(), set[str](), 0
    for names in messages:
        assert seen.add(names).tolist() == [name in reference for name in names]
        reference.update(names)
        number += len(names)
        assert len(seen) == number


def test_an_id_takes_eight_bytes() -> None:
    """A stream may carry millions of texts: Python's own set took 85 bytes of each."""
    seen = SeenIds()
    for start in range(0, 100_000, 37):
        assert not seen.add([str(number) for number in range(start, start + 37)]).any()
    assert seen.nbytes == 8 * len(seen)
    assert len(seen._runs) <= 20
    assert seen.add([str(number) for number in range(0, 100_000, 1999)]).all()
