"""The arrays of interventions are counted for the whole server, and given back."""

import asyncio
import threading
from typing import Any

import numpy as np
import pytest
from babelscope.aio.encoder import AsyncEncoderClient
from babelscope.data.tensors import to_proto
from babelscope.errors import InvalidRequest, LimitExceeded
from babelscope.v1 import model_pb2, text_pb2

from services.encoder.api import corpora
from services.models.artifacts import write_array
from services.runtime.files.store import Store
from tests.support.encoder_calls import refused, rest, spec, texts


def shift(array: model_pb2.ArrayRef) -> model_pb2.Intervention:
    return model_pb2.Intervention(layer=1, shift=model_pb2.Shift(vector=array, alpha=1.0))


def mapped(array: model_pb2.ArrayRef) -> model_pb2.Intervention:
    return model_pb2.Intervention(layer=1, linear_map=model_pb2.LinearMap(matrix=array))


async def test_arrays_of_interventions_are_held_by_the_server(serve: Any, tmp_path: Any) -> None:
    running = await serve(held_bytes=1 << 20)
    memory = running.service._servicer.memory
    large = write_array(Store(str(tmp_path / "store")), np.zeros((300, 300), np.float32), "matrix")
    for edits in (
        [mapped(model_pb2.ArrayRef(artifact=large))] * 2,
        [shift(model_pb2.ArrayRef(inline=to_proto(np.zeros(70_000, np.float32))))] * 2,
    ):
        found = await refused(running.address, spec(interventions=edits), texts("the cat"))
        assert found.quota == "held_bytes"
        assert memory.used == 0
    small = model_pb2.ArrayRef(inline=to_proto(np.zeros(32, np.float32)))
    never = asyncio.Event()

    async def messages() -> Any:
        yield spec(interventions=[shift(small)] * 64)
        yield texts("the cat")
        await never.wait()

    call = running.stub.Encode(messages())
    assert (await call.read()).HasField("started")
    # The tokenizer may be at work, which holds something as well.
    await running.until(lambda: memory.used == 64 * 2 * 32 * 4)
    call.cancel()
    await running.until(lambda: memory.used == 0)
    never.set()
    assert (await rest(running.stub.Encode(iter([spec(interventions=[shift(small)]), texts("the cat")]))))[-1].finished
    assert memory.used == 0


async def test_more_interventions_than_a_request_may_have_are_refused_before_they_are_read(serve: Any) -> None:
    running = await serve()
    unknown = mapped(model_pb2.ArrayRef(artifact="maps/" + "0" * 64))
    found = await refused(running.address, spec(interventions=[unknown] * 65), texts("the cat"))
    assert found.quota == "max_interventions"


async def test_words_that_are_wanted_are_held_by_the_server(serve: Any) -> None:
    running = await serve(held_bytes=1 << 20)
    memory = running.service._servicer.memory
    client = AsyncEncoderClient(running.address)
    with pytest.raises(LimitExceeded, match="at most 1048576 bytes together") as caught:
        await client.encode_words(["the cat"], model="tiny", words=[f"cat{number}" for number in range(5000)])
    assert caught.value.subject == "held_bytes"
    assert memory.used == 0
    assert (await client.encode_words(["the cat"], model="tiny", words=["the", "dog"])).words == ("the",)
    assert memory.used == 0
    await client.close()


async def test_words_that_are_wanted_are_made_ready_beside_the_loop(
    serve: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three hundred thousand of them take seconds, in which others are answered."""
    running = await serve()
    begun, answered = threading.Event(), threading.Event()

    class Waiting(corpora.WordFinder):
        def __init__(self, *given: Any, **options: Any) -> None:
            begun.set()
            assert answered.wait(60)
            super().__init__(*given, **options)

    monkeypatch.setattr(corpora, "WordFinder", Waiting)
    client = AsyncEncoderClient(running.address)
    asked = asyncio.create_task(client.encode_words(["the cat"], model="tiny", words=["the"]))
    assert await asyncio.to_thread(begun.wait, 60)
    assert (await client.get_model("tiny")).name == "tiny"
    answered.set()
    assert (await asked).words == ("the",)
    await client.close()


async def test_texts_that_cannot_be_cut_early_are_held_while_they_are_tokenized(serve: Any) -> None:
    """A full stop is a token: 400 KB of them took more than 150 MB, and nobody counted them."""
    running = await serve(held_bytes=64 << 20)
    memory = running.service._servicer.memory
    client = AsyncEncoderClient(running.address)
    stops = "." * 400_000
    words = client.encode_words([stops], model="tiny", overflow="truncate")
    for ask in (client.tokenize([stops], model="tiny", overflow="truncate"), words):
        with pytest.raises(LimitExceeded, match="hold at most") as caught:
            await ask
        assert caught.value.subject == "held_bytes"
    found = await refused(running.address, spec(overflow=text_pb2.OVERFLOW_TRUNCATE), texts(stops))
    assert (found.quota, memory.used) == ("held_bytes", 0)
    assert (await client.tokenize(["." * 60_000], model="tiny", overflow="truncate"))[0].truncated
    assert memory.used == 0
    await client.close()


async def test_words_are_searched_beside_the_loop(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A text of a million words is searched for seconds, in which others are answered."""
    running = await serve()
    begun, answered = threading.Event(), threading.Event()
    find = corpora.WordFinder.find

    def waiting(self: corpora.WordFinder, text: str) -> Any:
        begun.set()
        assert answered.wait(60)
        return find(self, text)

    monkeypatch.setattr(corpora.WordFinder, "find", waiting)
    client = AsyncEncoderClient(running.address)
    asked = asyncio.create_task(client.encode_words(["the cat"], model="tiny"))
    assert await asyncio.to_thread(begun.wait, 60)
    assert (await client.get_model("tiny")).name == "tiny"
    answered.set()
    assert (await asked).words == ("the", "cat")
    await client.close()


async def test_long_runs_of_letters_are_no_words(serve: Any) -> None:
    running = await serve()
    client = AsyncEncoderClient(running.address)
    found = await client.encode_words(["the " + "a" * 257 + " " + "b" * 256], model="tiny", overflow="truncate")
    assert found.words == ("the", "b" * 256)
    with pytest.raises(InvalidRequest, match="at most 256 characters, but got one of 257"):
        await client.encode_words(["the cat"], model="tiny", words=["cat", "a" * 257])
    await client.close()
