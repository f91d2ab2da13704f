"""A real encoder process with small real models, and metrics servers on loopback in this process."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import babelscope
import grpc
import pytest
from babelscope.aio import AsyncMetricsClient
from babelscope.v1 import metrics_pb2_grpc

from services.metrics.service import MetricsService
from services.metrics.settings import MetricsSettings
from services.runtime.server import Server
from tests.support.models import make_root

OFFLINE = {"BABELSCOPE_HUB": "false"}


@pytest.fixture(scope="session")
def model_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root with the models `tiny` and `other`, d = 32, layers 0..2."""
    return make_root(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="session")
def encoder(model_root: Path) -> Iterator[str]:
    """The address of an encoder that no test kills."""
    with babelscope.local(("encoder",), model_roots=[model_root], env=OFFLINE, threads=1) as mesh:
        yield mesh.encoder.address


@dataclass(frozen=True)
class Running:
    """A metrics server in this process, and its clients."""

    server: Server
    service: MetricsService
    client: AsyncMetricsClient
    stub: Any
    scratch: Path

    def left_behind(self) -> list[str]:
        """Entries under way in its scratch folder."""
        return [path.name for path in self.scratch.glob(".*.babelscope-partial")]

    async def idle(self) -> None:
        """Waits until nothing is under way."""
        async with asyncio.timeout(200):
            while self.left_behind() or self.server._door.running:  # noqa: ASYNC110 - a folder cannot be awaited
                await asyncio.sleep(0.01)


@pytest.fixture
async def serve(tmp_path: Path) -> AsyncIterator[Callable[..., Any]]:
    """Starts metrics servers in this process; after the test they hold nothing."""
    running: list[tuple[Running, grpc.aio.Channel]] = []

    async def start(encoder: str = "127.0.0.1:1", **settings: Any) -> Running:
        scratch = tmp_path / f"scratch{len(running)}"
        chosen = MetricsSettings(
            **{
                "port": 0,
                "encoder": encoder,
                "scratch_dir": scratch,
                "store_url": str(tmp_path / "store"),
                "encoder_first_patience": 0.5,
                **settings,
            }
        )
        service = MetricsService(chosen)
        server = Server(service, chosen)
        await server.start()
        channel = grpc.aio.insecure_channel(f"127.0.0.1:{server.port}")
        stub = metrics_pb2_grpc.MetricsServiceStub(channel)
        client = AsyncMetricsClient(f"127.0.0.1:{server.port}")
        one = Running(server, service, client, stub, scratch)
        running.append((one, channel))
        return one

    yield start
    for one, channel in running:
        await one.idle()
        await one.client.close()
        await channel.close()
        await one.server.drain(0.0)
