"""Messages of extensions to plans, and back."""

from babelscope.v1 import trainer_pb2

from services.models.api.messages import read_model
from services.trainer.api.specs import at_least, write_model
from services.trainer.extension.plan import ExtendPlan


def read_extend_model(spec: trainer_pb2.ExtendModelSpec, field: str) -> ExtendPlan:
    """Reads an ExtendModelSpec.

    Raises:
        InvalidArgument: A field is wrong.
    """
    at_least(spec.limit, 0, f"{field}.limit")
    return ExtendPlan(read_model(spec.model, f"{field}.model"), spec.vectors, spec.map, spec.anchors, spec.limit)


def write_extend_model(plan: ExtendPlan) -> trainer_pb2.ExtendModelSpec:
    """An ExtendModelSpec."""
    return trainer_pb2.ExtendModelSpec(
        model=write_model(plan.model), vectors=plan.vectors, map=plan.map, anchors=plan.anchors, limit=plan.limit
    )
