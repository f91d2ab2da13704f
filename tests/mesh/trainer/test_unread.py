"""Clients that do not read the files and the events of a job."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from babelscope.v1 import trainer_pb2, trainer_pb2_grpc

from services.runtime.files.store import Store
from services.runtime.server import Server
from services.runtime.telemetry import Telemetry
from services.trainer import specs
from services.trainer.jobs.database import Database
from services.trainer.jobs.records import NewEvent, NewJob, State
from services.trainer.jobs.table import JobTable
from services.trainer.service import TrainerService
from services.trainer.settings import TrainerSettings
from tests.support.unread import READ_SECONDS, ended_unread, narrow

LONG = 4 << 20


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
def job(settings: TrainerSettings) -> str:
    """A job that ended, with a long file and long events."""
    file = Store(settings.store_url).put("files", bytes(LONG))
    database = Database(settings.database.get_secret_value())
    table = JobTable(database)
    made = table.create(NewJob("study", specs.write(specs.StudyJob("name: s\n"))))
    claimed = table.claim("test", 200.0)
    assert claimed is not None
    table.record(claimed[0], [NewEvent("note", b"n" * (LONG // 100)) for _ in range(100)])
    table.finish(claimed[0], State.SUCCEEDED, result=specs.write(specs.Outcome(files={"rows.csv": file})))
    database.close()
    return f"jobs/{made.id}"


@pytest.fixture
async def server(settings: TrainerSettings, job: str) -> AsyncIterator[Server]:
    """A trainer in this process."""
    telemetry = Telemetry()
    server = Server(TrainerService(settings, telemetry), settings, telemetry)
    await server.start()
    yield server
    await server.drain(0.0)


@pytest.mark.parametrize("method", ["GetJobFile", "WatchJob"])
async def test_a_client_that_does_not_read_loses_its_stream(method: str, server: Server, job: str) -> None:
    async with narrow(server) as channel:
        stub: Any = trainer_pb2_grpc.TrainerServiceStub(channel)
        if method == "GetJobFile":
            call = stub.GetJobFile(trainer_pb2.GetJobFileRequest(name=job, path="rows.csv"))
        else:
            call = stub.WatchJob(trainer_pb2.WatchJobRequest(name=job))
        found = await ended_unread(server, call)
    assert (found.code, found.quota) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "read_seconds")
