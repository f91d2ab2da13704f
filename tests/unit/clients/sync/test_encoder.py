"""Both encoder clients over a real transport, against an encoder that computes nothing."""

import asyncio
import itertools
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import Any

import grpc
import numpy as np
import pytest
from babelscope.aio import AsyncEncoderClient
from babelscope.calls.encode import Window
from babelscope.data.activations import Activations, Progress
from babelscope.data.texts import Text
from babelscope.errors import DataCorrupted, DeadlineExceeded, InvalidRequest, ServerFault, Unavailable
from babelscope.sync.encoder import EncoderClient
from babelscope.transport.channel import ClientConfig

from tests.support.fake_encoder import LAYERS, WIDTH, FakeEncoder, vector

Serve = Callable[[FakeEncoder], ClientConfig]
Twin = Callable[..., Any]


def _sync(config: ClientConfig, name: str, *args: Any, **options: Any) -> Any:
    client = EncoderClient(config)
    try:
        return getattr(client, name)(*args, **options)
    finally:
        client.close()


def _async(config: ClientConfig, name: str, *args: Any, **options: Any) -> Any:
    async def run() -> Any:
        client = AsyncEncoderClient(config)
        try:
            return await getattr(client, name)(*args, **options)
        finally:
            await client.close()

    return asyncio.run(run())


@pytest.fixture(params=[_sync, _async], ids=["sync", "aio"])
def call(request: pytest.FixtureRequest) -> Twin:
    """Calls a method of one of the twins."""
    twin: Twin = request.param
    return twin


def _expected(texts: Iterable[str]) -> np.ndarray:
    return np.stack([vector(text) for text in texts])


def test_rows_come_in_the_order_of_the_texts(call: Twin, serve: Serve) -> None:
    encoder = FakeEncoder()
    texts = [f"text {i}" for i in range(700)]
    seen: list[Progress] = []
    found: Activations = call(serve(encoder), "encode", texts, model="m", progress=seen.append)
    assert np.array_equal(found.array, _expected(texts))
    assert found.array.dtype == np.float32
    assert found.ids == tuple(str(i) for i in range(700))
    assert found.layers == tuple(range(LAYERS))
    assert (found.totals.texts, found.totals.attempts, found.model_digest) == (700, 1, "digest")
    assert found.tokens.tolist() == [len(text) for text in texts]
    assert [progress.done for progress in seen] == sorted(progress.done for progress in seen)
    assert seen[-1] == Progress("encode", 700, 700)
    assert max(encoder.message_texts) <= 256


def test_layers_come_in_the_order_asked_for(call: Twin, serve: Serve) -> None:
    found: Activations = call(serve(FakeEncoder()), "encode", ["a", "b"], model="m", layers=[2, 0])
    assert found.layers == (2, 0)
    assert np.array_equal(found.layer(0), _expected(["a", "b"])[:, 0])
    with pytest.raises(ValueError, match=r"one of \[2, 0\], but got 1"):
        found.layer(1)


def test_texts_of_several_rows_keep_them_together(call: Twin, serve: Serve) -> None:
    texts = ["a", "b", "c"]
    found: Activations = call(serve(FakeEncoder(rows=4)), "encode", iter(texts), model="m", pooling="token")
    assert found.array.shape == (12, LAYERS, WIDTH)
    assert found.offsets.tolist() == [0, 4, 8, 12]
    assert np.array_equal(found.rows(1), np.repeat(_expected("b"), 4, axis=0))


@pytest.mark.parametrize("code", [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED])
def test_a_broken_stream_is_resumed(call: Twin, serve: Serve, code: grpc.StatusCode) -> None:
    encoder = FakeEncoder(breaks=[3, 0, 200, 7], code=code)
    texts = [f"text {i}" for i in range(1500)]
    found: Activations = call(serve(encoder), "encode", texts, model="m")
    assert np.array_equal(found.array, _expected(texts))
    assert found.totals.attempts == 5
    assert found.totals.texts == 1500
    ids = [metadata["x-request-id"] for metadata in encoder.metadata]
    assert len(set(ids)) == 1, "one call has one id in all its attempts"


def test_only_unanswered_texts_are_sent_again(call: Twin, serve: Serve) -> None:
    encoder = FakeEncoder(breaks=[400])
    call(serve(encoder), "encode", [f"text {i}" for i in range(600)], model="m")
    assert len(encoder.seen[1]) < 600


def test_a_stream_that_never_gets_on_is_given_up(call: Twin, serve: Serve) -> None:
    encoder = FakeEncoder(breaks=[0] * 50)
    with pytest.raises(Unavailable, match="told to break"):
        call(serve(encoder), "encode", ["a"], model="m")
    assert len(encoder.seen) == 5


def test_another_model_after_a_break_is_an_error(call: Twin, serve: Serve) -> None:
    encoder = FakeEncoder(breaks=[1], digests=["one", "two"])
    with pytest.raises(DataCorrupted, match="digest two"):
        call(serve(encoder), "encode", ["a", "b", "c", "d"], model="m")


@pytest.mark.parametrize("attempt", range(10))
def test_an_error_amid_writes_keeps_its_status(call: Twin, serve: Serve, attempt: int) -> None:
    encoder = FakeEncoder(breaks=[20 + attempt], code=grpc.StatusCode.INVALID_ARGUMENT)
    texts = (f"text {i} {'x' * 2000}" for i in range(4000))
    with pytest.raises(InvalidRequest, match="told to break"):
        call(serve(encoder), "encode", texts, model="m")


def test_a_fault_of_the_server_is_not_tried_again(call: Twin, serve: Serve) -> None:
    encoder = FakeEncoder(breaks=[0], code=grpc.StatusCode.INTERNAL)
    with pytest.raises(ServerFault, match="request"):
        call(serve(encoder), "encode", ["a"], model="m")
    assert len(encoder.seen) == 1


def test_a_passed_deadline_ends_the_call(call: Twin, serve: Serve) -> None:
    with pytest.raises(DeadlineExceeded):
        call(serve(FakeEncoder(breaks=[0] * 1000)), "encode", ["a"], model="m", timeout=0.02)


def test_nobody_at_the_address_is_said_soon(call: Twin, serve: Serve) -> None:
    config = ClientConfig("127.0.0.1:1", retry=serve(FakeEncoder()).retry)
    with pytest.raises(Unavailable, match=r"EncoderService.ListModels at 127\.0\.0\.1:1 cannot be reached"):
        call(config, "list_models")


def test_what_the_callers_texts_raise_is_raised(call: Twin, serve: Serve) -> None:
    def texts() -> Iterator[str]:
        yield "a"
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        call(serve(FakeEncoder()), "encode", texts(), model="m")


@pytest.mark.parametrize(
    ("text", "error", "problem"),
    [(3, TypeError, "Expected a Text or str"), (Text("a", "\udc80"), ValueError, "Expected Unicode text under id 'a'")],
)
def test_what_is_no_text_is_refused(call: Twin, serve: Serve, text: Any, error: type[Exception], problem: str) -> None:
    with pytest.raises(error, match=problem):
        call(serve(FakeEncoder()), "encode", ["fine", text], model="m")


def test_pages_of_models_are_joined(call: Twin, serve: Serve) -> None:
    models = call(serve(FakeEncoder()), "list_models")
    assert [model.name for model in models] == ["model-0", "model-1", "model-2"]
    assert models[0].state == "available"


def test_a_call_with_one_answer_is_tried_again(call: Twin, serve: Serve) -> None:
    encoder = FakeEncoder(unavailable=3)
    assert call(serve(encoder), "get_model", "m").state == "ready"
    assert encoder.gets == 4


def test_pieces_of_texts(call: Twin, serve: Serve) -> None:
    tokens = call(serve(FakeEncoder()), "tokenize", ["a b", Text("x", "c")], model="m")
    assert [(each.id, each.tokens) for each in tokens] == [("0", ("a", "b")), ("x", ("c",))]


def test_the_token_and_the_id_travel(call: Twin, serve: Serve) -> None:
    encoder = FakeEncoder()
    config = ClientConfig(serve(encoder).address, token="secret")
    call(config, "encode", ["a"], model="m")
    assert encoder.metadata[0]["authorization"] == "Bearer secret"
    assert len(encoder.metadata[0]["x-request-id"]) == 32


def test_a_call_may_carry_the_id_of_the_request_behind_it(call: Twin, serve: Serve) -> None:
    encoder = FakeEncoder()
    address = serve(encoder).address
    call(ClientConfig(address, request_id=lambda: "theirs"), "encode", ["a"], model="m")
    call(ClientConfig(address, request_id=lambda: ""), "encode", ["a"], model="m")
    assert encoder.metadata[0]["x-request-id"] == "theirs"
    assert len(encoder.metadata[1]["x-request-id"]) == 32


def test_texts_are_read_no_further_than_the_window(serve: Serve) -> None:
    read = 0

    def texts() -> Iterator[str]:
        nonlocal read
        for i in itertools.count():
            read += 1
            yield f"text {i}"

    client = EncoderClient(serve(FakeEncoder()))
    answered = 0
    with client.stream(texts(), model="m", window=Window(texts=10)) as stream:
        for block in itertools.islice(stream, 40):
            answered += len(block.items)
            assert read <= answered + 10 + 5  # the window, and the rows of a block not yet handed over
    client.close()


async def test_async_texts_are_read_no_further_than_the_window(serve: Serve) -> None:
    read = 0

    async def texts() -> AsyncIterator[str]:
        nonlocal read
        for i in itertools.count():
            read += 1
            yield f"text {i}"

    client = AsyncEncoderClient(serve(FakeEncoder()))
    answered = blocks = 0
    async with client.stream(texts(), model="m", window=Window(texts=10)) as stream:
        async for block in stream:
            answered += len(block.items)
            blocks += 1
            assert read <= answered + 10 + 5
            if blocks == 40:
                break
    await client.close()


async def test_a_slow_source_does_not_hold_back_the_texts_at_hand(serve: Serve) -> None:
    queue: asyncio.Queue[str | None] = asyncio.Queue()
    await queue.put("text 0")

    async def texts() -> AsyncIterator[str]:
        while (text := await queue.get()) is not None:
            yield text

    client = AsyncEncoderClient(serve(FakeEncoder()))
    answered = 0
    async with client.stream(texts(), model="m") as stream:
        async for block in stream:
            answered += len(block.items)
            await queue.put(f"text {answered}" if answered < 5 else None)
    assert answered == stream.totals.texts == 5
    await client.close()


async def test_a_break_loses_no_text_of_a_slow_async_source(serve: Serve) -> None:
    wanted = [f"text {i}" for i in range(60)]

    async def texts() -> AsyncIterator[str]:
        for text in wanted:
            await asyncio.sleep(0.001)
            yield text

    client = AsyncEncoderClient(serve(FakeEncoder(breaks=[1, 2, 3, 4])))
    found = await client.encode(texts(), model="m")
    assert np.array_equal(found.array, _expected(wanted))
    await client.close()


async def test_an_async_call_can_be_cancelled(serve: Serve) -> None:
    client = AsyncEncoderClient(serve(FakeEncoder()))

    async def texts() -> AsyncIterator[str]:
        yield "a"
        await asyncio.Event().wait()

    task = asyncio.create_task(client.encode(texts(), model="m"))
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await client.close()


def test_a_stream_left_early_lets_its_thread_go(serve: Serve) -> None:
    client = EncoderClient(serve(FakeEncoder()))
    before = threading.active_count()
    with client.stream((f"text {i}" for i in itertools.count()), model="m") as stream:
        next(stream)
        assert stream.info.model.digest == "digest"
    client.close()
    for thread in threading.enumerate():
        if "consume_request_iterator" in thread.name or "channel_spin" in thread.name:
            thread.join(5)
    assert threading.active_count() <= before + 1


def test_a_channel_can_be_given() -> None:
    class Channel(grpc.Channel):
        """A transport of the test's own."""

        def unary_unary(self, method: str, *args: Any, **kwargs: Any) -> Any:
            from babelscope.v1 import encoder_pb2, model_pb2

            def call(request: Any, timeout: float, metadata: Any) -> Any:
                assert method == "/babelscope.v1.EncoderService/ListModels"
                assert timeout == pytest.approx(60, abs=1)
                return encoder_pb2.ListModelsResponse(models=[model_pb2.Model(name="given")])

            return call

        def unary_stream(self, *args: Any, **kwargs: Any) -> Any: ...

        def stream_unary(self, *args: Any, **kwargs: Any) -> Any: ...

        def stream_stream(self, *args: Any, **kwargs: Any) -> Any: ...

        def subscribe(self, *args: Any, **kwargs: Any) -> Any: ...

        def unsubscribe(self, *args: Any, **kwargs: Any) -> Any: ...

        def close(self) -> None: ...

        def __enter__(self) -> Any: ...

        def __exit__(self, *args: Any) -> Any: ...

    assert [model.name for model in EncoderClient("anywhere:1", channel=Channel()).list_models()] == ["given"]
