"""Clients that vanish, wait, flood or do not read; queues that are full. What they hold is always given back."""

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from typing import Any

import grpc
import numpy as np
import pytest
from babelscope.transport.first_status import FirstStatus
from babelscope.v1 import encoder_pb2, model_pb2, text_pb2

from services.encoder.engine import Engine
from tests.support.encoder_calls import encode, rest, sentences, spec, texts
from tests.support.refusals import failure


async def _messages(*messages: encoder_pb2.EncodeRequest, then: Any = None) -> AsyncIterator[encoder_pb2.EncodeRequest]:
    for message in messages:
        yield message
    if then is not None:
        await then.wait()


async def test_a_client_that_vanishes_mid_stream_frees_the_queue(serve: Any, gate: Any) -> None:
    server = await serve(token_budget=64)
    never = asyncio.Event()
    call = server.stub.Encode(_messages(spec(), texts(*sentences(500)), then=never))
    await server.until(lambda: server.gauge("encoder_queued_texts") > 400)
    assert server.gauge("encoder_queued_tokens") > 1000
    call.cancel()
    await server.until(lambda: server.gauge("encoder_queued_texts") == 0)
    assert server.gauge("encoder_queued_tokens") == server.gauge("encoder_queued_bytes") == 0
    assert server.gauge("encoder_unread_bytes") == server.gauge("encoder_streams") == 0
    gate.go.set()
    assert len((await encode(server.stub, spec(), texts("the cat"))).arrays) == 1
    assert server.gauge("encoder_texts_total") < 200, "texts of nobody were computed"


async def test_a_connection_that_breaks_frees_the_queue(serve: Any, gate: Any, dial: Any) -> None:
    server = await serve(token_budget=64)
    channel = grpc.aio.insecure_channel(f"127.0.0.1:{server.server.port}")
    method = channel.stream_stream(
        "/babelscope.v1.EncoderService/Encode",
        request_serializer=encoder_pb2.EncodeRequest.SerializeToString,
        response_deserializer=encoder_pb2.EncodeResponse.FromString,
    )
    never = asyncio.Event()
    call = method(_messages(spec(), texts(*sentences(100)), then=never))
    await server.until(lambda: server.gauge("encoder_queued_texts") > 50)
    await channel.close()
    await server.until(lambda: server.gauge("encoder_streams") == 0)
    assert server.gauge("encoder_queued_texts") == 0
    assert call.done()
    gate.go.set()


async def test_a_deadline_that_passes_frees_the_queue(serve: Any, gate: Any) -> None:
    server = await serve(token_budget=64, preload=("tiny",))
    found = await failure(encode(server.stub, spec(), texts(*sentences(100)), timeout=0.3))
    assert found.code == grpc.StatusCode.DEADLINE_EXCEEDED
    await server.until(lambda: server.gauge("encoder_streams") == 0)
    assert server.gauge("encoder_queued_tokens") == server.gauge("encoder_unread_bytes") == 0
    gate.go.set()


async def test_a_full_queue_refuses_and_says_when_to_retry(serve: Any, gate: Any) -> None:
    server = await serve(token_budget=64, queue_tokens=100, queue_seconds=0.1)
    long = "the cat " * 30  # 62 tokens
    slots = server.service.scheduler._slots
    holders = [asyncio.create_task(encode(server.stub, spec(), texts(long)))]
    await asyncio.to_thread(gate.waiting.acquire)  # its batch is at the device
    holders.append(asyncio.create_task(encode(server.stub, spec(), texts(long))))
    await server.until(lambda: slots.locked() and server.gauge("encoder_streams") == 2)  # its batch is the next one
    holders.append(asyncio.create_task(encode(server.stub, spec(), texts(long))))
    await server.until(lambda: server.gauge("encoder_queued_tokens") == 62)
    found = await failure(encode(server.stub, spec(), texts(long)))
    assert (found.code, found.quota) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "queue_tokens")
    assert "Expected room in the queue of 100 tokens within 0.1 s, but 62 are queued" in found.message
    assert found.retry is not None
    assert found.retry > 0
    gate.go.set()
    for answer in await asyncio.gather(*holders):
        assert len(answer.arrays) == 1


async def test_a_small_request_passes_a_giant_one(serve: Any, gate: Any) -> None:
    server = await serve(token_budget=64)
    never = asyncio.Event()
    parts = (texts(*sentences(4000, n), first=4000 * n) for n in range(5))
    giant = server.stub.Encode(_messages(spec(), *parts, then=never))
    await server.until(lambda: server.gauge("encoder_queued_texts") > 5000)
    small = asyncio.create_task(encode(server.stub, spec(), texts("the cat")))
    await server.until(lambda: server.gauge("encoder_streams") == 2)
    gate.go.set()
    assert len((await small).arrays) == 1
    assert server.gauge("encoder_queued_texts") > 1000
    giant.cancel()
    await server.until(lambda: server.gauge("encoder_streams") == 0)


async def test_a_client_that_does_not_read_holds_little_and_blocks_nobody(serve: Any) -> None:
    cap = 8 << 20
    server = await serve(result_bytes=cap)
    token = spec(pooling=model_pb2.POOLING_TOKEN)
    # 62 tokens x 3 layers x 32 x 4 bytes are 24 kB a text: 95 MB in all.
    slow = server.stub.Encode(_messages(token, *(texts(*["the cat " * 30] * 1000, first=1000 * n) for n in range(4))))
    assert (await slow.read()).HasField("started")
    await server.until(lambda: server.gauge("encoder_unread_bytes") > cap / 3)
    for seed in range(3):
        answer = await encode(server.stub, token, texts(*sentences(300, seed)))
        assert len(answer.arrays) == 300
    assert server.gauge("encoder_unread_bytes") <= cap
    assert server.gauge("encoder_texts_total") < 3000
    assert sum(item.rows for answer in await rest(slow) for item in answer.chunk.items) == 4000 * 62


async def test_a_client_that_never_reads_loses_its_stream(serve: Any) -> None:
    server = await serve(read_seconds=0.2, result_bytes=8 << 20)
    token = spec(pooling=model_pb2.POOLING_TOKEN)
    slow = server.stub.Encode(_messages(token, *(texts(*["the cat " * 30] * 1000, first=1000 * n) for n in range(4))))
    first = FirstStatus(slow)
    await server.until(lambda: server.gauge("encoder_streams") == 1)
    await server.until(lambda: server.gauge("encoder_streams") == 0)
    assert server.gauge("encoder_unread_bytes") == 0
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await rest(slow)
    assert first.of(caught.value).code() == grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_a_flood_is_answered_or_refused_and_leaves_nothing(serve: Any, gate: Any) -> None:
    """A hundred clients on 24 places; those that were refused come again until they are answered."""
    server = await serve(token_budget=256, queue_tokens=4096, queue_seconds=0.2, max_streams=24, max_client_streams=24)
    generator = np.random.default_rng(0)
    refused: list[str] = []

    async def client(seed: int) -> str:
        while (outcome := await ask(seed)) not in {"OK", "left"}:
            refused.append(outcome)
            gate.go.set()  # the device works as soon as somebody was refused
            await asyncio.sleep(generator.uniform(0.1, 0.5))
        return outcome

    async def ask(seed: int) -> str:
        try:
            call = encode(server.stub, spec(), texts(*sentences(int(generator.integers(1, 80)), seed)))
            await asyncio.wait_for(call, None if seed % 5 else 0.05)
        except TimeoutError:
            return "left"
        except grpc.aio.AioRpcError as error:
            return error.code().name
        return "OK"

    outcomes = await asyncio.gather(*(client(seed) for seed in range(100)))
    # The asynchronous client calls a refusal that it hears of while it still writes INTERNAL; the server does not.
    assert set(refused) <= {"RESOURCE_EXHAUSTED", "CANCELLED", "INTERNAL"}
    assert refused
    labels = {"grpc_type": "bidi_stream", "grpc_service": "babelscope.v1.EncoderService", "grpc_method": "Encode"}
    codes = {"grpc_code": "INTERNAL"}
    assert server.telemetry.registry.get_sample_value("grpc_server_handled_total", labels | codes) is None
    assert outcomes.count("OK") >= 80  # all that did not leave
    await server.until(lambda: server.gauge("encoder_streams") == 0)
    assert server.gauge("encoder_queued_tokens") == server.gauge("encoder_unread_bytes") == 0
    assert len((await encode(server.stub, spec(), texts("the cat"))).arrays) == 1


async def test_one_load_serves_all_who_ask_at_once(serve: Any) -> None:
    server = await serve()
    answers = await asyncio.gather(*(encode(server.stub, spec(), texts("the cat")) for _ in range(12)))
    assert server.gauge("encoder_models") == 1
    for answer in answers:
        np.testing.assert_array_equal(answer.arrays[0], answers[0].arrays[0])


async def test_models_beyond_the_limit_make_room_for_one_another(serve: Any) -> None:
    server = await serve(max_models=1)
    for name in ("tiny", "other", "tiny"):
        assert (await encode(server.stub, spec(name), texts("the cat"))).started.model.name == name
        assert server.gauge("encoder_models") == 1


async def test_the_gauges_tell_of_batches_and_waits(serve: Any) -> None:
    server = await serve(token_budget=64)
    answer = await encode(server.stub, spec(), texts(*sentences(40)))
    assert server.gauge("encoder_texts_total") == 40
    assert server.gauge("encoder_tokens_total") == answer.finished.tokens
    assert server.gauge("encoder_padded_tokens_total") >= answer.finished.tokens
    assert server.gauge("encoder_queue_wait_seconds_count") == 40
    assert server.gauge("encoder_batches_total") >= answer.finished.tokens / 64
    assert server.gauge("encoder_tokens_per_second") > 0


async def test_texts_of_a_million_characters_keep_nobody_waiting(
    serve: Any, dial: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    go, compute = threading.Event(), Engine.tokenize

    def tokenize(self: Engine, strings: Sequence[str], **options: Any) -> Any:
        assert max(map(len, strings)) < 10_000 or go.wait(250)
        return compute(self, strings, **options)

    monkeypatch.setattr(Engine, "tokenize", tokenize)
    server = await serve(preload=("tiny",))
    asked = spec(overflow=text_pb2.OVERFLOW_TRUNCATE)
    long = [texts("the cat " * 125_000, first=number) for number in range(3)]
    giants = [asyncio.create_task(encode(dial(server.address), asked, *long)) for _ in range(2)]
    await server.until(lambda: server.gauge("encoder_streams") == 2)
    assert len((await encode(server.stub, spec(), texts("a cat"))).arrays) == 1
    request = encoder_pb2.TokenizeRequest(model=model_pb2.ModelRef(name="tiny"), texts=texts("a cat").texts.texts)
    assert len((await server.stub.Tokenize(request)).texts) == 1
    assert not any(giant.done() for giant in giants)
    go.set()
    for answer in await asyncio.gather(*giants):
        assert [item.truncated for item in answer.items.values()] == [True] * 3
