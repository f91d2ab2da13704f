"""Servers that compute nothing, for tests of the client's side of the contract."""

from collections.abc import Callable, Iterator
from concurrent import futures
from typing import Any

import grpc
import pytest
from babelscope.transport.channel import ClientConfig
from babelscope.transport.retry import RetryPolicy
from babelscope.v1 import datagen_pb2_grpc, encoder_pb2_grpc, metrics_pb2_grpc
from grpc_health.v1 import health_pb2_grpc

SERVICERS: dict[type, Callable[..., None]] = {
    encoder_pb2_grpc.EncoderServiceServicer: encoder_pb2_grpc.add_EncoderServiceServicer_to_server,
    metrics_pb2_grpc.MetricsServiceServicer: metrics_pb2_grpc.add_MetricsServiceServicer_to_server,
    datagen_pb2_grpc.DatagenServiceServicer: datagen_pb2_grpc.add_DatagenServiceServicer_to_server,
    health_pb2_grpc.HealthServicer: health_pb2_grpc.add_HealthServicer_to_server,
}
QUICK = RetryPolicy(initial=0.01, maximum=0.05, patience=5, first_patience=1)


@pytest.fixture
def serve() -> Iterator[Callable[[Any], ClientConfig]]:
    """Puts a fake servicer behind a real server on a free port; returns how to reach it."""
    servers: list[grpc.Server] = []

    def start(servicer: Any) -> ClientConfig:
        server = grpc.server(futures.ThreadPoolExecutor(8))
        next(add for kind, add in SERVICERS.items() if isinstance(servicer, kind))(servicer, server)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        servers.append(server)
        return ClientConfig(f"127.0.0.1:{port}", retry=QUICK, timeout=20, stream_timeout=60)

    yield start
    for server in servers:
        server.stop(None).wait()
