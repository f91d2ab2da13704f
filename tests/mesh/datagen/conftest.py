"""Datagen servers on loopback in this process."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
from babelscope.aio import AsyncDatagenClient
from babelscope.v1 import datagen_pb2_grpc

from services.datagen.service import DatagenService
from services.datagen.settings import DatagenSettings
from services.runtime.server import Server


@dataclass(frozen=True)
class Running:
    """A datagen server in this process, its clients, and its folders."""

    server: Server
    service: DatagenService
    client: AsyncDatagenClient
    stub: Any
    folder: Path

    def stored(self) -> list[str]:
        """Files in the store, those under way among them."""
        return [path.name for path in (self.folder / "store").rglob("*") if path.is_file()]

    def left_behind(self) -> list[str]:
        """What is under way in scratch and store."""
        scratch = [path.name for path in (self.folder / "scratch").glob(".pipeline.*")]
        return [*scratch, *(path.name for path in (self.folder / "store" / ".tmp").glob("*"))]

    async def idle(self) -> None:
        """Waits until nothing is under way."""
        async with asyncio.timeout(200):
            while self.server._door.running or self.left_behind():  # noqa: ASYNC110 - a folder cannot be awaited
                await asyncio.sleep(0.01)


@pytest.fixture
async def serve(tmp_path: Path) -> AsyncIterator[Callable[..., Any]]:
    """Starts datagen servers in this process; after the test they hold nothing."""
    running: list[tuple[Running, grpc.aio.Channel]] = []

    async def start(**settings: Any) -> Running:
        folder = tmp_path / f"server{len(running)}"
        chosen = DatagenSettings(
            **{"port": 0, "store_url": str(folder / "store"), "scratch_dir": folder / "scratch", **settings}
        )
        service = DatagenService(chosen)
        server = Server(service, chosen)
        await server.start()
        channel = grpc.aio.insecure_channel(f"127.0.0.1:{server.port}")
        client = AsyncDatagenClient(f"127.0.0.1:{server.port}")
        one = Running(server, service, client, datagen_pb2_grpc.DatagenServiceStub(channel), folder)
        running.append((one, channel))
        return one

    yield start
    for one, channel in running:
        await one.idle()
        await one.client.close()
        await channel.close()
        await one.server.drain(0.0)
