"""Models as requests name them."""

import pytest
from babelscope.v1 import model_pb2

from services.models.api.messages import MOST_DRAWS, MOST_LAYERS, read_model
from services.runtime.errors import LimitExceeded


def test_draws_and_layers_are_taken_up_to_their_limits() -> None:
    draws = [model_pb2.ReinitLayers(layers=range(1, MOST_LAYERS + 1)), *[model_pb2.ReinitLayers(embeddings=True)] * 255]
    spec = read_model(model_pb2.ModelRef(name="m", reinit=draws), "model")
    assert len(spec.reinit) == MOST_DRAWS
    assert len(spec.reinit[0].layers) == MOST_LAYERS


@pytest.mark.parametrize(
    ("draws", "field", "got"),
    [
        (
            [model_pb2.ReinitLayers(layers=[1])] * 3000,
            "spec.model.reinit",
            "at most 256 draws of a model, but got 3000",
        ),
        (
            [model_pb2.ReinitLayers(layers=[1] * 5000)],
            "spec.model.reinit[0].layers",
            "1024 layers a draw, but got 5000",
        ),
    ],
)
def test_more_draws_and_layers_are_refused(draws: list[model_pb2.ReinitLayers], field: str, got: str) -> None:
    with pytest.raises(LimitExceeded, match=got) as caught:
        read_model(model_pb2.ModelRef(name="m", reinit=draws), "spec.model")
    assert caught.value.subject == field
