"""Extension: words of another language in a model, which is kept as a checkpoint."""

from typing import Any, Final

from numpy.typing import NDArray

from services.models.artifacts import read_array
from services.models.catalogue import load_model
from services.models.spec import ModelSpec
from services.runtime.errors import FailedPrecondition
from services.trainer import specs
from services.trainer.driver.child import Channel
from services.trainer.driver.protocol import Assignment, Report
from services.trainer.extension.extend import extend
from services.trainer.extension.plan import ExtendPlan
from services.trainer.works.desk import Desk

TASK: Final = "extend"
"""What a checkpoint says that it was made for."""


def run(assignment: Assignment, channel: Channel) -> bytes:
    """Does a job of the kind `extend_model`."""
    plan = specs.read(ExtendPlan, assignment.spec)
    with Desk(assignment, channel) as desk:

        def array(name: str, role: str) -> NDArray[Any] | None:
            try:
                return read_array(desk.store, name, role, f"job.extend_model.map.{role}").array
            except FailedPrecondition:
                if role == "bias":
                    return None
                raise

        made = extend(plan, files=desk.files, examples=desk.examples, read_array=array, target=desk.folder / "extended")
        stored = desk.keep("checkpoints", made.folder)
        info = load_model(desk.files, ModelSpec(stored.name)).info
        note = specs.CheckpointNote(
            task=TASK,
            options={},
            labels=(),
            model=plan.model.name,
            family=info.family,
            layers=info.layers,
            hidden_size=info.hidden_size,
            max_tokens=info.max_tokens,
            provenance=made.provenance,
        )
        desk.tell(
            Report(
                progress=1.0,
                events=(("checkpoint", stored.name.encode()),),
                checkpoint=(stored.name.partition("/")[2], specs.write(note), stored.size),
            )
        )
        refused = f"{made.refused} words are empty, have white space or are too long, and were left out"
        return specs.write(
            specs.Outcome(
                checkpoint=stored.name,
                warnings=(refused,) if made.refused else (),
                provenance=made.provenance,
            )
        )
