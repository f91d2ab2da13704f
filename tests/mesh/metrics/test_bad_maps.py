"""Requests for maps that are wrong: each has its status, names its field, and leaves nothing behind."""

from collections.abc import Callable, Iterable
from typing import Any, cast

import grpc
import numpy as np
import pytest
from babelscope.data.tensors import to_proto
from babelscope.v1 import encoder_pb2, metrics_pb2, metrics_pb2_grpc, model_pb2, text_pb2

from tests.support.refusals import Failure, refusal

CODES = grpc.StatusCode
RNG = np.random.default_rng(0)


def view(name: str, layers: Iterable[int] = (0,)) -> metrics_pb2.View:
    return metrics_pb2.View(name=name, layers=layers)


def spec(source: Any = None, target: Any = None, method: str = "procrustes", **fields: Any) -> Any:
    fitting = metrics_pb2.FitMapSpec(source=source or view("x"), target=target or view("y"), method=method, **fields)
    return metrics_pb2.FitMapRequest(spec=fitting)


def rows(name: str, array: Any) -> metrics_pb2.FitMapRequest:
    array = np.asarray(array, np.float64)
    array = array[:, None] if array.ndim == 2 else array
    ids = [f"w{i}" for i in range(len(array))]
    return metrics_pb2.FitMapRequest(
        activations=metrics_pb2.ViewActivations(view=name, ids=ids, tensor=to_proto(array))
    )


def block(n: int = 30, d: int = 5) -> Any:
    return RNG.standard_normal((n, d))


def seed(source: str, target: str) -> metrics_pb2.IdPair:
    return metrics_pb2.IdPair(source_id=source, target_id=target)


async def failure(one: Any, *messages: Any) -> Failure:
    found = await refusal(one.client.address, metrics_pb2_grpc.MetricsServiceStub, "FitMap", *messages)
    await one.idle()
    return found


WRONG_SPECS = {
    "no spec first": ([rows("x", block())], "spec", "first message"),
    "unknown method": ([spec(method="procruste")], "spec.method", "did you mean 'procrustes'"),
    "no method": ([spec(method="")], "spec.method", "a method of procrustes"),
    "unknown option": ([spec(options={"noise": "1"})], "spec.options[noise]", "refinements"),
    "wrong option": ([spec(options={"refinements": "x"})], "spec.options[refinements]", "whole number within 0..100"),
    "no name": ([spec(view(""))], "spec.source.name", "a name"),
    "one name": ([spec(view("x"), view("x"))], "spec.target.name", "another name"),
    "no layers": ([spec(view("x", ()))], "spec.source.layers", "neither"),
    "layer twice": ([spec(target=view("y", (1, 1)))], "spec.target.layers", "once"),
    "unknown pooling": (
        [
            spec(
                metrics_pb2.View(
                    name="x",
                    encode=encoder_pb2.EncodeSpec(model=model_pb2.ModelRef(name="tiny"), pooling=cast(Any, 99)),
                )
            )
        ],
        "spec.source.encode.pooling",
        "MEAN, CLS",
    ),
    "no target rows": ([spec(), rows("x", block())], "spec.target", "rows of view 'y'"),
    "rows of no view": ([spec(), rows("z", block())], "activations.view", "a view of x, y"),
    "other layers": (
        [spec(view("x", (1,)), view("y", (2,))), rows("x", block()), rows("y", block())],
        "spec.target.layers",
        "the layers of 'x', 1, but got 2 in 'y'",
    ),
    "unequal dimensions": (
        [spec(), rows("x", block(d=5)), rows("y", block(d=6))],
        "spec.target",
        "got d=5 in 'x' and d=6 in 'y'",
    ),
    "unknown source of a seed": (
        [spec(seeds=[seed("w0", "w0"), seed("w30", "w0")]), rows("x", block()), rows("y", block())],
        "spec.seeds[1].source_id",
        "one of the 30 rows of view 'x', such as 'w0', 'w1', 'w2', but got 'w30'",
    ),
    "unknown target of a seed": (
        [spec(seeds=[seed("w0", "")]), rows("x", block()), rows("y", block())],
        "spec.seeds[0].target_id",
        "30 rows of view 'y'",
    ),
    "a row of zeros": (
        [spec(view("x", (4,)), view("y", (4,))), rows("x", np.eye(30, 5)), rows("y", block())],
        "spec",
        "row 5 of 30 is (n=30, d=5); map at layer 4 from n=30 to m=30 rows of d=5",
    ),
    "constant rows": (
        [spec(options={"normalisation": "centre"}), rows("x", np.ones((30, 5))), rows("y", block())],
        "spec",
        "X'Y is zero over all 30 pairs (d=5); map at layer 0",
    ),
    "too few rows for a dictionary": (
        [spec(), rows("x", block(6)), rows("y", block(8))],
        "spec.options[csls_k]",
        "k=10 rows on either side for CSLS, but got n=6, m=8 (d=5); map at layer 0",
    ),
    "a device that is not there": (
        [spec(method="dema", options={"device": "tpu"}), rows("x", block()), rows("y", block())],
        "spec.options[device]",
        "a device of cpu",
    ),
}


@pytest.mark.parametrize("case", WRONG_SPECS)
async def test_mistakes_are_refused_by_their_field(serve: Callable[..., Any], case: str) -> None:
    messages, field, message = WRONG_SPECS[case]
    found = await failure(await serve(), *messages)
    assert found.code == CODES.INVALID_ARGUMENT
    assert message in found.fields[field]


async def test_few_rows_give_a_map_without_a_dictionary(serve: Callable[..., Any]) -> None:
    one = await serve()
    found = await one.client.fit_map(block(6), block(6), options={"dictionary": 0})
    assert found[0].dictionary == ()
    assert found[0].source_map


async def test_no_ids_in_common_and_no_seeds(serve: Callable[..., Any]) -> None:
    messages = [spec(), rows("x", block()), rows("y", block())]
    messages[2].activations.ids[:] = [f"v{i}" for i in range(30)]
    found = await failure(await serve(), *messages)
    assert "(n=30, m=30): 'x' has 'w0'" in found.fields["spec.seeds"]
    assert "'y' has 'v0'" in found.fields["spec.seeds"]


async def test_seeds_are_looked_at_before_anything_is_encoded(serve: Callable[..., Any]) -> None:
    encoded = metrics_pb2.View(name="y", encode=encoder_pb2.EncodeSpec(model=model_pb2.ModelRef(name="tiny")))
    texts = metrics_pb2.ViewTexts(view="y", texts=[text_pb2.Text(id="t0", text="the cat")])
    asked = spec(target=encoded, seeds=[seed("w0", "t1")])
    # There is no encoder at all; with the right seed this would be UNAVAILABLE.
    found = await failure(await serve(), asked, rows("x", block()), metrics_pb2.FitMapRequest(texts=texts))
    assert found.code == CODES.INVALID_ARGUMENT
    assert "but got 't1'" in found.fields["spec.seeds[0].target_id"]


async def test_more_rows_than_there_is_memory_for(serve: Callable[..., Any]) -> None:
    one = await serve(work_bytes=64 << 20, max_message_bytes=16 << 20)
    wide = np.zeros((1000, 5000), np.float32)
    messages = [spec(), *(rows(name, wide[start : start + 250]) for name in "xy" for start in range(0, 1000, 250))]
    for index, message in enumerate(messages[1:]):
        message.activations.ids[:] = [f"w{index % 4}-{i}" for i in range(250)]
    found = await failure(one, *messages)
    assert found.code == CODES.RESOURCE_EXHAUSTED
    assert found.quota == "work_bytes"
    assert "n=1000, m=1000, d=5000" in found.message


async def test_an_encoder_s_refusal_names_the_side(serve: Callable[..., Any], encoder: str) -> None:
    encoded = metrics_pb2.View(
        name="y", encode=encoder_pb2.EncodeSpec(model=model_pb2.ModelRef(name="tiny"), layers=[9])
    )
    texts = metrics_pb2.ViewTexts(view="y", texts=[text_pb2.Text(id="w0", text="the cat")])
    messages = [spec(target=encoded), rows("x", block()), metrics_pb2.FitMapRequest(texts=texts)]
    found = await failure(await serve(encoder), *messages)
    assert found.code == CODES.INVALID_ARGUMENT
    assert list(found.fields) == ["spec.target.encode.layers[0]"]
