"""Asks a server of this machine for its health: `python -m services.runtime.probe PORT`, for containers."""

import os
import sys
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

TIMEOUT_SECONDS = 5.0


def port(default: str) -> int:
    """The port that answers health checks without TLS.

    Args:
        default: Used where the environment names neither a health port nor a port.
    """
    health = os.environ.get("BABELSCOPE_HEALTH_PORT", "0")
    return int(health if health != "0" else os.environ.get("BABELSCOPE_PORT", default))


def main() -> int:
    """Returns the exit code: 0 where the server takes requests, 1 where it does not, 2 for a wrong call."""
    if len(sys.argv) != 2 or not sys.argv[1].isdigit():
        sys.stderr.write("Usage: python -m services.runtime.probe PORT\n")
        return 2
    with grpc.insecure_channel(f"127.0.0.1:{port(sys.argv[1])}") as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        try:
            answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=TIMEOUT_SECONDS)
        except grpc.RpcError as error:
            sys.stderr.write(f"{error.code().name}\n")
            return 1
    return int(answer.status != health_pb2.HealthCheckResponse.SERVING)


if __name__ == "__main__":
    sys.exit(main())
