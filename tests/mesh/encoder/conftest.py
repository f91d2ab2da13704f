"""Small real models, real encoder servers on loopback, and what a wrong request is answered."""

import asyncio
import json
import os
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pytest
from babelscope.v1 import encoder_pb2_grpc

from services.encoder.engine import Engine
from services.encoder.service import EncoderService
from services.encoder.settings import EncoderSettings
from services.runtime.server import Server
from services.runtime.telemetry import Telemetry
from tests.support.models import make_root
from tests.support.refusals import CHANNEL

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="session")
def model_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root with `tiny` and `other`, and folders that cannot be served."""
    return make_root(tmp_path_factory.mktemp("models"))


@dataclass
class Gate:
    """Holds the device of servers in this process."""

    go: threading.Event = field(default_factory=threading.Event)
    waiting: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    """Every batch of the test waits until the test says `go`."""
    gate = Gate()
    compute = Engine.encode

    def encode(self: Engine, *args: Any) -> Any:
        gate.waiting.release()
        assert gate.go.wait(250)
        return compute(self, *args)

    monkeypatch.setattr(Engine, "encode", encode)
    yield gate
    gate.go.set()


@dataclass(frozen=True)
class Running:
    """A server in this process, and a client of it."""

    service: EncoderService
    server: Server
    stub: Any
    telemetry: Telemetry

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"127.0.0.1:{self.server.port}"

    def gauge(self, name: str, **labels: str) -> float:
        """A value that Prometheus would read."""
        value = self.telemetry.registry.get_sample_value(name, labels)
        assert value is not None, name
        return value

    async def until(self, condition: Callable[[], bool]) -> None:
        """Waits for a condition on the server's gauges."""
        async with asyncio.timeout(200):
            while not condition():  # noqa: ASYNC110 - gauges are read, as Prometheus reads them
                await asyncio.sleep(0.01)


@pytest.fixture
async def serve(model_root: Path, tmp_path: Path) -> AsyncIterator[Callable[..., Any]]:
    """Starts servers in this process; drains them after the test and checks that they hold nothing."""
    running: list[tuple[Running, grpc.aio.Channel]] = []

    async def start(**settings: Any) -> Running:
        defaults: dict[str, Any] = {
            "port": 0,
            "hub": False,
            "device": "cpu",
            "threads": 1,
            "model_roots": (model_root,),
            "store_url": str(tmp_path / "store"),
        }
        chosen = EncoderSettings(**{**defaults, **settings})
        telemetry = Telemetry()
        service = EncoderService(chosen, telemetry)
        server = Server(service, chosen, telemetry)
        await server.start()
        channel = grpc.aio.insecure_channel(f"127.0.0.1:{server.port}", options=CHANNEL)
        one = Running(service, server, encoder_pb2_grpc.EncoderServiceStub(channel), telemetry)
        running.append((one, channel))
        return one

    yield start
    for one, channel in running:
        await one.server.drain(0.0)
        await channel.close()
        scheduler = one.service.scheduler
        assert (scheduler.open_streams, scheduler.queued_texts) == (0, 0)
        assert (scheduler.tokens.used, scheduler.memory.used, scheduler.results.used) == (0, 0, 0)


class Process:
    """`python -m services.encoder`, on a port of its own choice."""

    def __init__(self, folder: Path, model_root: Path, **env: str) -> None:
        self.port_file = folder / "port"
        self.log = folder / "log"
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "clients"))),
            "BABELSCOPE_PORT": "0",
            "BABELSCOPE_PORT_FILE": str(self.port_file),
            "BABELSCOPE_HUB": "false",
            "BABELSCOPE_DEVICE": "cpu",
            "BABELSCOPE_THREADS": "1",
            "BABELSCOPE_MODEL_ROOTS": str(model_root),
            "BABELSCOPE_STORE_URL": str(folder / "store"),
            "TOKENIZERS_PARALLELISM": "false",
            **env,
        }
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "services.encoder"], cwd=ROOT, env=environment, stdout=log, stderr=log
            )

    @property
    def events(self) -> list[dict[str, Any]]:
        """The log."""
        lines = self.log.read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    async def ready(self) -> str:
        """Waits until the server serves; its address."""
        async with asyncio.timeout(200):
            while not any(event["event"] == "serving" for event in self.events):
                assert self.process.poll() is None, self.log.read_text()
                await asyncio.sleep(0.05)
        return f"127.0.0.1:{int(self.port_file.read_text())}"

    async def ended(self) -> int:
        """Waits for the end; the exit code."""
        return await asyncio.to_thread(self.process.wait, 200)


@pytest.fixture
def spawn(tmp_path: Path, model_root: Path) -> Iterator[Callable[..., Process]]:
    """Starts servers as processes; kills what is left of them after the test."""
    started: list[Process] = []

    def start(**env: str) -> Process:
        folder = tmp_path / f"server{len(started)}"
        folder.mkdir()
        started.append(Process(folder, model_root, **env))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.process.kill()
        one.process.wait()


@pytest.fixture
async def dial() -> AsyncIterator[Callable[[str], Any]]:
    """Opens stubs to addresses; closes them after the test."""
    channels: list[grpc.aio.Channel] = []

    def connect(address: str) -> Any:
        channels.append(grpc.aio.insecure_channel(address, options=CHANNEL))
        return encoder_pb2_grpc.EncoderServiceStub(channels[-1])

    yield connect
    for channel in channels:
        await channel.close()
