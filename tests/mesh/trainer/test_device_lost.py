"""Jobs whose device fails: given back where others can do them, and not failed one after the other."""

import asyncio
import json
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from services.runtime.server import Server
from services.runtime.telemetry import Telemetry
from services.trainer.evaluation.checkpoint import FineTunedModel
from services.trainer.jobs.database import Database
from services.trainer.jobs.records import NewJob, State
from services.trainer.jobs.table import JobTable
from services.trainer.service import TrainerService
from services.trainer.serving import replica
from services.trainer.serving.predictions import AskedModel
from services.trainer.serving.wire import PredictCall
from services.trainer.settings import TrainerSettings
from tests.support.job_works import LOST
from tests.support.trainer_process import DEAD

SQLITE = pytest.mark.parametrize("url", ["sqlite"], indirect=True)


@SQLITE
def test_a_dead_device_fails_no_job_and_claims_no_other(rig: Any, tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    names = [rig.job("loses", json.dumps([str(flag)]).encode()) for _ in range(3)]
    trainer = rig.trainer(**{DEAD: "1"})
    assert trainer.stdout.readline() == "broken\n"
    found = [rig.table.get(name) for name in names]
    assert [(each.state, each.attempts) for each in found] == [(State.QUEUED, 0)] * 3
    assert [note.startswith(b"its device failed: ") for note in rig.notes(names[0])] == [True]
    assert not rig.notes(names[1])
    trainer.terminate()
    assert trainer.wait(60) == 0
    flag.touch()
    rig.trainer()
    assert all(rig.until(name, lambda each: each.state.ended).state is State.SUCCEEDED for name in names)


@SQLITE
def test_a_job_that_breaks_a_good_device_is_given_up(rig: Any, tmp_path: Path) -> None:
    job = rig.job("loses", json.dumps([str(tmp_path / "flag")]).encode(), max_attempts=3)
    rig.trainer()
    done = rig.until(job, lambda each: each.state.ended)
    assert (done.state, done.attempts) == (State.FAILED, 3)
    assert len(rig.notes(job)) == 3
    assert all(note.startswith(b"its device failed: ") for note in rig.notes(job))


async def test_a_trainer_whose_device_is_dead_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.trainer.service.WORKS", {"fine_tune": "tests.support.job_works:loses"})
    monkeypatch.setattr("services.trainer.service.computes", lambda device: False)
    monkeypatch.setattr("services.trainer.workers.workers_of", lambda kind, spec: 1)
    url = f"sqlite:///{tmp_path}/jobs.db"
    settings = TrainerSettings(
        port=0,
        hub=False,
        device="cpu",
        database=url,  # type: ignore[arg-type]
        store_url=str(tmp_path / "store"),
        work_dir=tmp_path / "work",
        checkpoint_dir=tmp_path / "checkpoints",
    )
    server = Server(TrainerService(settings, Telemetry()), settings)
    await server.start()
    database = Database(url)
    job = JobTable(database).create(NewJob("fine_tune", json.dumps([str(tmp_path / "flag")]).encode()))
    await asyncio.wait_for(server.broken.wait(), 200)
    await asyncio.wait_for(asyncio.gather(*server._watches[:1]), 30)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        answer = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
        assert answer.status == health_pb2.HealthCheckResponse.NOT_SERVING
    await server.drain(0.0)
    assert JobTable(database).get(job.id).state is State.QUEUED
    database.close()


async def test_a_replica_whose_device_is_lost_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    class Ended(BaseException):
        """In place of the end of the process."""

    def end() -> None:
        raise Ended

    class Lost:
        """In place of the models: the device fails with the first of them."""

        def fitted(self, asked: AskedModel) -> FineTunedModel:
            raise RuntimeError(LOST)

    made = replica.Replica.__new__(replica.Replica)
    monkeypatch.setattr(replica, "end", end)
    monkeypatch.setattr(made, "_models", Lost(), raising=False)
    with pytest.raises(Ended):
        await made.predict(PredictCall(AskedModel("a"), ()).pack())
