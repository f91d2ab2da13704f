"""A GPU that has failed for good: recognised, told as Unavailable, and passed on to the server."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc
import numpy as np
import pytest
import torch
from babelscope.v1 import encoder_pb2, encoder_pb2_grpc, model_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc

from services.encoder.engine import Engine
from services.encoder.queue.scheduler import Scheduler
from services.encoder.service import EncoderService
from services.encoder.settings import EncoderSettings
from services.models.spec import EncodePlan, TokenizedText
from services.runtime.devices import DeviceLost, is_device_lost
from services.runtime.server import Server
from services.runtime.telemetry import Telemetry
from tests.support.models import make_root

STICKY = "CUDA error: an illegal memory access was encountered"
TEXT = TokenizedText(np.array([1]), np.array([False]), np.zeros(1, np.int32), np.ones(1, np.int32), False, 1)


class Broken:
    """A back end that raises."""

    device = "cuda:0"

    def __init__(self, error: Exception) -> None:
        self._error = error

    def run(self, batch: Any, plan: Any) -> Any:
        raise self._error

    def close(self) -> None:
        """Nothing to release."""


def engine(error: Exception) -> Any:
    info: Any = SimpleNamespace(engine="packed", name="m", layers=1, hidden_size=2, max_tokens=8, vocabulary_size=10)
    return Engine(info, SimpleNamespace(special_count=0), Broken(error))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("error", "lost"),
    [
        (RuntimeError(STICKY), True),
        (RuntimeError("CUDA error: device-side assert triggered"), True),
        (getattr(torch, "AcceleratorError", RuntimeError)(STICKY), True),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1 GiB"), False),
        (RuntimeError("CUDA error: out of memory"), False),
        (RuntimeError("shapes do not match"), False),
        (ValueError(STICKY), False),
    ],
)
async def test_what_ends_a_device(error: Exception, lost: bool) -> None:
    assert is_device_lost(error) is lost
    with pytest.raises(DeviceLost if lost else type(error)):
        engine(error).encode([TEXT], EncodePlan((0,)))
    scheduler = Scheduler(queue_tokens=100)
    stream = scheduler.open(engine(error), EncodePlan((0,)), budget=16)
    await stream.submit([("a", TEXT)])
    stream.finish()
    with pytest.raises(DeviceLost if lost else type(error)):
        await asyncio.wait_for(stream.next_block(), 30)
    assert scheduler.lost.is_set() is lost
    stream.close()
    await scheduler.close()


@pytest.mark.parametrize("error", [RuntimeError(STICKY), getattr(torch, "AcceleratorError", RuntimeError)(STICKY)])
async def test_a_device_that_fails_at_a_load_ends_the_server(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(*_: Any, **__: Any) -> Any:
        raise error

    monkeypatch.setattr("services.encoder.loading.load_model", load)
    (root := tmp_path / "models").mkdir()
    settings = EncoderSettings(
        port=0, hub=False, device="cpu", model_roots=(make_root(root),), store_url=str(tmp_path / "store")
    )
    server = Server(EncoderService(settings, Telemetry()), settings)
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        stub = encoder_pb2_grpc.EncoderServiceStub(channel)
        request = encoder_pb2.GetModelRequest(model=model_pb2.ModelRef(name="tiny"))
        for message in ("The device of this server has failed", "The server is not ready"):
            with pytest.raises(grpc.aio.AioRpcError, match=message) as caught:
                await stub.GetModel(request)
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
            await asyncio.wait_for(asyncio.gather(*server._watches), 30)  # once the server is out of the balance
        answer = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
        assert answer.status == health_pb2.HealthCheckResponse.NOT_SERVING
    await server.drain(0.0)
