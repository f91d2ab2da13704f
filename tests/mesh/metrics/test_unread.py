"""A client that does not read what it asked to be measured."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
import numpy as np
from babelscope.data.tensors import to_proto
from babelscope.v1 import metrics_pb2, metrics_pb2_grpc

from tests.support.unread import READ_SECONDS, ended_unread, narrow

ROWS = 500


async def _rows() -> AsyncIterator[metrics_pb2.ProjectRequest]:
    spec = metrics_pb2.ProjectSpec(views=[metrics_pb2.View(name="en", layers=[0, 1, 2, 3])])
    yield metrics_pb2.ProjectRequest(spec=spec)
    rng = np.random.default_rng(0)
    for part in range(4):
        # Long ids make long answers of few numbers.
        ids = [f"{'i' * 200}{part}-{number}" for number in range(ROWS)]
        rows = to_proto(rng.standard_normal((ROWS, 4, 3)).astype(np.float32))
        yield metrics_pb2.ProjectRequest(activations=metrics_pb2.ViewActivations(view="en", ids=ids, tensor=rows))


async def test_a_client_that_does_not_read_loses_its_stream(serve: Callable[..., Any]) -> None:
    one = await serve(read_seconds=READ_SECONDS)
    async with narrow(one.server) as channel:
        stub: Any = metrics_pb2_grpc.MetricsServiceStub(channel)
        found = await ended_unread(one.server, stub.Project(_rows()))
    assert (found.code, found.quota) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "read_seconds")
    await one.idle()
    assert one.service.memory.used == 0
