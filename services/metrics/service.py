"""The metrics service, put together from its settings: scratch, encoder, threads, door to messages."""

import asyncio

import grpc
from babelscope.v1 import metrics_pb2, metrics_pb2_grpc

from services.metrics.api.desk import Desk
from services.metrics.api.flow import Flow
from services.metrics.api.servicer import MetricsServicer
from services.metrics.api.sources import Sources
from services.metrics.rows.scratch import Scratch
from services.metrics.settings import MetricsSettings
from services.runtime.files.store import Store
from services.runtime.memory import Memory
from services.runtime.work import Workers


class MetricsService:
    """What `services.runtime.server` serves.

    Args:
        settings: Settings of the server.

    Attributes:
        memory: Bytes that requests hold.
    """

    name = metrics_pb2.DESCRIPTOR.services_by_name["MetricsService"].full_name

    def __init__(self, settings: MetricsSettings) -> None:
        self._scratch = scratch = Scratch(settings.scratch_dir, settings.scratch_bytes)
        self._sources = Sources(settings, scratch)
        self._workers = Workers(settings.work_threads, "measure")
        # Apart from measuring: a map may take minutes in one go, and nobody else should wait for it.
        self._fitters = Workers(settings.map_threads, "fit")
        self._store = store = Store(settings.store_url, settings.store_bytes)
        self.memory = Memory(settings.held_bytes)
        flow = Flow(settings, scratch, self._sources, self._workers, store, self.memory)
        desk = Desk(settings, flow, self._workers, self._fitters, store, self.memory)
        # The generated base answers UNIMPLEMENTED where a method is not given; only its stub calls them abstract.
        self._servicer = MetricsServicer(desk)  # type: ignore[abstract]

    def register(self, server: grpc.aio.Server) -> None:
        """Adds the servicer to the server."""
        metrics_pb2_grpc.add_MetricsServiceServicer_to_server(self._servicer, server)

    async def start(self) -> None:
        """Clears what was interrupted. There is nothing to load: the encoder is asked when it is needed."""
        await asyncio.to_thread(self._scratch.sweep)
        await asyncio.to_thread(self._store.sweep)

    async def stop(self) -> None:
        """Releases threads and the encoder's channel."""
        await self._workers.close()
        await self._fitters.close()
        await self._sources.close()
