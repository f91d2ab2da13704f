"""What right requests are answered, by a real model."""

import asyncio
from typing import Any

import grpc
import numpy as np
import pytest
from babelscope.data.tensors import CHUNK_BYTES, bf16_to_f32, to_proto
from babelscope.v1 import encoder_pb2, model_pb2, tensor_pb2, text_pb2

from services.encoder.loading import load_engine
from services.models.catalogue import ModelFiles
from services.models.spec import EncodePlan, ModelSpec, Pooling
from tests.support.encoder_calls import encode, sentences, spec, texts
from tests.support.general_models import build_general
from tests.support.refusals import read_failure


@pytest.mark.parametrize(
    ("proto", "pooling"),
    [
        (model_pb2.POOLING_UNSPECIFIED, Pooling.MEAN),
        (model_pb2.POOLING_CLS, Pooling.CLS),
        (model_pb2.POOLING_TOKEN, Pooling.TOKEN),
    ],
)
async def test_the_answer_is_the_engine_s(serve: Any, model_root: Any, proto: Any, pooling: Pooling) -> None:
    server = await serve()
    strings = sentences(200)
    answer = await encode(server.stub, spec(pooling=proto), texts(*strings[:80]), texts(*strings[80:], first=80))
    engine = load_engine(ModelFiles([model_root]), ModelSpec("tiny"), threads=1)
    expected = engine.encode(engine.tokenize(strings), EncodePlan((0, 1, 2), pooling))
    engine.close()
    assert answer.started.model.digest == engine.info.digest
    assert list(answer.started.layers) == [0, 1, 2]
    assert sorted(answer.arrays) == list(range(200))
    for index, array in enumerate(expected):
        np.testing.assert_allclose(answer.arrays[index], array, atol=1e-5)
        assert answer.items[index].id == f"t{index}"
    assert answer.finished.texts == 200
    assert answer.finished.tokens == sum(item.tokens for item in answer.items.values())
    assert answer.finished.compute_seconds > 0


async def test_sixteen_concurrent_clients_get_what_each_would_get_alone(serve: Any) -> None:
    server = await serve(token_budget=128)
    requests = [(spec(), texts(*sentences(60, seed))) for seed in range(16)]
    alone = [await encode(server.stub, *request) for request in requests]
    before = server.gauge("encoder_batches_total")
    together = await asyncio.gather(*(encode(server.stub, *request) for request in requests))
    assert server.gauge("encoder_batches_total") - before <= before
    for one, other in zip(alone, together, strict=True):
        assert one.arrays.keys() == other.arrays.keys()
        for index, array in one.arrays.items():
            np.testing.assert_allclose(other.arrays[index], array, atol=1e-5)


async def test_models_plans_and_variants_side_by_side_do_not_mix(serve: Any) -> None:
    server = await serve()
    drawn = model_pb2.ModelRef(name="tiny", reinit=[model_pb2.ReinitLayers(layers=[2], seed=3)])
    shift = model_pb2.Intervention(
        layer=1,
        shift=model_pb2.Shift(vector=model_pb2.ArrayRef(inline=to_proto(np.ones(32, np.float32))), alpha=0.5),
    )
    specs = [spec(), spec("other"), spec(model=drawn), spec(interventions=[shift]), spec(layers=[2])]
    strings = texts(*sentences(50))
    alone = [await encode(server.stub, each, strings) for each in specs]
    together = await asyncio.gather(*(encode(server.stub, each, strings) for each in specs))
    for one, other in zip(alone, together, strict=True):
        for index, array in one.arrays.items():
            np.testing.assert_allclose(other.arrays[index], array, atol=1e-5)
    for other in alone[1:4]:
        assert np.abs(other.arrays[0][:, 2] - alone[0].arrays[0][:, 2]).max() > 1e-3
    assert len({answer.started.model.digest for answer in alone}) == 3


async def test_texts_of_token_answers_are_cut_into_chunks_of_a_mebibyte(serve: Any) -> None:
    server = await serve()
    answer = await encode(
        server.stub, spec(layers=[0, 1, 2], pooling=model_pb2.POOLING_TOKEN), texts(*["the cat " * 30] * 300)
    )
    assert max(answer.chunks) <= CHUNK_BYTES
    assert len(answer.arrays) == 300
    assert {array.shape for array in answer.arrays.values()} == {(62, 3, 32)}


async def test_small_answers_travel_together(serve: Any) -> None:
    server = await serve()
    answer = await encode(server.stub, spec(), texts(*sentences(256)))
    assert len(answer.chunks) <= 16


async def test_bfloat16_halves_the_bytes(serve: Any) -> None:
    server = await serve()
    wide = await encode(server.stub, spec(), texts(*sentences(20)))
    narrow = await encode(server.stub, spec(output_dtype=tensor_pb2.DATA_TYPE_BF16), texts(*sentences(20)))
    assert sum(narrow.chunks) * 2 == sum(wide.chunks)
    for index, array in wide.arrays.items():
        np.testing.assert_allclose(bf16_to_f32(narrow.arrays[index]), array, rtol=2**-8, atol=1e-30)


async def test_a_cut_text_is_counted(serve: Any) -> None:
    server = await serve()
    answer = await encode(
        server.stub, spec(overflow=text_pb2.OVERFLOW_TRUNCATE, max_tokens=10), texts("the cat " * 50, "the cat")
    )
    assert [answer.items[index].truncated for index in (0, 1)] == [True, False]
    assert [answer.items[index].tokens for index in (0, 1)] == [10, 4]
    assert (answer.finished.truncated, answer.started.max_tokens) == (1, 10)


async def test_models_are_listed_with_the_reason_of_those_refused(serve: Any) -> None:
    server = await serve(preload=("tiny",))
    page = await server.stub.ListModels(encoder_pb2.ListModelsRequest())
    states = {model.name: (model.state, model.reason) for model in page.models}
    assert states["tiny"] == (model_pb2.MODEL_STATE_READY, "")
    assert states["other"] == (model_pb2.MODEL_STATE_AVAILABLE, "")
    for name in ("pickled", "foreign"):
        assert states[name][0] == model_pb2.MODEL_STATE_REFUSED
        assert states[name][1]
    got = await server.stub.GetModel(encoder_pb2.GetModelRequest(model=model_pb2.ModelRef(name="other")))
    assert (got.state, got.layers, got.hidden_size, got.max_tokens) == (model_pb2.MODEL_STATE_READY, 2, 32, 64)


async def test_tokenize_shows_what_the_model_sees(serve: Any) -> None:
    server = await serve()
    request = encoder_pb2.TokenizeRequest(
        model=model_pb2.ModelRef(name="tiny"), texts=[text_pb2.Text(id="x", text="The cat, now")]
    )
    (text,) = (await server.stub.Tokenize(request)).texts
    assert list(text.tokens) == ["[CLS]", "the", "cat", "[UNK]", "now", "[SEP]"]
    assert list(zip(text.starts, text.ends, strict=True))[1:-1] == [(0, 3), (4, 7), (7, 8), (9, 12)]


async def test_a_model_that_must_be_told_the_language(serve: Any, tmp_path: Any) -> None:
    build_general("xmod", tmp_path / "models" / "xmod")
    server = await serve(model_roots=(tmp_path / "models",))
    model = await server.stub.GetModel(encoder_pb2.GetModelRequest(model=model_pb2.ModelRef(name="xmod")))
    assert (model.engine, list(model.languages)) == (model_pb2.ENGINE_GENERAL, ["en_XX", "sw_KE"])
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await encode(server.stub, spec("xmod"), texts("the river rose"))
    failure = read_failure(caught.value)
    assert "one of en_XX, sw_KE, but got none" in failure.fields["texts.texts[0].language"]
    named = encoder_pb2.EncodeRequest(
        texts=encoder_pb2.EncodeTexts(texts=[text_pb2.Text(id="t1", text="the river rose", language="en")])
    )
    english = await encode(server.stub, spec("xmod", language="en"), texts("the river rose"))
    both = await encode(server.stub, spec("xmod", language="sw"), texts("the river rose"), named)
    np.testing.assert_allclose(both.arrays[1], english.arrays[0], atol=1e-5)
    assert np.abs(both.arrays[0] - english.arrays[0]).max() > 1e-3
