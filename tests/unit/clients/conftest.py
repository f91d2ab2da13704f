"""Servers that compute nothing, for tests of the client's side of the contract."""

from collections.abc import Callable, Iterator
from concurrent import futures
from typing import Any

import grpc
import pytest
from babelscope.transport.channel import ClientConfig
from babelscope.transport.retry import RetryPolicy
from babelscope.v1 import encoder_pb2_grpc, metrics_pb2_grpc

QUICK = RetryPolicy(initial=0.01, maximum=0.05, patience=5, first_patience=1)


@pytest.fixture
def serve() -> Iterator[Callable[[Any], ClientConfig]]:
    """Puts a fake servicer behind a real server on a free port; returns how to reach it."""
    servers: list[grpc.Server] = []

    def start(servicer: Any) -> ClientConfig:
        server = grpc.server(futures.ThreadPoolExecutor(8))
        if isinstance(servicer, metrics_pb2_grpc.MetricsServiceServicer):
            metrics_pb2_grpc.add_MetricsServiceServicer_to_server(servicer, server)
        else:
            encoder_pb2_grpc.add_EncoderServiceServicer_to_server(servicer, server)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        servers.append(server)
        return ClientConfig(f"127.0.0.1:{port}", retry=QUICK, timeout=20, stream_timeout=60)

    yield start
    for server in servers:
        server.stop(None).wait()
