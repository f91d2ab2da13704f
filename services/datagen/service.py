"""The datagen service, put together from its settings: store, threads, door to messages."""

import asyncio
from typing import Final

import grpc
from babelscope.data import atomic
from babelscope.v1 import datagen_pb2, datagen_pb2_grpc, translate_pb2_grpc

from services.datagen.api.remote import open_remote
from services.datagen.api.servicer import DatagenServicer
from services.datagen.api.translate_servicer import TranslateServicer
from services.datagen.datasets.stored import Datasets
from services.datagen.settings import DatagenSettings
from services.datagen.translation.registry import Translators
from services.runtime.files.store import Store
from services.runtime.memory import Memory
from services.runtime.work import Workers

_AROUND_EXAMPLE: Final = 1024
"""Bytes of a message that are left for what stands around an example."""


class DatagenService:
    """What `services.runtime.server` serves.

    Args:
        settings: Settings of the server.

    Attributes:
        memory: Bytes that requests hold.
    """

    name = datagen_pb2.DESCRIPTOR.services_by_name["DatagenService"].full_name

    def __init__(self, settings: DatagenSettings) -> None:
        self._settings = settings
        self._store = Store(settings.store_url, settings.store_bytes)
        self._translation_dir = settings.scratch_dir / "translation"
        self.memory = Memory(settings.held_bytes)
        self._workers = Workers(settings.max_streams, "datagen", self.memory)
        datasets = Datasets(
            self._store, settings.scratch_dir, self.memory, settings.max_message_bytes - _AROUND_EXAMPLE
        )
        translators = Translators(settings, self._translation_dir, open_remote, self._store)
        self._servicer = DatagenServicer(settings, datasets, self._workers, translators)
        self._translate = TranslateServicer(settings, datasets, self._workers, translators)

    def register(self, server: grpc.aio.Server) -> None:
        """Adds the servicer to the server."""
        datagen_pb2_grpc.add_DatagenServiceServicer_to_server(self._servicer, server)
        translate_pb2_grpc.add_TranslateServiceServicer_to_server(self._translate, server)

    async def start(self) -> None:
        """Tries the store, so that one that cannot be written to is found out now, and clears what was interrupted.

        Raises:
            ServiceError: The store cannot be used.
        """
        await asyncio.to_thread(self._store.probe)
        await asyncio.to_thread(self._store.sweep)
        for folder in (self._settings.scratch_dir, self._translation_dir):
            await asyncio.to_thread(atomic.sweep, folder)

    async def stop(self) -> None:
        """Releases the threads."""
        await self._workers.close()
