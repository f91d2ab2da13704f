"""What a Job message asks for: one kind of specification among several, and back."""

from collections.abc import Mapping
from typing import Any

from babelscope.v1 import trainer_pb2

from services.runtime.errors import InvalidArgument
from services.runtime.files.store import Store
from services.trainer import specs
from services.trainer.api.extension import read_extend_model, write_extend_model
from services.trainer.api.pretraining import read_pretrain_mlm, write_pretrain_mlm
from services.trainer.api.specs import read_evaluate, read_fine_tune, write_evaluate, write_fine_tune
from services.trainer.api.static import read_pretrain_static, write_pretrain_static
from services.trainer.api.studies import read_study, write_study
from services.trainer.api.sweeps import read_sweep, write_sweep


def read_job(job: trainer_pb2.Job, store: Store) -> tuple[str, Any]:
    """The kind of a job and its specification. Writes inline arrays and files to the store: call it in a thread.

    Raises:
        InvalidArgument: A field is wrong.
        LimitExceeded: A list is too long.
    """
    kind = job.WhichOneof("spec")
    match kind:
        case "fine_tune":
            return kind, read_fine_tune(job.fine_tune, "job.fine_tune", store)
        case "evaluate":
            return kind, read_evaluate(job.evaluate, "job.evaluate", store)
        case "sweep":
            return kind, read_sweep(job.sweep, "job.sweep", store)
        case "study":
            return kind, read_study(job.study, "job.study", store)
        case "pretrain_static":
            return kind, read_pretrain_static(job.pretrain_static, "job.pretrain_static")
        case "pretrain_mlm":
            return kind, read_pretrain_mlm(job.pretrain_mlm, "job.pretrain_mlm")
        case "extend_model":
            return kind, read_extend_model(job.extend_model, "job.extend_model")
        case _:
            offered = ", ".join(specs.KINDS)
            raise InvalidArgument("job", f"Expected one of {offered}, but got none")


def write_job_spec(kind: str, spec: Any) -> Mapping[str, Any]:
    """The field of a Job message that holds a specification."""
    match kind:
        case "fine_tune":
            return {"fine_tune": write_fine_tune(spec)}
        case "evaluate":
            return {"evaluate": write_evaluate(spec)}
        case "sweep":
            return {"sweep": write_sweep(spec)}
        case "pretrain_static":
            return {"pretrain_static": write_pretrain_static(spec)}
        case "pretrain_mlm":
            return {"pretrain_mlm": write_pretrain_mlm(spec)}
        case "extend_model":
            return {"extend_model": write_extend_model(spec)}
        case _:
            return {"study": write_study(spec)}
