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
from onnxruntime.capi.onnxruntime_pybind11_state import Fail, RuntimeException

from services.encoder.engine import Engine
from services.encoder.queue.scheduler import Scheduler
from services.encoder.service import EncoderService
from services.encoder.settings import EncoderSettings
from services.models.spec import EncodePlan, TokenizedText
from services.runtime.devices import DeviceLost, computes, is_device_lost, is_out_of_memory
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
        (RuntimeError("CUDA driver error: device not ready"), True),
        (RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"), True),
        (RuntimeError("CUDA failed with error an illegal memory access was encountered"), True),
        (RuntimeError("cuBLAS failed with status CUBLAS_STATUS_EXECUTION_FAILED"), True),
        (Fail("CUDA failure 700: an illegal memory access was encountered ; GPU=0 ; hostname=? ; file=a.cc"), True),
        (RuntimeException("CUBLAS failure 13: CUBLAS_STATUS_EXECUTION_FAILED ; GPU=0 ; hostname=?"), True),
        (RuntimeError("CUDA error: out of memory"), False),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), False),
        (RuntimeError("CUDA error: CUBLAS_STATUS_NOT_SUPPORTED when calling `cublasGemmEx`"), False),
        (RuntimeError("CUDA failed with error out of memory"), False),
        (RuntimeError("cuDNN error: CUDNN_STATUS_NOT_SUPPORTED"), False),
        (Fail("CUDA failure 2: out of memory ; GPU=0 ; hostname=?"), False),
        (Fail("Non-zero status code returned while running MatMul node"), False),
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


@pytest.mark.parametrize(
    ("error", "memory"),
    [
        (RuntimeError("CUDA failed with error out of memory"), True),
        (RuntimeError("cuBLAS failed with status CUBLAS_STATUS_ALLOC_FAILED"), True),
        (Fail("CUDA failure 2: out of memory ; GPU=0 ; hostname=?"), True),
        (RuntimeException("Failed to allocate memory for requested buffer of size 1099511627776"), True),
        (ValueError("out of memory"), False),
        (RuntimeError(STICKY), False),
    ],
)
def test_what_is_a_lack_of_memory(error: Exception, memory: bool) -> None:
    assert is_out_of_memory(error) is memory


def test_whether_a_new_process_computes() -> None:
    assert computes("cpu")
    assert not computes("no-such-device")
