"""What signatures say of the arithmetic of a view that is encoded."""

import pytest
from babelscope.v1 import encoder_pb2, metrics_pb2, model_pb2, tensor_pb2

from services.metrics.api.requests import read_view
from services.metrics.settings import MetricsSettings
from services.runtime.errors import InvalidArgument


@pytest.mark.parametrize(
    ("backend", "dtype", "said"),
    [
        (model_pb2.BACKEND_UNSPECIFIED, tensor_pb2.DATA_TYPE_UNSPECIFIED, "f32"),
        (model_pb2.BACKEND_TORCH, tensor_pb2.DATA_TYPE_BF16, "bf16"),
        (model_pb2.BACKEND_ONNX, tensor_pb2.DATA_TYPE_F32, "onnx-f32"),
        (model_pb2.BACKEND_ONNX, tensor_pb2.DATA_TYPE_I8, "onnx-i8"),
    ],
)
def test_the_back_end_and_the_type(
    backend: "model_pb2.Backend.ValueType", dtype: "tensor_pb2.DataType.ValueType", said: str
) -> None:
    spec = encoder_pb2.EncodeSpec(model=model_pb2.ModelRef(name="m"), backend=backend, compute_dtype=dtype)
    assert read_view(metrics_pb2.View(name="v", encode=spec), "spec.views[0]", MetricsSettings()).dtype == said


def test_an_unknown_back_end() -> None:
    spec = encoder_pb2.EncodeSpec(model=model_pb2.ModelRef(name="m"), backend=9)  # type: ignore[arg-type]
    with pytest.raises(InvalidArgument, match="Expected one of TORCH, ONNX, but got the value 9"):
        read_view(metrics_pb2.View(name="v", encode=spec), "spec.views[0]", MetricsSettings())
