"""Every mistake of a client has its documented status, message and field, over the wire."""

from typing import Any

import grpc
import numpy as np
import pytest
from babelscope.data.tensors import to_proto
from babelscope.v1 import encoder_pb2, model_pb2, tensor_pb2, text_pb2
from safetensors.numpy import save

from services.encoder.api.units import MOST_UNITS
from services.runtime.files.store import Store
from tests.support.encoder_calls import encode, refused, spec, texts, units
from tests.support.refusals import failure

INVALID = grpc.StatusCode.INVALID_ARGUMENT
EXHAUSTED = grpc.StatusCode.RESOURCE_EXHAUSTED
MISSING = grpc.StatusCode.NOT_FOUND
UNUSABLE = grpc.StatusCode.FAILED_PRECONDITION


def _shift(array: Any = None, **fields: Any) -> model_pb2.Intervention:
    tensor = array if isinstance(array, tensor_pb2.Tensor) else to_proto(np.asarray(array, np.float32))
    ref = model_pb2.ArrayRef(inline=tensor)
    return model_pb2.Intervention(**{"layer": 1, **fields}, shift=model_pb2.Shift(vector=ref, alpha=1.0))


def _bias(array: Any) -> model_pb2.Intervention:
    eye, bias = (model_pb2.ArrayRef(inline=to_proto(np.asarray(each, np.float32))) for each in (np.eye(32), array))
    return model_pb2.Intervention(layer=1, linear_map=model_pb2.LinearMap(matrix=eye, bias=bias))


ONE = texts("the cat")
ZEROS = np.zeros(32, np.float32)
BAD: dict[str, tuple[list[encoder_pb2.EncodeRequest], str, str]] = {
    "nothing": ([], "spec", "Expected `spec` in the first message, but the stream ended without any"),
    "no specification": ([ONE], "spec", "Expected `spec` in the first message, but got `texts`"),
    "two specifications": ([spec(), spec()], "spec", "Expected `spec` once, in the first message, but got another"),
    "empty message": ([spec(), encoder_pb2.EncodeRequest()], "texts", "but got an empty message"),
    "empty corpus": ([spec()], "texts", "Expected at least one text, but the stream ended without any"),
    "empty list": ([spec(), texts()], "texts.texts", "Expected at least one text, but got none"),
    "empty text": ([spec(), texts("the", "")], "texts.texts[1].text", "not empty, but text 't1' is"),
    "white space": ([spec(), texts(" \t\n\u2003")], "texts.texts[0].text", "not empty, but text 't0' is"),
    "no tokens": (
        [spec(), texts("the", "\u200b")],
        "texts.texts[1].text",
        "at least one token, but text 't1' has none",
    ),
    "no id": (
        [spec(), encoder_pb2.EncodeRequest(texts=encoder_pb2.EncodeTexts(texts=[text_pb2.Text(text="the")]))],
        "texts.texts[0].id",
        "Expected an id that is not empty",
    ),
    "repeated id": (
        [
            spec(),
            encoder_pb2.EncodeRequest(texts=encoder_pb2.EncodeTexts(texts=[text_pb2.Text(id="a", text="the")] * 2)),
        ],
        "texts.texts[1].id",
        "'a' is also the id of texts.texts[0]",
    ),
    "long text": (
        [spec(), texts("the", "cat " * 100)],
        "texts.texts[1].text",
        "Expected at most 64 tokens, but text 't1' has 102; shorten it, or let it be cut (overflow: truncate)",
    ),
    "long for the request": (
        [spec(max_tokens=8), texts("cat " * 20)],
        "texts.texts[0].text",
        "Expected at most 8 tokens, but text 't0' has 22",
    ),
    "limit beyond the model": ([spec(max_tokens=65), ONE], "spec.max_tokens", "within 3..64 for model tiny"),
    "no model": ([spec(""), ONE], "spec.model.name", "Expected the name of a model, but got none"),
    "name with dots": ([spec("../tiny"), ONE], "spec.model.name", "'../tiny'"),
    "name with dots inside": ([spec("tiny/../../x"), ONE], "spec.model.name", "'tiny/../../x'"),
    "absolute name": ([spec("/etc"), ONE], "spec.model.name", "'/etc'"),
    "revision of a folder": (
        [spec(model=model_pb2.ModelRef(name="tiny", revision="main")), ONE],
        "spec.model.revision",
        "'main'",
    ),
    "unknown layer": (
        [spec(layers=[0, 14]), ONE],
        "spec.layers[1]",
        "Expected `layers` within 0..2 for model tiny, but got 14",
    ),
    "negative layer": ([spec(layers=[-1]), ONE], "spec.layers[0]", "Expected `layers` within 0..2"),
    "layer twice": ([spec(layers=[1, 2, 1]), ONE], "spec.layers[2]", "Expected each layer once, but got 1 again"),
    "re-initialised layer": (
        [spec(model=model_pb2.ModelRef(name="tiny", reinit=[model_pb2.ReinitLayers(layers=[3])])), ONE],
        "spec.model.reinit[0].layers",
        "within 1..2",
    ),
    "words of no text": (
        [spec(pooling=model_pb2.POOLING_WORD_MEAN), ONE],
        "texts.texts[0].words",
        "Expected the words of text 't0' for pooling WORD_MEAN, but the text has none",
    ),
    "empty word": (
        [spec(pooling=model_pb2.POOLING_WORD_MEAN), units(words=["the", " "])],
        "texts.texts[0].words[1]",
        "Expected a word that is not empty",
    ),
    "word that is not in the text": (
        [spec(pooling=model_pb2.POOLING_WORD_FIRST), units(text="the cat", words=["cat", "the"])],
        "texts.texts[0].words[1]",
        "no 'the' after the word before it",
    ),
    "span beyond the text": (
        [spec(pooling=model_pb2.POOLING_SPAN), units(text="the cat", spans=[text_pb2.Span(start=4, end=8)])],
        "texts.texts[0].spans[0]",
        "Expected a start and a later end within 0..7, the code points of text 'u', but got 4..8",
    ),
    "empty span": (
        [spec(pooling=model_pb2.POOLING_SPAN), units(text="the cat", spans=[text_pb2.Span(start=4, end=4)])],
        "texts.texts[0].spans[0]",
        "but got 4..4",
    ),
    "position beyond the tokens": (
        [spec(pooling=model_pb2.POOLING_TOKEN), units(text="the cat", positions=[0, 4])],
        "texts.texts[0].positions[1]",
        "Expected a position within 0..3, the tokens of text 'u', but got 4",
    ),
    "unknown pooling": ([spec(pooling=99), ONE], "spec.pooling", "but got 99"),
    "half answers": (
        [spec(output_dtype=tensor_pb2.DATA_TYPE_F16), ONE],
        "spec.output_dtype",
        "Expected one of DATA_TYPE_F32, DATA_TYPE_BF16, but got DATA_TYPE_F16",
    ),
    "half arithmetic": ([spec(compute_dtype=tensor_pb2.DATA_TYPE_F16), ONE], "spec.compute_dtype", "DATA_TYPE_F16"),
    "NaN": (
        [spec(interventions=[_shift([0.0, np.nan] * 16)]), ONE],
        "spec.interventions[0].shift.vector.inline",
        "Expected finite float32 numbers, but got nan at [1] (16 in all)",
    ),
    "wrong dtype": (
        [spec(interventions=[_shift(to_proto(np.zeros(32, np.int64)))]), ONE],
        "spec.interventions[0].shift.vector.inline.dtype",
        "Expected a dtype of F32, F64, but got I64",
    ),
    "wrong bytes": (
        [spec(interventions=[_shift(tensor_pb2.Tensor(dtype=1, shape=[32], data=b"\0" * 127))]), ONE],
        "spec.interventions[0].shift.vector.inline",
        "Expected 128 bytes for F32 [32], but got 127",
    ),
    "infinite alpha": (
        [
            spec(
                interventions=[
                    model_pb2.Intervention(
                        shift=model_pb2.Shift(vector=model_pb2.ArrayRef(inline=to_proto(ZEROS)), alpha=float("nan"))
                    )
                ]
            ),
            ONE,
        ],
        "spec.interventions[0].shift.alpha",
        "Expected a finite number, but got nan",
    ),
    "artifact elsewhere": (
        [
            spec(
                interventions=[
                    model_pb2.Intervention(
                        shift=model_pb2.Shift(vector=model_pb2.ArrayRef(artifact="datasets/x"), alpha=1)
                    )
                ]
            ),
            ONE,
        ],
        "spec.interventions[0].shift.vector.artifact",
        "Expected a name of the form vectors/SHA-256 or maps/SHA-256, but got 'datasets/x'",
    ),
}


@pytest.mark.parametrize(("messages", "field", "problem"), BAD.values(), ids=BAD)
async def test_a_mistake_names_its_field(serve: Any, messages: list[Any], field: str, problem: str) -> None:
    server = await serve()
    found = await refused(server.address, *messages)
    assert found.code == INVALID
    assert list(found.fields) == [field]
    assert problem in found.fields[field]
    assert problem in found.message


@pytest.mark.parametrize(
    ("edit", "field"),
    [
        (_shift(np.zeros(31)), "spec.interventions[0].shift.vector"),
        (_shift(np.zeros((1, 32))), "spec.interventions[0].shift.vector"),
        (_bias(np.zeros(31)), "spec.interventions[0].linear_map.bias"),
        (_shift(ZEROS, layer=3), "spec.interventions[0].layer"),
        (_shift(ZEROS, layer=-1), "spec.interventions[0].layer"),
    ],
)
async def test_an_edit_that_does_not_fit_names_its_field(serve: Any, edit: Any, field: str) -> None:
    server = await serve()
    found = await refused(server.address, spec(interventions=[edit]), ONE)
    assert (found.code, list(found.fields)) == (INVALID, [field])
    assert "Expected" in found.message
    assert "32" in found.message or "0..2" in found.message


async def test_an_edit_that_makes_infinities_is_refused(serve: Any) -> None:
    server = await serve()
    found = await refused(server.address, spec(interventions=[_shift(np.full(32, 3e38))] * 2), ONE)
    assert (found.code, list(found.fields)) == (INVALID, ["spec.interventions"])


async def test_an_unknown_model_names_those_nearby(serve: Any) -> None:
    server = await serve()
    found = await refused(server.address, spec("tinny"), ONE)
    assert (found.code, found.resource) == (MISSING, "tinny")
    assert "did you mean tiny?" in found.message


@pytest.mark.parametrize(("name", "reason"), [("pickled", "safetensors"), ("foreign", "gpt2")])
async def test_a_model_that_cannot_be_served_says_why(serve: Any, name: str, reason: str) -> None:
    server = await serve()
    found = await refused(server.address, spec(name), ONE)
    assert found.code == UNUSABLE
    assert reason in found.message


async def test_limits_are_named(serve: Any) -> None:
    server = await serve(max_texts=3, max_interventions=1)
    found = await refused(server.address, spec(), texts(*["the"] * 4))
    assert (found.code, found.quota, found.retry) == (EXHAUSTED, "max_texts", None)
    assert "Expected at most 3 texts a message, but got 4" in found.message
    many = units(text="the cat", spans=[text_pb2.Span(start=0, end=1)] * (MOST_UNITS + 1))
    found = await refused(server.address, spec(pooling=model_pb2.POOLING_SPAN), many)
    assert (found.code, found.quota) == (EXHAUSTED, "texts.texts[0].spans")
    assert f"at most {MOST_UNITS} spans in text 'u'" in found.message
    found = await refused(server.address, spec(interventions=[_shift(ZEROS)] * 2), ONE)
    assert (found.code, found.quota) == (EXHAUSTED, "max_interventions")


async def test_a_message_over_the_limit_is_refused(serve: Any) -> None:
    server = await serve(max_message_bytes=64 << 10)
    found = await refused(server.address, spec(), texts("cat " * 20_000))
    assert found.code == EXHAUSTED
    assert "65536" in found.message
    assert len((await encode(server.stub, spec(), ONE)).arrays) == 1


async def test_artifacts_come_from_the_store(serve: Any, tmp_path: Any) -> None:
    server = await serve()
    name = Store(str(tmp_path / "store")).put("vectors", save({"vector": np.ones(32, np.float32)}))

    def edit(artifact: str) -> model_pb2.Intervention:
        ref = model_pb2.ArrayRef(artifact=artifact)
        return model_pb2.Intervention(layer=1, shift=model_pb2.Shift(vector=ref, alpha=1.0))

    named = await encode(server.stub, spec(interventions=[edit(name)]), ONE)
    given = await encode(server.stub, spec(interventions=[_shift(np.ones(32))]), ONE)
    np.testing.assert_array_equal(named.arrays[0], given.arrays[0])
    absent = "vectors/" + "0" * 64
    found = await refused(server.address, spec(interventions=[edit(absent)]), ONE)
    assert (found.code, found.resource) == (MISSING, absent)


async def test_tokenize_and_get_model_name_their_own_fields(serve: Any) -> None:
    server = await serve()
    up = model_pb2.ModelRef(name="../x")
    found = await failure(server.stub.GetModel(encoder_pb2.GetModelRequest(model=up)))
    assert (found.code, list(found.fields)) == (INVALID, ["model.name"])
    found = await failure(server.stub.Tokenize(encoder_pb2.TokenizeRequest(model=up, texts=ONE.texts.texts)))
    assert (found.code, list(found.fields)) == (INVALID, ["model.name"])
    request = encoder_pb2.TokenizeRequest(
        model=model_pb2.ModelRef(name="tiny"), texts=[text_pb2.Text(id="a", text="cat " * 100)]
    )
    found = await failure(server.stub.Tokenize(request))
    assert list(found.fields) == ["texts[0].text"]
    request.overflow = text_pb2.OVERFLOW_TRUNCATE
    (text,) = (await server.stub.Tokenize(request)).texts
    assert (len(text.token_ids), text.truncated) == (64, True)


@pytest.mark.parametrize(("size", "token"), [(-1, ""), (0, "nonsense")])
async def test_wrong_pages_are_refused(serve: Any, size: int, token: str) -> None:
    server = await serve()
    found = await failure(server.stub.ListModels(encoder_pb2.ListModelsRequest(page_size=size, page_token=token)))
    assert (found.code, list(found.fields)) == (INVALID, ["page_size" if size else "page_token"])
