"""What PredictTokens answers, by a real model: right requests, and every mistake of a client."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from babelscope import Intervention, Progress, Refused, Reinit, Shift, Text
from babelscope.aio import AsyncEncoderClient
from babelscope.calls.encode import encode_spec
from babelscope.calls.predictions import prediction_spec
from babelscope.data.models import Model
from babelscope.v1 import encoder_pb2 as pb

from services.encoder.loading import load_engine
from services.models.catalogue import ModelFiles
from services.models.spec import Edit, ModelSpec, PredictPlan
from tests.support.encoder_calls import texts
from tests.support.refusals import read_failure
from tests.support.tiny_models import build_model, mixed_texts

VECTOR = np.random.default_rng(5).normal(size=48).astype(np.float32)
SETTINGS = [[], *([Intervention(layer, Shift(VECTOR, alpha))] for layer in (1, 3) for alpha in (0.5, 2.0))]


@pytest.fixture(scope="module")
def masked_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root with `masked`, a BERT with its head."""
    root = tmp_path_factory.mktemp("masked")
    build_model("bert", root / "masked", head=True, seed=4)
    return root


@pytest.fixture
async def server(serve: Callable[..., Any], masked_root: Path, model_root: Path) -> Any:
    """A server with models that have a head and that have none, whose batches are small."""
    return await serve(model_roots=(masked_root, model_root), token_budget=256, queue_tokens=1024)


@pytest.fixture
async def client(server: Any) -> AsyncIterator[AsyncEncoderClient]:
    """A client of that server."""
    client = AsyncEncoderClient(server.address)
    yield client
    await client.close()


@pytest.mark.parametrize("top_k", [1, 3])
async def test_the_answer_is_the_engine_s(client: AsyncEncoderClient, masked_root: Path, top_k: int) -> None:
    strings = mixed_texts(60, seed=31, longest=25)
    told: list[Progress] = []
    found = await client.predict_tokens(
        strings, model="masked", settings=SETTINGS, layers=[4, 2], top_k=top_k, progress=told.append
    )
    engine = load_engine(ModelFiles([masked_root]), ModelSpec("masked"), threads=1)
    batch = engine.tokenize(strings)
    edits = ((), *((Edit(layer, VECTOR, alpha),) for layer in (1, 3) for alpha in (0.5, 2.0)))
    expected = engine.predict(batch, PredictPlan(edits, (4, 2), top_k))
    assert (found.model.digest, found.layers, found.settings, found.top_k) == (engine.info.digest, (4, 2), 5, top_k)
    assert [text.id for text in found.texts] == [str(place) for place in range(60)]
    assert told[-1].done == told[-1].total == 60
    for place, (tokens, one, text) in enumerate(zip(batch, expected, found.texts, strict=True)):
        assert text.input_ids.tolist() == tokens.ids.tolist()
        assert text.special.tolist() == tokens.special.tolist()
        np.testing.assert_array_equal(text.token_ids, one.token_ids.transpose(1, 2, 0, 3))
        np.testing.assert_allclose(text.log_probabilities, one.log_probabilities.transpose(1, 2, 0, 3), atol=1e-5)
        content = ~tokens.special
        assert found.inputs(place) == engine.pieces(tokens.ids[content])
        assert found.best(place, setting=3) == engine.pieces(one.token_ids[content, 3, -1, 0])
        assert found.best(place, setting=3, layer=4) == engine.pieces(one.token_ids[content, 3, 0, 0])
    with pytest.raises(ValueError, match=r"one of the layers \[4, 2\], but got 1"):
        found.best(0, layer=1)
    engine.close()


async def test_many_clients_get_what_each_would_get_alone(client: AsyncEncoderClient) -> None:
    async def ask(seed: int) -> Any:
        return await client.predict_tokens(mixed_texts(20, seed=seed, longest=20), model="masked", settings=SETTINGS)

    alone = [await ask(seed) for seed in range(4)]
    together = await asyncio.gather(*map(ask, range(4)), client.encode(mixed_texts(30, longest=20), model="masked"))
    for one, other in zip(alone, together, strict=False):
        for text, again in zip(one.texts, other.texts, strict=True):
            np.testing.assert_array_equal(text.token_ids, again.token_ids)
            np.testing.assert_allclose(text.log_probabilities, again.log_probabilities, atol=1e-5)


async def test_interventions_of_all_settings_come_first(server: Any) -> None:
    first, second = Intervention(1, Shift(VECTOR, 0.5)), Intervention(1, Shift(VECTOR[::-1].copy(), 1.5))
    shared = prediction_spec(encode_spec("masked", interventions=[first]), settings=[[second]])
    alone = prediction_spec(encode_spec("masked"), settings=[[first, second]])
    found = [await _predict(server, spec, texts("the river rose")) for spec in (shared, alone)]
    assert found[0] == found[1]
    without = prediction_spec(encode_spec("masked", interventions=[first]))
    without.ClearField("settings")
    assert await _predict(server, without, texts("the river rose")) == await _predict(
        server, prediction_spec(encode_spec("masked"), settings=[[first]]), texts("the river rose")
    )


async def _predict(server: Any, spec: pb.PredictTokensSpec, *messages: pb.EncodeRequest) -> list[pb.PredictedTexts]:
    requests = [pb.PredictTokensRequest(spec=spec), *(pb.PredictTokensRequest(texts=each.texts) for each in messages)]
    return [each.predicted async for each in server.stub.PredictTokens(iter(requests)) if each.HasField("predicted")]


async def test_models_without_a_head_are_refused_with_the_reason(client: AsyncEncoderClient) -> None:
    for model in ("tiny", Model("tiny", reinit=(Reinit((1,)),))):
        with pytest.raises(Refused, match="it predicts no tokens, as its checkpoint has no masked-language-model"):
            await client.predict_tokens(["the cat"], model=model)
    assert not (await client.get_model("tiny")).predicts_tokens
    assert (await client.get_model("masked")).predicts_tokens


def _spec(**options: Any) -> pb.PredictTokensSpec:
    own = {name: options.pop(name) for name in ("top_k", "settings") if name in options}
    return prediction_spec(encode_spec(options.pop("model", "masked"), **options), **own)


BAD: dict[str, tuple[pb.PredictTokensSpec, str, str]] = {
    "no model": (_spec(model=""), "spec.encode.model.name", "Expected the name of a model"),
    "layer": (_spec(layers=[5]), "spec.encode.layers[0]", "within 0..4"),
    "layer twice": (_spec(layers=[1, 1]), "spec.encode.layers[1]", "each layer once"),
    "limit": (_spec(max_tokens=2), "spec.encode.max_tokens", "within 3..256"),
    "candidates": (_spec(top_k=257), "spec.top_k", "at most 256 candidates"),
    "negative candidates": (pb.PredictTokensSpec(encode=encode_spec("masked"), top_k=-1), "spec.top_k", "0 or more"),
    "settings": (_spec(settings=[[]] * 257), "max_settings", "at most 256 settings"),
    "interventions": (_spec(settings=[SETTINGS[1] * 65]), "max_interventions", "but spec.settings[0] has 65"),
    "size": (_spec(settings=[[]] * 100, top_k=30), "max_message_bytes", "ask for fewer of them, or set `max_tokens`"),
    "own shift": (
        _spec(settings=[[], [Intervention(1, Shift(np.ones(3)))]]),
        "spec.settings[1].interventions[0].shift.vector",
        "Expected shape [48]",
    ),
    "shared shift": (
        _spec(interventions=[Intervention(9, Shift(VECTOR))]),
        "spec.encode.interventions[0].layer",
        "within 0..4",
    ),
    "nothing": (
        pb.PredictTokensSpec(encode=encode_spec("masked"), settings=[pb.InterventionSetting(interventions=[{}])]),
        "spec.settings[0].interventions[0]",
        "Expected a `shift` or a `linear_map`",
    ),
}


@pytest.mark.parametrize("name", BAD)
async def test_mistakes_are_named(server: Any, name: str) -> None:
    spec, field, problem = BAD[name]
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await _predict(server, spec, texts("the river rose"))
    failure = read_failure(caught.value)
    assert failure.code in {grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.RESOURCE_EXHAUSTED}
    assert field in str(failure)
    assert problem in str(failure)


async def test_streams_without_texts_or_specification_are_refused(server: Any) -> None:
    for messages, problem in (
        ([], "Expected `spec` in the first message"),
        ([pb.PredictTokensRequest(spec=_spec())], "Expected at least one text"),
        ([pb.PredictTokensRequest(spec=_spec())] * 2, "Expected `spec` once"),
    ):
        with pytest.raises(grpc.aio.AioRpcError, match=problem):
            async for _ in server.stub.PredictTokens(iter(messages)):
                pass


async def test_units_of_a_text_change_no_prediction(client: AsyncEncoderClient) -> None:
    plain = await client.predict_tokens(["the cat"], model="masked", top_k=3)
    units = {"positions": (1, 99), "spans": ((0, 3), (5, 2)), "words": ("the", "cat")}
    for name, value in units.items():
        text = Text("0", "the cat", **{name: value})  # type: ignore[arg-type]
        found = await client.predict_tokens([text], model="masked", top_k=3)
        np.testing.assert_array_equal(found.texts[0].token_ids, plain.texts[0].token_ids)


async def test_without_log_probabilities_the_tokens_are_the_same(client: AsyncEncoderClient) -> None:
    whole = await client.predict_tokens(["the cat", "a dog sees"], model="masked", settings=SETTINGS)
    for top_k in (1, 3):
        found = await client.predict_tokens(
            ["the cat", "a dog sees"], model="masked", settings=SETTINGS, top_k=top_k, log_probabilities=False
        )
        for text, each in zip(found.texts, whole.texts, strict=True):
            np.testing.assert_array_equal(text.token_ids[..., :1], each.token_ids)
            assert text.log_probabilities.shape == (*each.token_ids.shape[:-1], 0)
