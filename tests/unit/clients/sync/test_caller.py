"""The loops of attempts behind all calls, under both twins: what is tried again, what is not, and what ends a call."""

import asyncio
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import babelscope
import babelscope.aio
import grpc
import numpy as np
import pytest
from babelscope import ClientConfig, Example
from babelscope.errors import Unavailable
from babelscope.transport.services import SERVICES
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.support.fake_datagen import EXAMPLES, FakeDatagen
from tests.support.fake_encoder import FakeEncoder
from tests.support.fake_metrics import FakeMetrics

Serve = Callable[[Any], ClientConfig]
Twin = Callable[..., Any]


def _sync(configs: dict[str, ClientConfig], path: str, *args: Any, **options: Any) -> Any:
    with babelscope.Mesh(configs) as mesh:
        found = _member(mesh, path)(*args, **options)
        return list(found) if isinstance(found, babelscope.ExampleStream) else found


def _async(configs: dict[str, ClientConfig], path: str, *args: Any, **options: Any) -> Any:
    async def run() -> Any:
        async with babelscope.aio.AsyncMesh(configs) as mesh:
            found = _member(mesh, path)(*args, **options)
            if isinstance(found, babelscope.aio.AsyncExampleStream):
                return [each async for each in found]
            return await found

    return asyncio.run(run())


def _member(mesh: Any, path: str) -> Any:
    for name in path.split("."):
        mesh = getattr(mesh, name)
    return mesh


@pytest.fixture(params=[_sync, _async], ids=["sync", "aio"])
def call(request: pytest.FixtureRequest) -> Twin:
    """Calls a method of a mesh of one of the twins; a stream of examples is read to its end."""
    twin: Twin = request.param
    return twin


def test_a_merge_that_never_gets_through_is_given_up(call: Twin, serve: Serve) -> None:
    server = FakeMetrics(breaks=[1] * 50)
    with pytest.raises(Unavailable, match="told to break"):
        call({"metrics": serve(server)}, "metrics.merge", ["states/a"])
    assert server.merges == 5


def test_a_broken_merge_starts_anew(call: Twin, serve: Serve) -> None:
    server = FakeMetrics(breaks=[1, 1])
    found = call({"metrics": serve(server)}, "metrics.merge", iter(["states/a"]))
    assert (found.state, len(found.estimates), server.merges) == ("states/whole", 1, 3)


def test_half_of_the_rows_never_look_like_all_of_them(call: Twin, serve: Serve) -> None:
    server = FakeMetrics(linger=20)
    texts = [f"text {number}" for number in range(600)]
    views = {"en": [*texts, "\udc80"], "fr": [*texts, "fine"]}
    with pytest.raises(ValueError, match="Expected Unicode text under id '600'"):
        call({"metrics": serve(server)}, "metrics.compare", views, model="m")
    assert len(server.specs) <= 1, "the call is not made again"
    assert server.whole == 0


class Failing(Iterable[Example]):
    """Examples that can be read again and again, and fail amid each reading."""

    def __iter__(self) -> Iterator[Example]:
        yield from (Example(str(number), "x" * 1000) for number in range(2000))
        raise OSError("mine")


@pytest.mark.parametrize("method", ["put_dataset", "transform"])
def test_half_of_the_examples_never_look_like_all_of_them(call: Twin, serve: Serve, method: str) -> None:
    server = FakeDatagen(linger=20)
    steps = [["deduplicate"]] if method == "transform" else []
    with pytest.raises(OSError, match="mine"):
        call({"datagen": serve(server)}, f"datagen.{method}", Failing(), *steps)
    assert server.attempts <= 1, "the call is not made again"
    assert server.whole == 0


def test_a_list_of_examples_is_put_again(call: Twin, serve: Serve) -> None:
    server = FakeDatagen(breaks=[0, 1])
    stored = call({"datagen": serve(server)}, "datagen.put_dataset", EXAMPLES)
    assert (stored.examples, server.attempts, server.read) == (10, 3, [10])
    assert len(set(server.ids)) == 1, "one call has one id in all its attempts"


def test_an_iterator_of_examples_is_put_once(call: Twin, serve: Serve) -> None:
    server = FakeDatagen(breaks=[1])
    with pytest.raises(Unavailable, match="told to break"):
        call({"datagen": serve(server)}, "datagen.put_dataset", iter(EXAMPLES))
    assert server.attempts == 1


def test_a_broken_stream_of_examples_goes_on_where_it_was(call: Twin, serve: Serve) -> None:
    server = FakeDatagen(breaks=[4, 2, 4, 7])
    assert call({"datagen": serve(server)}, "datagen.get_dataset", "datasets/a") == EXAMPLES
    assert server.attempts == 5


def test_examples_that_never_get_further_are_given_up(call: Twin, serve: Serve) -> None:
    server = FakeDatagen(breaks=[3] * 50)
    with pytest.raises(Unavailable, match="told to break"):
        call({"datagen": serve(server)}, "datagen.get_dataset", "datasets/a")
    assert server.attempts == 6  # one got further, five did not


@pytest.mark.parametrize(
    ("method", "names"),
    [
        ("datagen.list_datasets", ["datasets/0", "datasets/1", "datasets/2"]),
        ("datagen.list_transforms", ["transform_0", "transform_1", "transform_2"]),
        ("metrics.list_measures", ["measure_0", "measure_1", "measure_2"]),
        ("metrics.list_map_methods", ["method_0", "method_1", "method_2"]),
        ("metrics.list_scores", ["score_0", "score_1", "score_2"]),
    ],
)
def test_pages_are_joined(call: Twin, serve: Serve, method: str, names: list[str]) -> None:
    found = call({"datagen": serve(FakeDatagen()), "metrics": serve(FakeMetrics())}, method)
    assert [each.name for each in found] == names


def test_statistics_are_asked_for_again(call: Twin, serve: Serve) -> None:
    server = FakeMetrics(unavailable=3)
    found = call({"metrics": serve(server)}, "metrics.correlate", [1, 2, 3], [1, 2, 4])
    assert found["pearson"].value == 0.5
    assert server.unavailable == 0


ROWS = {"a": np.zeros((3, 2)), "b": np.zeros((3, 2))}


@pytest.mark.parametrize(
    ("path", "args"),
    [
        ("metrics.compare", [ROWS]),
        ("metrics.retrieve", [ROWS]),
        ("metrics.project", [ROWS]),
        ("metrics.fit_map", list(ROWS.values())),
        ("encoder.encode", [["text"]]),
    ],
)
def test_an_option_that_is_not_there_is_refused(call: Twin, serve: Serve, path: str, args: list[Any]) -> None:
    configs = {"metrics": serve(FakeMetrics()), "encoder": serve(FakeEncoder())}
    with pytest.raises(TypeError, match="got an unexpected keyword argument 'poling'"):
        call(configs, path, *args, model="m", poling="cls")


class Meeting(health_pb2_grpc.HealthServicer):
    """Says that it serves once all are asked at the same time."""

    def __init__(self, all_asked: threading.Barrier) -> None:
        self._all_asked = all_asked

    def Check(  # noqa: N802
        self, request: health_pb2.HealthCheckRequest, context: grpc.ServicerContext
    ) -> health_pb2.HealthCheckResponse:
        self._all_asked.wait(20)
        return health_pb2.HealthCheckResponse(status=health_pb2.HealthCheckResponse.SERVING)


def test_all_services_are_asked_for_their_health_at_the_same_time(call: Twin, serve: Serve) -> None:
    all_asked = threading.Barrier(len(SERVICES))
    configs = {name: serve(Meeting(all_asked)) for name in SERVICES}
    found = call(configs, "status", timeout=20)
    assert [(each.name, each.address, each.serving) for each in found] == [
        (name, config.address, True) for name, config in configs.items()
    ]


async def test_both_meshes_say_where_they_are() -> None:
    configs = {"encoder": ClientConfig("a:1"), "metrics": ClientConfig("b:2")}
    with babelscope.Mesh(configs) as mesh:
        assert repr(mesh) == "Mesh('encoder=a:1,metrics=b:2')"
        with pytest.raises(LookupError, match="Expected a mesh with datagen"):
            _ = mesh.datagen
    async with babelscope.aio.AsyncMesh(configs) as twin:
        assert twin.address == mesh.address == "encoder=a:1,metrics=b:2"
        assert repr(twin) == "AsyncMesh('encoder=a:1,metrics=b:2')"
        with pytest.raises(LookupError, match="Expected a mesh with datagen"):
            _ = twin.datagen
