"""What requests hold is counted for the whole server: texts, languages, ids, gold pairs."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest
from babelscope.data.tensors import to_proto
from babelscope.v1 import encoder_pb2, metrics_pb2, model_pb2, text_pb2

from tests.support.refusals import failure

MANY = 500
ENCODE = encoder_pb2.EncodeSpec(model=model_pb2.ModelRef(name="m"))
VIEWS = [metrics_pb2.View(name="a", encode=ENCODE), metrics_pb2.View(name="b", layers=[0])]
COMPARE = metrics_pb2.CompareRequest(
    spec=metrics_pb2.CompareSpec(views=VIEWS, measures=[metrics_pb2.Measure(name="cka")])
)
PUSHED = [metrics_pb2.View(name=name, layers=[0]) for name in "ab"]
RETRIEVE = metrics_pb2.RetrieveRequest(spec=metrics_pb2.RetrieveSpec(views=PUSHED, gold=True))
SCORE = metrics_pb2.ScoreTextRequest(spec=metrics_pb2.ScoreTextSpec(score="bleu1"))


def _texts(**fields: str) -> metrics_pb2.CompareRequest:
    texts = [text_pb2.Text(**{"id": str(number), "text": "x", **fields}) for number in range(MANY)]
    return metrics_pb2.CompareRequest(texts=metrics_pb2.ViewTexts(view="a", texts=texts))


def _rows() -> metrics_pb2.CompareRequest:
    tensor = to_proto(np.ones((MANY, 1, 1), np.float32))
    rows = metrics_pb2.ViewActivations(view="b", ids=["i" * 2000] * MANY, tensor=tensor)
    return metrics_pb2.CompareRequest(activations=rows)


def _gold() -> metrics_pb2.RetrieveRequest:
    pairs = [metrics_pb2.IdPair(source_id="s" * 1000, target_id="t" * 1000)] * MANY
    return metrics_pb2.RetrieveRequest(gold=metrics_pb2.GoldPairs(pairs=pairs))


def _items(start: int) -> metrics_pb2.ScoreTextRequest:
    made = [text_pb2.Example(id=str(number), text="x" * 1000) for number in range(start, start + MANY)]
    items = [metrics_pb2.ScoredItem(prediction=one, gold=one) for one in made]
    return metrics_pb2.ScoreTextRequest(items=metrics_pb2.ScoredItems(items=items))


HELD = {
    "texts": ("Compare", COMPARE, [_texts(text="x" * 2000)]),
    "languages": ("Compare", COMPARE, [_texts(language="l" * 2000)]),
    "ids of texts": ("Compare", COMPARE, [_texts(id="i" * 2000)]),
    "ids of rows": ("Compare", COMPARE, [_rows()]),
    "gold pairs": ("Retrieve", RETRIEVE, [_gold()]),
    "scored items": ("ScoreText", SCORE, [_items(0)]),
}


@pytest.mark.parametrize("name", HELD)
async def test_what_one_request_holds_is_bounded(name: str, serve: Any) -> None:
    running = await serve(max_text_bytes=700_000)
    method, spec, messages = HELD[name]
    refused = await failure(_all(getattr(running.stub, method)(iter([spec, *messages]))))
    assert refused.quota == "max_text_bytes"


@pytest.mark.parametrize("name", HELD)
async def test_what_all_requests_hold_is_bounded_and_given_back(name: str, serve: Any) -> None:
    running = await serve(max_text_bytes=100 << 20, held_bytes=4 << 20)
    memory = running.service.memory
    method, spec, messages = HELD[name]
    gone = asyncio.Event()

    async def held() -> AsyncIterator[Any]:
        yield spec
        for message in messages:
            yield message
        await gone.wait()

    calls = [asyncio.create_task(_all(getattr(running.stub, method)(held()))) for _ in range(16)]
    done, _ = await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
    refused = await failure(done.pop())
    assert refused.quota == "held_bytes"
    assert "at most 4194304 bytes together" in refused.message
    assert memory.used <= memory.capacity
    for call in calls:
        call.cancel()
    await asyncio.wait(calls)
    gone.set()
    await running.idle()
    assert memory.used == 0


async def _all(call: Any) -> list[Any]:
    return [answer async for answer in call]
