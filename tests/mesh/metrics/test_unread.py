"""Clients that do not read what they asked to be measured, by every method whose answer is a stream."""

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import grpc
import numpy as np
import pytest
from babelscope.data.example_messages import to_proto as example
from babelscope.data.examples import Example
from babelscope.data.tensors import to_proto
from babelscope.v1 import metrics_pb2, metrics_pb2_grpc

from tests.support.unread import READ_SECONDS, ended_unread, narrow

ROWS = 500
LAYERS = range(4)
NAMES = [f"{'v' * 200}{number}" for number in range(12)]
"""Long names make long answers of few numbers."""
CKA = metrics_pb2.Measure(name="cka")
IDS = [f"{'i' * 200}{number}" for number in range(ROWS)]


def _activations(name: str, rows: int) -> metrics_pb2.ViewActivations:
    drawn = np.random.default_rng(len(name)).standard_normal((rows, len(LAYERS), 3)).astype(np.float32)
    return metrics_pb2.ViewActivations(view=name, ids=IDS[:rows], tensor=to_proto(drawn))


def _views(names: list[str]) -> list[metrics_pb2.View]:
    return [metrics_pb2.View(name=name, layers=LAYERS) for name in names]


def _asked(method: str) -> Iterator[Any]:
    """Messages whose answer is longer than what a client takes that reads nothing."""
    match method:
        case "Compare" | "Merge":
            ask: Any = metrics_pb2.CompareRequest
            keep = method == "Merge"
            measures = [CKA] if keep else [CKA, metrics_pb2.Measure(name="cosine")]
            yield ask(spec=metrics_pb2.CompareSpec(views=_views(NAMES), measures=measures, keep_state=keep))
            yield from (ask(activations=_activations(name, 12)) for name in NAMES)
        case "Retrieve":
            ask = metrics_pb2.RetrieveRequest
            yield ask(spec=metrics_pb2.RetrieveSpec(views=_views(NAMES), ranks=[1]))
            yield from (ask(activations=_activations(name, 12)) for name in NAMES)
        case "FitMap":
            ask = metrics_pb2.FitMapRequest
            source, target = _views(["en", "fr"])
            yield ask(spec=metrics_pb2.FitMapSpec(source=source, target=target, method="vecmap"))
            yield from (ask(activations=_activations(name, ROWS)) for name in ("en", "fr"))
        case "ScoreText":
            ask = metrics_pb2.ScoreTextRequest
            yield ask(spec=metrics_pb2.ScoreTextSpec(score="bleu1", language="en", item_scores=True))
            for part in range(6):
                said = [example(Example(f"{name}-{part}", "the cat sees", "en")) for name in IDS]
                items = [metrics_pb2.ScoredItem(prediction=each, gold=each) for each in said]
                yield ask(items=metrics_pb2.ScoredItems(items=items))
        case _:
            ask = metrics_pb2.ProjectRequest
            yield ask(spec=metrics_pb2.ProjectSpec(views=_views(["en"])))
            for part in range(4):
                rows = _activations("en", ROWS)
                rows.ids[:] = [f"{name}-{part}" for name in IDS]
                yield ask(activations=rows)


async def _sent(method: str) -> AsyncIterator[Any]:
    for message in _asked(method):
        yield message


@pytest.mark.parametrize("method", ["Compare", "Merge", "Retrieve", "FitMap", "Project", "ScoreText"])
async def test_a_client_that_does_not_read_loses_its_stream(method: str, serve: Callable[..., Any]) -> None:
    one = await serve(read_seconds=READ_SECONDS)
    request: Any = _sent(method)
    if method == "Merge":
        kept = [message.report.state async for message in (await serve()).stub.Compare(request)]
        # Of the report alone, without measures, a client that reads nothing would take all.
        request = metrics_pb2.MergeRequest(states=kept[-1:], measures=[CKA])
    async with narrow(one.server) as channel:
        stub: Any = metrics_pb2_grpc.MetricsServiceStub(channel)
        found = await ended_unread(one.server, getattr(stub, method)(request))
    assert (found.code, found.quota) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "read_seconds")
    await one.idle()
    assert one.service.memory.used == 0
