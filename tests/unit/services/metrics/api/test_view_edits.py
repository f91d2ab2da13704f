"""What signatures say of the edits of hidden states."""

from babelscope.v1 import encoder_pb2, metrics_pb2, model_pb2

from services.metrics.api.requests import read_view
from services.metrics.rows.plans import ViewPlan, edits_of
from services.metrics.settings import MetricsSettings


def _view(*alphas: float) -> ViewPlan:
    vector = model_pb2.ArrayRef(artifact="vectors/x")
    edits = [model_pb2.Intervention(layer=8, shift=model_pb2.Shift(vector=vector, alpha=alpha)) for alpha in alphas]
    spec = encoder_pb2.EncodeSpec(model=model_pb2.ModelRef(name="m"), interventions=edits)
    return read_view(metrics_pb2.View(name="v", encode=spec), "spec.views[0]", MetricsSettings())


def test_other_edits_are_another_signature() -> None:
    plain, one, two, both = _view(), _view(1.0), _view(2.0), _view(1.0, 2.0)
    assert not edits_of((plain, plain))
    assert len({edits_of((view, plain)) for view in (plain, one, two, both)}) == 4
    assert edits_of((one, plain)) == f"{one.edits}/none"
    assert edits_of((plain, one)) == f"none/{one.edits}"
    assert edits_of((one, one)) == one.edits == _view(1.0).edits
    assert one.edits.startswith("8@")
