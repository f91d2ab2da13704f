"""A GPU that has failed for good: recognised, told as Unavailable, and passed on to the server."""

import asyncio
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from services.encoder.backends.base import DeviceLost, is_device_lost
from services.encoder.engine import Engine
from services.encoder.queue.scheduler import Scheduler
from services.models.spec import EncodePlan, TokenizedText

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
    info: Any = SimpleNamespace(name="m", layers=1, hidden_size=2, max_tokens=8, vocabulary_size=10)
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
