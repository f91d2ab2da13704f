"""`grpc.health.v1`: whether each service, and the server as a whole (""), takes requests.

The library's own servicer writes to watchers while it holds their lock, so that one slow watcher would hold up the
drain, and its watchers never end by themselves. This one does neither.
"""

import asyncio
from collections.abc import Iterable
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

SERVICE = "grpc.health.v1.Health"

_Status = health_pb2.HealthCheckResponse


class Health(health_pb2_grpc.HealthServicer):
    """Health of the services of one server; all start as NOT_SERVING.

    Args:
        services: Full names of the services.
    """

    def __init__(self, services: Iterable[str]) -> None:
        self._serving = dict.fromkeys(("", *services), False)
        self._closed = False
        self._changed = asyncio.Event()

    def set_serving(self, serving: bool) -> None:
        """Changes the health of all services."""
        self._serving = dict.fromkeys(self._serving, serving)
        self._announce()

    def close(self) -> None:
        """Says NOT_SERVING to every watcher and then ends their streams, so that they hold up no drain."""
        self._closed = True
        self.set_serving(False)

    def _announce(self) -> None:
        """Wakes all watchers."""
        self._changed.set()
        self._changed = asyncio.Event()

    def _status(self, service: str) -> Any:
        """Status of one service."""
        if service not in self._serving:
            return _Status.SERVICE_UNKNOWN
        return _Status.SERVING if self._serving[service] else _Status.NOT_SERVING

    async def Check(self, request: health_pb2.HealthCheckRequest, context: Any) -> health_pb2.HealthCheckResponse:  # noqa: N802 - gRPC's name
        """Answers the health of one service now."""
        if request.service not in self._serving:
            await context.abort(grpc.StatusCode.NOT_FOUND, "Expected the name of a service of this server")
        return _Status(status=self._status(request.service))

    async def Watch(self, request: health_pb2.HealthCheckRequest, context: Any) -> None:  # noqa: N802 - gRPC's name
        """Answers the health of one service now and at every change, until the server drains."""
        told = None
        while True:
            changed = self._changed
            status = self._status(request.service)
            if status != told:
                await context.write(_Status(status=status))
                told = status
                continue
            if self._closed:
                await context.abort(grpc.StatusCode.UNAVAILABLE, "The server drains")
            await changed.wait()
