"""Clients of a trainer that do not read what they ask for, and clients that ask for predictions and send nothing."""

import asyncio
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
from tests.support.refusals import failure
from tests.support.unread import READ_SECONDS, ended_unread, narrow


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the trainer keeps what it has."""
    return tmp_path_factory.mktemp("trainer")


@pytest.fixture(scope="module")
def settings(folder: Path) -> TrainerSettings:
    """A trainer that works on no jobs, and does not wait for clients that do not read or send."""
    return TrainerSettings(
        port=0,
        store_url=str(folder / "store"),
        checkpoint_dir=folder / "checkpoints",
        work_dir=folder / "work",
        database=f"sqlite:///{folder / 'jobs.db'}",
        slots=0,
        hub=False,
        device="cpu",
        read_seconds=READ_SECONDS,
        idle_seconds=1.0,
        held_bytes=64 << 20,
        max_streams=4,
        max_client_streams=4,
    )


@pytest.fixture(scope="module")
def planted(settings: TrainerSettings, folder: Path) -> Planted:
    """A job that ended, with a long file and long events, and a model."""
    return plant(settings.store_url, settings.database.get_secret_value(), folder)


@pytest.fixture
async def server(settings: TrainerSettings, planted: Planted) -> AsyncIterator[Server]:
    """A trainer in this process."""
    telemetry = Telemetry()
    server = Server(TrainerService(settings, telemetry), settings, telemetry)
    await server.start()
    yield server
    await server.drain(0.0)


async def _freed(server: Server) -> None:
    """Waits until no memory is held: a client has its answer before the server has let go of what it took."""
    async with asyncio.timeout(60):
        while server._service.memory.used:  # noqa: ASYNC110 - a counter cannot be awaited
            await asyncio.sleep(0.01)


async def _asked(checkpoint: str) -> AsyncIterator[trainer_pb2.PredictRequest]:
    """Messages whose answer is longer than what a client takes that reads nothing: predictions repeat the words."""
    yield _spec(checkpoint)
    for number in range(20):
        words = (Word("c" * 10_000),)
        yield trainer_pb2.PredictRequest(example=to_proto(Example(str(number), Sentence(words, words[0].form), "en")))


def _spec(checkpoint: str, **options: Any) -> trainer_pb2.PredictRequest:
    return trainer_pb2.PredictRequest(spec=trainer_pb2.PredictSpec(checkpoint=checkpoint, **options))


@pytest.mark.parametrize("method", ["GetJobFile", "WatchJob", "Predict"])
async def test_a_client_that_does_not_read_loses_its_stream(method: str, server: Server, planted: Planted) -> None:
    async with narrow(server) as channel:
        stub: Any = trainer_pb2_grpc.TrainerServiceStub(channel)
        if method == "GetJobFile":
            call = stub.GetJobFile(trainer_pb2.GetJobFileRequest(name=planted.job, path=FILE))
        elif method == "WatchJob":
            call = stub.WatchJob(trainer_pb2.WatchJobRequest(name=planted.job))
        else:
            call = stub.Predict(_asked(planted.checkpoint))
        found = await ended_unread(server, call)
    assert (found.code, found.quota) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "read_seconds")
    await _freed(server)


async def test_clients_that_ask_for_predictions_and_send_nothing_give_their_places_back(
    server: Server, planted: Planted
) -> None:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        stub: Any = trainer_pb2_grpc.TrainerServiceStub(channel)

        async def silent(*sent: trainer_pb2.PredictRequest) -> None:
            call = stub.Predict()
            for message in sent:
                await call.write(message)
            await call.read()

        spec = _spec(planted.checkpoint)
        refused = await asyncio.gather(*(failure(silent(*sent)) for sent in ((), (), (spec,), (spec,))))
        assert {(each.code, each.quota) for each in refused} == {(grpc.StatusCode.RESOURCE_EXHAUSTED, "idle_seconds")}
        assert server._door.running == server._inbox.used == server._service.memory.used == 0
        # What is wrong with the options is told before any example is waited for.
        for wrong in (-1, 3, 1_000_000):
            found = await failure(silent(_spec(planted.checkpoint, max_tokens=wrong)))
            assert (found.code, [*found.fields]) == (grpc.StatusCode.INVALID_ARGUMENT, ["spec.max_tokens"])
        answered = [message async for message in stub.Predict(_asked(planted.checkpoint))]
        assert sum(len(message.examples) for message in answered) == 20


async def test_an_example_that_would_take_more_than_the_server_has_is_refused(server: Server, planted: Planted) -> None:
    long = Word("a " * 100_000)
    asked = [_spec(planted.checkpoint)]
    asked += [trainer_pb2.PredictRequest(example=to_proto(Example("long", Sentence((long,), long.form), "en")))]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        stub: Any = trainer_pb2_grpc.TrainerServiceStub(channel)
        found = await failure(_all(stub.Predict(iter(asked))))
    assert (found.code, found.quota) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "held_bytes")
    await _freed(server)


async def _all(call: Any) -> list[trainer_pb2.PredictResponse]:
    return [message async for message in call]
