"""Mistakes in retrieval by gold pairs and by indexes: each has its status and names its field."""

import sys
from collections.abc import Callable
from typing import Any

import grpc
import numpy as np
import pytest
from babelscope import InvalidRequest, Refused, View
from babelscope.data.tensors import to_proto
from babelscope.v1 import metrics_pb2, metrics_pb2_grpc

from tests.support.refusals import Failure, refusal

RNG = np.random.default_rng(0)


def _spec(*names: str, **fields: Any) -> metrics_pb2.RetrieveRequest:
    views = [metrics_pb2.View(name=name, layers=[0]) for name in names]
    return metrics_pb2.RetrieveRequest(spec=metrics_pb2.RetrieveSpec(views=views, **fields))


def _rows(name: str, n: int = 12) -> metrics_pb2.RetrieveRequest:
    tensor = to_proto(RNG.standard_normal((n, 1, 4)))
    ids = [f"{name}{row}" for row in range(n)]
    return metrics_pb2.RetrieveRequest(activations=metrics_pb2.ViewActivations(view=name, ids=ids, tensor=tensor))


def _gold(*pairs: tuple[str, str]) -> metrics_pb2.RetrieveRequest:
    found = [metrics_pb2.IdPair(source_id=one, target_id=other) for one, other in pairs]
    return metrics_pb2.RetrieveRequest(gold=metrics_pb2.GoldPairs(pairs=found))


WRONG = {
    "no gold": ([_spec("x", "y", gold=True), _rows("x"), _rows("y")], "gold", "without any"),
    "gold not asked for": ([_spec("x", "y"), _gold(("x0", "y0"))], "gold", "only where `spec.gold` is set"),
    "an id is missing": ([_spec("x", "y", gold=True), _gold(("x0", ""))], "gold.pairs[0]", "a target id"),
    "an id is missing in a later message": (
        [_spec("x", "y", gold=True), _gold(("x0", "y0"), ("x1", "y1")), _gold(("x2", "y2"), ("", "y3"))],
        "gold.pairs[3]",
        "a source id",
    ),
    "three views": ([_spec("x", "y", "z", gold=True)], "spec.pairs", "one pair of views"),
    "nothing covered": (
        [_spec("x", "y", gold=True), _rows("x"), _rows("y"), _gold(("x99", "y0"), ("x0", "y99"))],
        "gold.pairs",
        "of 2 sources none is in the first with a target in the second",
    ),
    "an unknown index": ([_spec("x", "y", index="hsnw")], "spec.index", "did you mean 'hnsw'?"),
    "too few for csls": (
        [_spec("x", "y", gold=True), _rows("x"), _rows("y", 9), _gold(("x0", "y0"))],
        "spec.similarities",
        "n=12 and 9 (d=4); retrieval between views 'x' and 'y' at layers 0 and 0",
    ),
}


@pytest.mark.parametrize("case", WRONG)
async def test_a_mistake_is_named(serve: Callable[..., Any], case: str) -> None:
    one = await serve()
    messages, field, words = WRONG[case]
    found: Failure = await refusal(
        one.client.address, metrics_pb2_grpc.MetricsServiceStub, "Retrieve", *messages
    )  # fmt: skip
    assert found.code == grpc.StatusCode.INVALID_ARGUMENT
    assert list(found.fields) == [field]
    assert words in found.message
    assert one.left_behind() == []


async def test_an_index_without_its_package(serve: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    one = await serve()
    monkeypatch.setitem(sys.modules, "faiss", None)
    rows = {"x": RNG.standard_normal((12, 4)), "y": RNG.standard_normal((12, 4))}
    with pytest.raises(Refused, match=r"babelscope\[faiss\]"):
        await one.client.retrieve(rows, index="ivf")


async def test_words_pushed_as_vectors(serve: Callable[..., Any]) -> None:
    """Views of other ids and sizes; a source with two right answers, and one that is not covered."""
    one = await serve()
    x, y = np.eye(12), np.concatenate([np.eye(12), np.eye(12)[:3] + 0.01])
    views = {
        "en": View(activations=x, ids=[f"e{row}" for row in range(12)]),
        "de": View(activations=y, ids=[f"d{row}" for row in range(15)]),
    }
    gold = [("e0", "d0"), ("e0", "d12"), ("e1", "d1"), ("e2", "d5"), ("e77", "d1")]
    found = await one.client.retrieve(views, ["cosine"], gold=gold)
    assert (found.pairs[0].gold_sources, found.pairs[0].covered_sources, found.pairs[0].n) == (4, 3, 3)
    assert found.pairs[0].examples == ("e77",)
    # e0 and e1 find theirs first (d13 is nearly e1, but not quite); e2's is tied with all that are orthogonal to it.
    assert found.value("p@1", "en", "de", 0) == pytest.approx(2 / 3)
    assert found.value("mrr", "en", "de", 0) == pytest.approx((1 + 1 + 1 / 15) / 3)
    assert found.find("p@1", "de", "en", 0).n == 4
    with pytest.raises(InvalidRequest, match="number of neighbours of at least 1"):
        await one.client.retrieve(views, csls_k=-1, gold=gold)
