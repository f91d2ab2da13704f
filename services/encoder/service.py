"""The encoder service, put together from its settings: files, models, device, door to messages."""

import asyncio
import logging

import grpc
from babelscope.data import atomic
from babelscope.packaged import packaged_models
from babelscope.v1 import encoder_pb2, encoder_pb2_grpc

from services.encoder.api.servicer import EncoderServicer
from services.encoder.cache.cache import Cache
from services.encoder.capacity import default_model_bytes
from services.encoder.engine import Engine
from services.encoder.gauges import Gauges
from services.encoder.graphs.shelf import Graphs
from services.encoder.loading import load_engine
from services.encoder.queue.scheduler import Scheduler
from services.encoder.registry import Registry
from services.encoder.settings import EncoderSettings
from services.models.spec import ModelSpec
from services.runtime.errors import FailedPrecondition, ServiceError
from services.runtime.files.store import Store
from services.runtime.memory import spare_what_came
from services.runtime.rpc.security import UsageError
from services.runtime.telemetry import Telemetry

log = logging.getLogger(__name__)


class EncoderService:
    """What `services.runtime.server` serves.

    Args:
        settings: Settings of the server.
        telemetry: Metrics in which the service registers its own.
    """

    name = encoder_pb2.DESCRIPTOR.services_by_name["EncoderService"].full_name

    def __init__(self, settings: EncoderSettings, telemetry: Telemetry) -> None:
        self._settings = settings
        self._device = ""
        self._store = store = Store(settings.store_url, settings.store_bytes)
        self._files = settings.model_files(store)
        self._graphs = Graphs(store)
        gauges = Gauges(telemetry)
        self.scheduler = Scheduler(
            queue_tokens=settings.queue_tokens,
            queue_bytes=settings.queue_bytes,
            result_bytes=settings.result_bytes,
            queue_seconds=settings.queue_seconds,
            observe=gauges.observe,
        )
        self.registry = Registry(
            self._files,
            self._load,
            max_models=settings.max_models,
            wait_seconds=settings.queue_seconds,
            hub_seconds=settings.hub_seconds,
        )
        gauges.watch(self.scheduler, self.registry)
        self.cache: Cache | None = None
        if settings.cache_bytes:
            self.cache = Cache(
                store, settings.cache_bytes, every_token=settings.cache_tokens, observe=gauges.observe_cache
            )
            gauges.watch_cache(self.cache)
        # The generated base answers UNIMPLEMENTED where a method is not given; only its stub calls them abstract.
        self._servicer = EncoderServicer(  # type: ignore[abstract]
            self.registry, self.scheduler, store, settings, self.cache
        )

    @property
    def broken(self) -> asyncio.Event:
        """Set once the device computes no more: the server ends, so that it can be started anew."""
        return self.scheduler.lost

    def register(self, server: grpc.aio.Server) -> None:
        """Adds the servicer to the server."""
        encoder_pb2_grpc.add_EncoderServiceServicer_to_server(self._servicer, server)

    async def start(self) -> None:
        """Clears what was interrupted, and loads the models named in `preload`.

        Raises:
            UsageError: There is no such device, or the token budget is below the longest input of one of them or of a
                local model.
            ServiceError: One of them cannot be served.
        """
        await asyncio.to_thread(self._store.sweep)
        await asyncio.to_thread(atomic.sweep, self._settings.checkpoint_dir)
        self._device = await asyncio.to_thread(choose_device, self._settings.device)
        room = self.registry.capacity
        room.max_bytes = self._settings.model_bytes or default_model_bytes(self._device)
        log.info("room for models", extra={"bytes": room.max_bytes, "device": self._device})
        await asyncio.to_thread(self._check_budget)
        for name in self._settings.preload:
            async with self.registry.lease(ModelSpec(name)) as engine:
                log.info("preloaded", extra={"model": name, "device": engine.device})

    async def stop(self) -> None:
        """Releases threads and models."""
        await self.scheduler.close()
        if self.cache is not None:
            await asyncio.to_thread(self.cache.close)
        await self._servicer.close()
        await self.registry.close()

    def _check_budget(self) -> None:
        """Refuses a budget that is given and too small: texts that fit no batch would wait for ever."""
        if self._settings.token_budget is None:
            return
        # What comes with the package is no choice of whoever set the budget: it is refused when it is asked for.
        local = [each.name for each in self._files.list() if not each.reason and each.name not in packaged_models()]
        for name in dict.fromkeys((*self._settings.preload, *local)):
            try:
                self._settings.budget(self._files.longest_input(name), self._device)
            except ValueError as error:
                raise UsageError(f"model {name}: {error}") from None
            except ServiceError:
                if name in self._settings.preload:
                    raise

    def _load(self, spec: ModelSpec) -> Engine:
        """Loads a model, unless its longest input would never fit a batch."""
        engine = load_engine(
            self._files,
            spec,
            device=self._device,
            threads=self._settings.threads,
            cached=True,
            graphs=self._graphs,
        )
        try:
            self._settings.budget(engine.info.max_tokens, engine.device)
        except ValueError as error:
            engine.close()
            raise FailedPrecondition(f"model {spec.name}", str(error)) from None
        spare_what_came()
        return engine


def choose_device(device: str) -> str:
    """The device that a setting means: `auto` is the first GPU where there is one.

    Raises:
        UsageError: A GPU is asked for and there is none.
    """
    from torch import cuda

    if device == "cpu":
        return "cpu"
    if cuda.is_available():
        return "cuda:0" if device in {"auto", "cuda"} else device
    if device == "auto":
        return "cpu"
    raise UsageError(f"Expected `device` {device!r} to exist, but this machine offers no GPU to PyTorch")
