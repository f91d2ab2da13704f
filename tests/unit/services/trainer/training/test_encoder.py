from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from services.models.catalogue import ModelFiles, load_model
from services.models.layers import linear
from services.models.layers.blocks import Layout
from services.models.layers.dropout import NO_DROPOUT
from services.models.layers.interventions import Interventions
from services.models.layers.packing import pack
from services.models.spec import ComputeType, ModelSpec, Reinit
from services.runtime.errors import InvalidArgument
from services.trainer.evaluation.forward import last_hidden_state
from services.trainer.training.encoder import TrainableEncoder
from services.trainer.training.plan import Frozen
from tests.support.gradients import gradient_of
from tests.support.products import Products
from tests.support.tiny_models import CONFIGURATIONS, mixed_texts

NOTHING = Interventions((), "cpu")
SPECS = (ModelSpec("tiny"), ModelSpec("tiny", reinit=(Reinit((1, 2), embeddings=True, seed=4), Reinit((2,), seed=9))))


def _layout(model: TrainableEncoder) -> Layout:
    batch = model.tokenizer.tokenize(mixed_texts(9, longest=20), 100)
    order = np.argsort([-len(text) for text in batch], kind="stable")
    return Layout.of(pack(batch, order, model.positions), "cpu")


@pytest.mark.parametrize("family", CONFIGURATIONS)
@pytest.mark.parametrize("spec", SPECS, ids=["plain", "reinit"])
def test_the_trainable_model_starts_as_the_served_one(
    family: str, spec: ModelSpec, tiny: Callable[[str], Path]
) -> None:
    files = ModelFiles(aliases={"tiny": tiny(family)})
    if family == "albert" and spec.reinit:
        # Its layers share blocks, two by two: 1 and 3, 2 and 4.
        spec = ModelSpec("tiny", reinit=(Reinit((1, 2, 3, 4), embeddings=True, seed=4), Reinit((2, 4), seed=9)))
    model, served = TrainableEncoder.load(files, spec), load_model(files, spec)
    assert model.digest == served.info.digest
    layout = _layout(model)
    with torch.no_grad():
        expected = last_hidden_state(served.encoder, layout, "float32", NOTHING)
        assert torch.equal(last_hidden_state(model.inference("float32"), layout, "float32", NOTHING), expected)
        trained = last_hidden_state(model.build("float32", NO_DROPOUT), layout, "float32", NOTHING)
        torch.testing.assert_close(trained, expected, rtol=0, atol=2e-5)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_gradients_are_float32_and_of_about_the_same_direction(dtype: ComputeType, files: ModelFiles) -> None:
    model = TrainableEncoder.load(files, ModelSpec("tiny"))
    layout = _layout(model)
    hidden_TD = last_hidden_state(model.build(dtype, NO_DROPOUT), layout, dtype, NOTHING)
    assert hidden_TD.dtype == torch.float32
    hidden_TD.tanh().sum().backward()
    exact = TrainableEncoder.load(files, ModelSpec("tiny"))
    last_hidden_state(exact.build("float32", NO_DROPOUT), layout, "float32", NOTHING).tanh().sum().backward()
    for name, parameter in model.parameters.items():
        gradient, other = gradient_of(parameter), gradient_of(exact.parameters[name])
        assert gradient is not None
        assert other is not None
        assert gradient.dtype == torch.float32
        if float(other.norm()) > 1e-3:
            assert float(torch.cosine_similarity(gradient.ravel(), other.ravel(), dim=0)) > 0.98, name


@pytest.mark.parametrize("family", CONFIGURATIONS)
def test_a_processor_without_bfloat16_never_multiplies_in_it(
    family: str, tiny: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Forwards and backwards: some forty times slower than float32 where there are no instructions for it."""
    monkeypatch.setattr(linear, "has_fast_bfloat16", lambda: False)
    model = TrainableEncoder.load(ModelFiles(aliases={"tiny": tiny(family)}), ModelSpec("tiny"))
    layout = _layout(model)
    with Products() as products:
        hidden_TD = last_hidden_state(model.build("bfloat16", NO_DROPOUT), layout, "bfloat16", NOTHING)
        hidden_TD.tanh().sum().backward()
    assert products.types == {torch.float32}
    exact_TD = last_hidden_state(model.inference("float32"), layout, "float32", NOTHING)
    assert not torch.equal(hidden_TD.detach(), exact_TD)
    assert float(torch.cosine_similarity(hidden_TD.detach(), exact_TD, dim=-1).min()) > 0.999


def test_dropout_changes_the_states_and_repeats_with_the_generator(files: ModelFiles) -> None:
    model = TrainableEncoder.load(files, ModelSpec("tiny"))
    layout, dropout = _layout(model), model.dropout(0.2)

    def states(seed: int) -> torch.Tensor:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return last_hidden_state(model.build("float32", dropout), layout, "float32", NOTHING).detach()

    assert torch.equal(states(1), states(1))
    assert not torch.equal(states(1), states(2))
    with torch.no_grad():
        served = last_hidden_state(model.inference("float32"), layout, "float32", NOTHING)
        assert torch.equal(served, last_hidden_state(model.inference("float32"), layout, "float32", NOTHING))


def test_a_frozen_prefix_is_built_once(files: ModelFiles) -> None:
    model = TrainableEncoder.load(files, ModelSpec("tiny"))
    model.freeze(Frozen(embeddings=True, layers=2))
    first, second = (model.build("float32", NO_DROPOUT) for _ in range(2))
    same = [one is other for one, other in zip(first.blocks, second.blocks, strict=True)]
    assert same == [True, True, False, False]
    assert first.embeddings is second.embeddings
    everything = TrainableEncoder.load(files, ModelSpec("tiny"))
    everything.freeze(Frozen(embeddings=True, layers=4))
    assert not everything.trained
    assert not last_hidden_state(
        everything.build("float32", NO_DROPOUT), _layout(everything), "float32", NOTHING
    ).requires_grad


def test_a_shared_block_is_frozen_as_a_whole(tiny: Callable[[str], Path]) -> None:
    files = ModelFiles(aliases={"tiny": tiny("albert")})
    with pytest.raises(InvalidArgument, match="got 1: layer 3 shares that of layer 1") as caught:
        TrainableEncoder.load(files, ModelSpec("tiny")).freeze(Frozen(layers=1))
    assert caught.value.field == "frozen.layers"
    model = TrainableEncoder.load(files, ModelSpec("tiny"))
    model.freeze(Frozen(layers=4))
    assert {model.layers[name] for name in model.trained} == {0, 5, 6}
