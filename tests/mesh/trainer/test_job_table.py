"""The job table of a server that several callers share: no caller fills it, and what nobody needs can be removed."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from babelscope import connect
from babelscope.cli import run
from babelscope.v1 import model_pb2, trainer_pb2, trainer_pb2_grpc
from sqlalchemy import update

from services.runtime.server import Server
from services.runtime.telemetry import Telemetry
from services.trainer.jobs.database import Database
from services.trainer.jobs.schema import jobs
from services.trainer.service import TrainerService
from services.trainer.settings import TrainerSettings
from tests.support.models import make_root
from tests.support.refusals import failure

SETS = [trainer_pb2.LanguageDataset(language="en", dataset="datasets/" + "0" * 64)]
DAY = 86_400.0


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root with small models."""
    return make_root(tmp_path_factory.mktemp("models"))


@pytest.fixture
def settings(root: Path, tmp_path: Path) -> TrainerSettings:
    """A trainer that works on no jobs, with room for twelve of them, and two callers."""
    for name in ("ada", "bob"):
        (tmp_path / "callers").mkdir(exist_ok=True)
        (tmp_path / "callers" / name).write_text(f"token-of-{name}")
    return TrainerSettings(
        port=0,
        callers=tmp_path / "callers",
        store_url=str(tmp_path / "store"),
        checkpoint_dir=tmp_path / "checkpoints",
        work_dir=tmp_path / "work",
        model_roots=(root,),
        database=f"sqlite:///{tmp_path / 'jobs.db'}",
        slots=0,
        hub=False,
        device="cpu",
        max_jobs=12,
    )


async def _started(settings: TrainerSettings) -> Server:
    telemetry = Telemetry()
    server = Server(TrainerService(settings, telemetry), settings, telemetry)
    await server.start()
    return server


@pytest.fixture
async def server(settings: TrainerSettings) -> AsyncIterator[Server]:
    """A trainer in this process."""
    server = await _started(settings)
    yield server
    await server.drain(0.0)


def _tuned() -> trainer_pb2.FineTuneSpec:
    return trainer_pb2.FineTuneSpec(model=model_pb2.ModelRef(name="tiny"), task="pos", train=SETS)


async def test_no_caller_takes_all_the_room(server: Server) -> None:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        stub: Any = trainer_pb2_grpc.TrainerServiceStub(channel)

        def enter(caller: str, **spec: Any) -> Any:
            job = trainer_pb2.Job(**spec) if spec else trainer_pb2.Job(fine_tune=_tuned())
            asked = trainer_pb2.CreateJobRequest(job=job)
            return stub.CreateJob(asked, metadata=[("authorization", f"Bearer token-of-{caller}")])

        sweep = {"sweep": trainer_pb2.SweepSpec(base=_tuned(), seeds=range(6))}
        made = await enter("ada", **sweep)
        found = await failure(enter("ada", **sweep))
        assert (found.code, found.quota) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "max_caller_jobs")
        assert (
            "Expected at most 9 jobs of one caller that wait or run, but there are 7 and this is 7 more"
            in found.message
        )
        for _ in range(5):
            await enter("bob")
        found = await failure(enter("bob"))
        assert (found.code, found.quota) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "max_jobs")
        token = [("authorization", "Bearer token-of-ada")]
        await stub.CancelJob(trainer_pb2.CancelJobRequest(name=made.name), metadata=token)
        await enter("bob")


async def test_old_jobs_are_pruned(
    server: Server, settings: TrainerSettings, capsys: pytest.CaptureFixture[str]
) -> None:
    def work() -> None:
        with connect(f"trainer=127.0.0.1:{server.port}", token="token-of-ada") as mesh:
            names = [mesh.trainer.fine_tune("tiny", "pos", {"en": SETS[0].dataset}).name for _ in range(3)]
            for name in names[:2]:
                mesh.trainer.cancel_job(name)
            database = Database(settings.database.get_secret_value())
            with database.transaction() as connection:
                long_ago = {"ended": database.now() - 100 * DAY}
                connection.execute(update(jobs).where(jobs.c.id == names[0].partition("/")[2]).values(**long_ago))
            database.close()
            command = ["jobs", "prune", "--mesh", f"trainer=127.0.0.1:{server.port}", "--token", "token-of-ada"]
            assert run([*command, "--explain"]) == 0
            told = capsys.readouterr()
            lines = {line.split()[0]: line for line in told.out.splitlines() if line.startswith("jobs/")}
            assert "nothing names it" in lines[names[0]]
            assert "young" in lines[names[1]]
            assert "it is queued" in lines[names[2]]
            assert "1 of 3 jobs: would be removed (--yes)" in told.err
            assert len(mesh.trainer.list_jobs()) == 3
            assert run([*command, "--yes"]) == 0
            assert {job.name for job in mesh.trainer.list_jobs()} == set(names[1:])

    await asyncio.to_thread(work)


async def test_a_server_removes_old_jobs_that_came_to_nothing(settings: TrainerSettings) -> None:
    server = await _started(settings)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        stub: Any = trainer_pb2_grpc.TrainerServiceStub(channel)
        token = [("authorization", "Bearer token-of-ada")]
        made = await stub.CreateJob(
            trainer_pb2.CreateJobRequest(job=trainer_pb2.Job(fine_tune=_tuned())), metadata=token
        )
        await stub.CancelJob(trainer_pb2.CancelJobRequest(name=made.name), metadata=token)
    await server.drain(0.0)
    database = Database(settings.database.get_secret_value())
    with database.transaction() as connection:
        connection.execute(update(jobs).values(ended=database.now() - 91 * DAY))
    database.close()
    server = await _started(settings)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel, asyncio.timeout(60):
        stub = trainer_pb2_grpc.TrainerServiceStub(channel)
        while (await stub.ListJobs(trainer_pb2.ListJobsRequest(), metadata=token)).jobs:  # noqa: ASYNC110 - a table cannot be awaited
            await asyncio.sleep(0.02)
    await server.drain(0.0)
