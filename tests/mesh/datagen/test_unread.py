"""Clients that do not read examples, by every method that streams some."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from babelscope.data.examples import Example
from babelscope.v1 import datagen_pb2, datagen_pb2_grpc, text_pb2, translate_pb2, translate_pb2_grpc

from tests.support.unread import READ_SECONDS, ended_unread, narrow

LONG = "the cat sat on the mat " * 100


async def _texts() -> AsyncIterator[translate_pb2.TranslateRequest]:
    spec = translate_pb2.TranslateSpec(source_language="en", target_language="de", system="dictionary:words")
    yield translate_pb2.TranslateRequest(spec=spec)
    for number in range(20):
        texts = [text_pb2.Text(id=f"{number}-{each}", text=LONG) for each in range(20)]
        yield translate_pb2.TranslateRequest(texts=translate_pb2.TranslateTexts(texts=texts))


async def _spec(dataset: str) -> AsyncIterator[datagen_pb2.TransformRequest]:
    step = datagen_pb2.TransformStep(name="normalise")
    yield datagen_pb2.TransformRequest(spec=datagen_pb2.TransformSpec(steps=[step], dataset=dataset))


@pytest.mark.parametrize("method", ["GetDataset", "Transform", "GenerateCorpus", "Translate"])
async def test_a_client_that_does_not_read_loses_its_stream(method: str, serve: Any, tmp_path: Path) -> None:
    words = tmp_path / "dictionaries" / "words"
    words.mkdir(parents=True)
    (words / "en-de.tsv").write_text("the\tder\ncat\tkater\n", encoding="utf-8")
    running = await serve(read_seconds=READ_SECONDS, dictionary_roots=(words.parent,))
    stored = await running.client.put_dataset([Example(str(number), LONG, "en") for number in range(400)])
    async with narrow(running.server) as channel:
        stub: Any = datagen_pb2_grpc.DatagenServiceStub(channel)
        if method == "GetDataset":
            call = stub.GetDataset(datagen_pb2.GetDatasetRequest(name=stored.name))
        elif method == "Transform":
            call = stub.Transform(_spec(stored.name))
        elif method == "GenerateCorpus":
            call = stub.GenerateCorpus(datagen_pb2.GenerateCorpusRequest(size=2000, languages=["en", "es"]))
        else:
            translating: Any = translate_pb2_grpc.TranslateServiceStub(channel)
            call = translating.Translate(_texts())
        found = await ended_unread(running.server, call)
    assert (found.code, found.quota) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "read_seconds")
    await running.idle()
    assert running.service.memory.used == 0
