"""What jobs leave behind, put into the store and the job table of a trainer that runs none."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from services.models.catalogue import ModelFiles
from services.models.spec import ModelSpec
from services.runtime.files.folders import put_folder
from services.runtime.files.store import Store
from services.trainer import specs
from services.trainer.evaluation.checkpoint import TaskRecord
from services.trainer.jobs.checkpoints import Checkpoints
from services.trainer.jobs.database import Database
from services.trainer.jobs.records import NewEvent, NewJob, State
from services.trainer.jobs.table import JobTable
from services.trainer.training.fit import fit
from services.trainer.training.plan import FineTunePlan, LanguageSet, Optimisation
from tests.support.models import make_root
from tests.support.task_examples import direct_score, sentences

FILE: Final = "rows.csv"
LONG: Final = 4 << 20
"""Bytes of the file, and of all events of the job together."""
_EVENTS: Final = 100
_FIRST: Final = 1_000_000
"""Priority before all jobs that wait."""


@dataclass(frozen=True)
class Planted:
    """Names of what is there.

    Attributes:
        job: A job that has succeeded, with long events and the file `FILE`.
        checkpoint: A model that was fine-tuned for `pos`.
    """

    job: str
    checkpoint: str


def plant(store: str, database: str, folder: Path) -> Planted:
    """Trains a small model, and enters it with its job.

    Args:
        store: URL of the store.
        database: URL of the job table, at which no trainer claims jobs.
        folder: Where to work; empty.
    """
    plan = FineTunePlan(
        ModelSpec("tiny"),
        "pos",
        (LanguageSet("en", "x"),),
        optimisation=Optimisation(max_steps=2, step_tokens=64),
        threads=1,
    )
    trained = fit(
        plan,
        files=ModelFiles([make_root(folder / "models")]),
        examples=lambda _: sentences(20),
        scorer=direct_score,
        workdir=folder / "run",
    )
    objects = Store(store)
    stored = put_folder(objects, "checkpoints", trained.folder)
    record = TaskRecord.read(trained.folder)
    labels = tuple(label for each in record.labels.values() for label in each)
    note = specs.CheckpointNote("pos", record.options, labels, "tiny", "bert", 2, 32, record.max_tokens)
    outcome = specs.Outcome(checkpoint=stored.name, files={FILE: objects.put("studies", bytes(LONG))})
    tables = Database(database)
    try:
        table = JobTable(tables)
        entered = table.create(NewJob("study", specs.write(specs.StudyJob("name: s\n")), priority=_FIRST))
        claimed = table.claim("test", 200.0)
        assert claimed is not None
        lease, job = claimed
        assert job.id == entered.id
        table.record(lease, [NewEvent("note", b"n" * (LONG // _EVENTS)) for _ in range(_EVENTS)])
        Checkpoints(tables).add(lease, stored.name.partition("/")[2], specs.write(note), stored.size)
        table.finish(lease, State.SUCCEEDED, result=specs.write(outcome))
    finally:
        tables.close()
    return Planted(f"jobs/{entered.id}", stored.name)
