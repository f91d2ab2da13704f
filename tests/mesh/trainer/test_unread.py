"""Clients that do not read the files and the events of a job, or predictions."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from babelscope.data.example_messages import to_proto
from babelscope.data.examples import Example, Sentence, Word
from babelscope.v1 import trainer_pb2, trainer_pb2_grpc

from services.runtime.server import Server
from services.runtime.telemetry import Telemetry
from services.trainer.service import TrainerService
from services.trainer.settings import TrainerSettings
from tests.support.planted_training import FILE, Planted, plant
from tests.support.unread import READ_SECONDS, ended_unread, narrow


@pytest.fixture
def settings(tmp_path: Path) -> TrainerSettings:
    """A trainer that works on no jobs, and does not wait for clients that do not read."""
    return TrainerSettings(
        port=0,
        store_url=str(tmp_path / "store"),
        checkpoint_dir=tmp_path / "checkpoints",
        work_dir=tmp_path / "work",
        database=f"sqlite:///{tmp_path / 'jobs.db'}",
        slots=0,
        hub=False,
        device="cpu",
        read_seconds=READ_SECONDS,
    )


@pytest.fixture
def planted(settings: TrainerSettings, tmp_path: Path) -> Planted:
    """A job that ended, with a long file and long events, and a model."""
    return plant(settings.store_url, settings.database.get_secret_value(), tmp_path)


@pytest.fixture
async def server(settings: TrainerSettings, planted: Planted) -> AsyncIterator[Server]:
    """A trainer in this process."""
    telemetry = Telemetry()
    server = Server(TrainerService(settings, telemetry), settings, telemetry)
    await server.start()
    yield server
    await server.drain(0.0)


async def _examples(checkpoint: str) -> AsyncIterator[trainer_pb2.PredictRequest]:
    yield trainer_pb2.PredictRequest(spec=trainer_pb2.PredictSpec(checkpoint=checkpoint))
    words = tuple(Word("cat", feats="f" * 5000) for _ in range(4))
    for number in range(300):
        yield trainer_pb2.PredictRequest(example=to_proto(Example(str(number), Sentence(words, "cat"), "en")))


@pytest.mark.parametrize("method", ["GetJobFile", "WatchJob", "Predict"])
async def test_a_client_that_does_not_read_loses_its_stream(method: str, server: Server, planted: Planted) -> None:
    async with narrow(server) as channel:
        stub: Any = trainer_pb2_grpc.TrainerServiceStub(channel)
        if method == "GetJobFile":
            call = stub.GetJobFile(trainer_pb2.GetJobFileRequest(name=planted.job, path=FILE))
        elif method == "WatchJob":
            call = stub.WatchJob(trainer_pb2.WatchJobRequest(name=planted.job))
        else:
            call = stub.Predict(_examples(planted.checkpoint))
        found = await ended_unread(server, call)
    assert (found.code, found.quota) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "read_seconds")
    assert server._service.memory.used == 0
