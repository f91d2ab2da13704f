"""The door without a network: messages in, messages out."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

import numpy as np
import pytest
from babelscope.v1 import encoder_pb2, model_pb2, tensor_pb2, text_pb2

from services.encoder.api.servicer import EncoderServicer
from services.encoder.registry import Registry
from services.encoder.settings import EncoderSettings
from services.models.catalogue import ModelSummary
from services.runtime.errors import InvalidArgument, LimitExceeded, NotFound

MODEL = model_pb2.ModelRef(name="fake")
SPEC = encoder_pb2.EncodeSpec(model=MODEL)


class Files:
    """Knows one model; names beginning with a dot are wrong."""

    def resolve(self, name: str, revision: str = "") -> str:
        if name.startswith("."):
            raise InvalidArgument("spec.model.name", "Expected a name without `..`")
        if name != "fake":
            raise NotFound("model", name)
        return name

    written = 0

    def stamp(self, name: str, revision: str = "") -> int:
        return self.written

    def is_local(self, _name: str) -> bool:
        return True

    def weight_bytes(self, _name: str, _revision: str = "") -> int:
        return 1

    def list(self) -> list[ModelSummary]:
        return [ModelSummary(name, "bert", "") for name in ("fake", "other", "third")]


class Context:
    """Collects what is written."""

    def __init__(self) -> None:
        self.written: list[encoder_pb2.EncodeResponse] = []

    def peer(self) -> str:
        return "ipv4:127.0.0.1:1"

    async def write(self, message: encoder_pb2.EncodeResponse | bytes) -> None:
        ready = isinstance(message, bytes)
        self.written.append(encoder_pb2.EncodeResponse.FromString(message) if ready else message)


Serve = Callable[..., EncoderServicer]


@pytest.fixture
async def serve(rig: Any, engine: Any) -> AsyncIterator[Serve]:
    made: list[tuple[EncoderServicer, Registry]] = []

    def make(**settings: Any) -> EncoderServicer:
        registry = Registry(Files(), lambda _: engine, max_models=2, wait_seconds=1)
        servicer = EncoderServicer(registry, rig().scheduler, Store(), EncoderSettings(**settings))
        made.append((servicer, registry))
        return servicer

    yield make
    for servicer, registry in made:
        await servicer.close()
        await registry.close()


class Store:
    """Holds nothing."""

    def get(self, name: str) -> bytes:
        raise NotFound("object", name)


def _texts(*texts: str, first: int = 0) -> encoder_pb2.EncodeRequest:
    messages = [text_pb2.Text(id=f"id{number}", text=text) for number, text in enumerate(texts, first)]
    return encoder_pb2.EncodeRequest(texts=encoder_pb2.EncodeTexts(texts=messages))


def _spec(**fields: Any) -> encoder_pb2.EncodeRequest:
    return encoder_pb2.EncodeRequest(spec=encoder_pb2.EncodeSpec(**{"model": MODEL, **fields}))


async def _encode(
    servicer: EncoderServicer, messages: Iterable[encoder_pb2.EncodeRequest], context: Context | None = None
) -> list[encoder_pb2.EncodeResponse]:
    async def stream() -> AsyncIterator[encoder_pb2.EncodeRequest]:
        for message in messages:
            yield message

    context = context or Context()
    await servicer.Encode(stream(), context)
    return context.written


async def test_an_encode_starts_answers_and_finishes(serve: Serve) -> None:
    answers = await _encode(serve(), [_spec(layers=[2, 0]), _texts("a b", "c"), _texts("d e f", first=2)])
    started, finished = answers[0].started, answers[-1].finished
    assert started.model.digest == "digest-fake"
    assert started.model.state == model_pb2.MODEL_STATE_READY
    assert list(started.layers) == [2, 0]
    assert (started.pooling, started.compute_dtype) == (model_pb2.POOLING_MEAN, tensor_pb2.DATA_TYPE_F32)
    assert (started.device, started.max_tokens) == ("cpu", 512)
    chunks = [answer.chunk for answer in answers[1:-1]]
    assert len({chunk.block for chunk in chunks}) == len(chunks)
    items = [item for chunk in chunks for item in chunk.items]
    assert sorted((item.index, item.id, item.rows, item.tokens) for item in items) == [
        (0, "id0", 1, 4),
        (1, "id1", 1, 3),
        (2, "id2", 1, 5),
    ]
    for chunk in chunks:
        assert list(chunk.tensor.shape) == [len(chunk.items), 2, 4]
        array = np.frombuffer(chunk.data, "<f4").reshape(chunk.tensor.shape)
        np.testing.assert_array_equal(array[:, 0], 3 * array[:, 1])
    assert (finished.texts, finished.tokens, finished.truncated) == (3, 12, 0)


async def test_bfloat16_answers_say_so(serve: Serve) -> None:
    answers = await _encode(serve(), [_spec(output_dtype=tensor_pb2.DATA_TYPE_BF16), _texts("a b")])
    assert answers[1].chunk.tensor.dtype == tensor_pb2.DATA_TYPE_BF16
    assert len(answers[1].chunk.data) == 3 * 4 * 2


async def test_long_texts_are_cut_where_that_is_asked_for(serve: Serve) -> None:
    messages = [_spec(overflow=text_pb2.OVERFLOW_TRUNCATE, max_tokens=4), _texts("a b c d e", "a")]
    answers = await _encode(serve(), messages)
    assert sorted(item.truncated for answer in answers for item in answer.chunk.items) == [False, True]
    assert answers[-1].finished.truncated == 1
    with pytest.raises(InvalidArgument, match="Expected at most 4 tokens, but text 'id0' has 7"):
        await _encode(serve(), [_spec(max_tokens=4), _texts("a b c d e", "a")])


@pytest.mark.parametrize(
    ("messages", "field", "problem"),
    [
        ([], "spec", "Expected `spec` in the first message, but the stream ended without any"),
        ([_texts("a")], "spec", "Expected `spec` in the first message, but got `texts`"),
        ([encoder_pb2.EncodeRequest()], "spec", "but got an empty message"),
        ([_spec()], "texts", "Expected at least one text, but the stream ended without any"),
        ([_spec(), _spec()], "spec", "Expected `spec` once, in the first message, but got another"),
        ([_spec(), encoder_pb2.EncodeRequest()], "texts", "but got an empty message"),
        ([_spec(), _texts()], "texts.texts", "Expected at least one text, but got none"),
        ([_spec(), _texts("a", "")], "texts.texts[1].text", "text 'id1' is"),
        ([_spec(layers=[0, 14])], "spec.layers[1]", "Expected `layers` within 0..2, but got 14"),
        ([_spec(max_tokens=600)], "spec.max_tokens", "within 3..512 for model fake"),
        ([_spec(model=model_pb2.ModelRef(name="../x"))], "spec.model.name", "without `..`"),
    ],
)
async def test_wrong_streams_name_the_field(serve: Serve, messages: list[Any], field: str, problem: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        await _encode(serve(), messages)
    assert caught.value.field == field
    assert problem in caught.value.problem


async def test_an_error_of_the_intake_ends_a_stream_that_has_answers(serve: Serve, rig: Any) -> None:
    context = Context()
    with pytest.raises(InvalidArgument, match=r"texts\.texts\[1\]\.text"):
        await _encode(serve(), [_spec(), _texts("a"), _texts(" ", first=1)], context)
    assert context.written[0].HasField("started")


async def test_a_cancelled_encode_closes_its_stream(serve: Serve, engine: Any, until: Any) -> None:
    engine.hold()
    servicer = serve()
    task = asyncio.create_task(_encode(servicer, [_spec(), _texts(*["a b c"] * 1000)]))
    await until(lambda: servicer._scheduler.queued_texts > 0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert servicer._scheduler.open_streams == servicer._scheduler.tokens.used == 0
    engine.open.set()


async def _tokenize(servicer: EncoderServicer, *texts: str, model: str = "fake") -> encoder_pb2.TokenizeResponse:
    request = encoder_pb2.TokenizeRequest(model=model_pb2.ModelRef(name=model), texts=_texts(*texts).texts.texts)
    return await servicer.Tokenize(request, Context())


async def test_tokenize_gives_pieces_with_places(serve: Serve) -> None:
    (text,) = (await _tokenize(serve(), "a b")).texts
    assert (text.id, list(text.token_ids), list(text.special)) == ("id0", [0, 1, 2, 3], [True, False, False, True])
    assert list(text.tokens) == ["piece0", "piece1", "piece2", "piece3"]
    assert list(text.ends) == [1, 2, 3, 4]


async def test_tokenize_refuses_what_it_cannot_answer(serve: Serve) -> None:
    servicer = serve(max_message_bytes=64 << 10, max_texts=20)
    with pytest.raises(LimitExceeded, match="Expected an answer of at most 65536 bytes"):
        await _tokenize(servicer, *["a " * 500] * 20)
    with pytest.raises(LimitExceeded, match="Expected at most 20 texts a message, but got 21"):
        await _tokenize(servicer, *["a"] * 21)
    with pytest.raises(InvalidArgument, match="texts: Expected at least one text"):
        await _tokenize(servicer)
    with pytest.raises(InvalidArgument, match=r"model\.name: Expected a name without"):
        await _tokenize(servicer, "a", model="../x")
    with pytest.raises(InvalidArgument, match="Expected at most 512 tokens, but text 'id0' has 602"):
        await _tokenize(servicer, "a " * 600)


async def test_models_are_listed_in_pages(serve: Serve) -> None:
    servicer = serve()
    assert (await servicer.GetModel(encoder_pb2.GetModelRequest(model=MODEL), Context())).layers == 2
    names, token = [], ""
    while True:
        request = encoder_pb2.ListModelsRequest(page_size=2, page_token=token)
        page = await servicer.ListModels(request, Context())
        names += [(model.name, model.state) for model in page.models]
        token = page.next_page_token
        if not token:
            break
    available = model_pb2.MODEL_STATE_AVAILABLE
    assert names == [("fake", model_pb2.MODEL_STATE_READY), ("other", available), ("third", available)]


async def test_get_model_names_its_own_field(serve: Serve) -> None:
    with pytest.raises(InvalidArgument) as caught:
        await serve().GetModel(encoder_pb2.GetModelRequest(model=model_pb2.ModelRef(name="../x")), Context())
    assert caught.value.field == "model.name"
    with pytest.raises(InvalidArgument) as caught:
        await serve().GetModel(encoder_pb2.GetModelRequest(), Context())
    assert caught.value.field == "model.name"
