"""Lists of a request that could be of any length are refused by their number, before anything is done with them."""

from typing import Any

import pytest
from babelscope.v1 import encoder_pb2, metrics_pb2, model_pb2

from tests.support.refusals import failure

MANY = [metrics_pb2.Measure(name="cka")] * 257
PUSHED = [metrics_pb2.View(name=name, layers=[0]) for name in "ab"]
ENCODED = encoder_pb2.EncodeSpec(model=model_pb2.ModelRef(name="m"), layers=[*range(257)])


def _compare(**fields: Any) -> Any:
    spec = metrics_pb2.CompareSpec(**{"views": PUSHED, "measures": [metrics_pb2.Measure(name="cka")], **fields})
    return "Compare", [metrics_pb2.CompareRequest(spec=spec)]


def _retrieve(**fields: Any) -> Any:
    return "Retrieve", [metrics_pb2.RetrieveRequest(spec=metrics_pb2.RetrieveSpec(views=PUSHED, **fields))]


CASES = {
    "measures": (_compare(measures=MANY), "max_measures", "257"),
    "similarities": (_retrieve(similarities=["cosine"] * 257), "max_measures", "257"),
    "ranks": (_retrieve(ranks=[*range(1, 258)]), "max_measures", "257"),
    "layers of a pushed view": (
        _compare(views=[metrics_pb2.View(name="a", layers=[*range(257)]), PUSHED[1]]),
        "max_layers",
        "257",
    ),
    "layers of an encoded view": (
        _compare(views=[metrics_pb2.View(name="a", encode=ENCODED), PUSHED[1]]),
        "max_layers",
        "257",
    ),
    "states": (
        ("Merge", metrics_pb2.MergeRequest(states=[f"moments/{n:064x}.json" for n in range(10_000)])),
        "max_states",
        "10000",
    ),
    "measures of a merge": (
        (
            "Merge",
            metrics_pb2.MergeRequest(states=["moments/a.json"], measures=MANY),
        ),
        "max_measures",
        "257",
    ),
}


@pytest.mark.parametrize("name", CASES)
async def test_long_lists_are_refused_by_their_number(name: str, serve: Any) -> None:
    running = await serve()
    (method, request), limit, got = CASES[name]
    refused = await failure(
        _all(getattr(running.stub, method)(iter(request) if isinstance(request, list) else request))
    )
    assert refused.quota == limit
    assert got in refused.message


async def _all(call: Any) -> list[Any]:
    return [answer async for answer in call]
