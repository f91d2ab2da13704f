"""Jobs whose models are at the hub wait for it, and no others."""

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest
from babelscope.v1 import model_pb2, trainer_pb2
from sqlalchemy import select

from services.runtime.errors import LimitExceeded, Unavailable
from services.runtime.files.store import Store
from services.runtime.memory import Memory
from services.trainer.api.entering import Entrance
from services.trainer.jobs.database import Database
from services.trainer.jobs.records import Filter
from services.trainer.jobs.schema import jobs
from services.trainer.jobs.table import JobTable

ASKING = 12


class _Check:
    """Waits for models of an organisation until it is let go."""

    def __init__(self) -> None:
        self.answered = threading.Event()

    def __call__(self, kind: str, spec: Any) -> None:
        if self.asks_the_hub(kind, spec):
            self.answered.wait(200.0)

    def asks_the_hub(self, kind: str, spec: Any) -> bool:
        return "/" in (spec.base if kind == "sweep" else spec).model.name


def _request(model: str, **given: Any) -> trainer_pb2.CreateJobRequest:
    sets = [trainer_pb2.LanguageDataset(language="en", dataset="datasets/" + "0" * 64)]
    spec = trainer_pb2.FineTuneSpec(model=model_pb2.ModelRef(name=model), task="pos", train=sets, **given)
    return trainer_pb2.CreateJobRequest(job=trainer_pb2.Job(fine_tune=spec))


def _entrance(tmp_path: Path, check: _Check, hub_seconds: float) -> tuple[Entrance, Database, Memory]:
    database, memory = Database(f"sqlite:///{tmp_path}/jobs.db"), Memory(1 << 20)
    return Entrance(JobTable(database), Store(str(tmp_path / "store")), memory, check, hub_seconds), database, memory


async def test_jobs_of_local_models_are_entered_while_the_hub_is_silent(tmp_path: Path) -> None:
    check = _Check()
    entrance, database, memory = _entrance(tmp_path, check, 200.0)
    asking = [asyncio.ensure_future(entrance.enter(_request(f"org/{number}"), "ada")) for number in range(ASKING)]
    try:
        await asyncio.sleep(0.1)
        async with asyncio.timeout(100.0):
            for _ in range(5):
                await entrance.enter(_request("tiny"), "ada")
                await asyncio.to_thread(database.time)  # what other methods use
        assert not any(task.done() for task in asking)
    finally:
        check.answered.set()
        await asyncio.gather(*asking)
        entrance.close()
        database.close()
    assert memory.used == 0


async def test_a_hub_that_takes_too_long_enters_no_job(tmp_path: Path) -> None:
    check = _Check()
    entrance, database, memory = _entrance(tmp_path, check, 0.05)
    with pytest.raises(Unavailable, match=r"within 0\.05 s"):
        await entrance.enter(_request("org/a"), "ada")
    check.answered.set()
    with pytest.raises(LimitExceeded, match="specification of at most"):
        await entrance.enter(_request("tiny", options={"x": "y" * (1 << 20)}), "ada")
    assert JobTable(database).page(Filter(), 10)[0].ids == []
    assert memory.used == 0
    entrance.close()
    database.close()


async def test_a_job_counts_with_those_that_it_will_make_and_by_its_length(tmp_path: Path) -> None:
    entrance, database, _ = _entrance(tmp_path, _Check(), 200.0)
    short, long = _request("tiny"), _request("tiny", options={"x": "y" * (40 << 10)})
    sweeps = [
        trainer_pb2.CreateJobRequest(
            job=trainer_pb2.Job(sweep=trainer_pb2.SweepSpec(base=each.job.fine_tune, seeds=range(5)))
        )
        for each in (short, long)
    ]
    for request in (short, long, *sweeps):
        await entrance.enter(request, "ada")
    with database.reading() as connection:
        entered = connection.execute(select(jobs.c.size, jobs.c.caller).order_by(jobs.c.created)).all()
    # The long sweep says its options twice: for its base and for its task.
    assert [tuple(row) for row in entered] == [(1, "ada"), (3, "ada"), (1 + 5, "ada"), (6 + 5 * 3, "ada")]
    entrance.close()
    database.close()
