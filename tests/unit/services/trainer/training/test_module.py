"""A module of transformers as a trainable encoder: gradients, layers drawn anew, dropout, bfloat16."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from services.models.catalogue import ModelFiles
from services.models.general_model import load_general
from services.models.spec import ModelSpec, Reinit
from services.runtime.errors import FailedPrecondition
from services.trainer.alignment.edits import LanguageInterventions
from services.trainer.data.batches import Padding
from services.trainer.evaluation.sets import prepare
from services.trainer.tasks import make_task
from services.trainer.tasks.base import Cutting
from services.trainer.training.encoder import TrainableEncoder
from services.trainer.training.module import TrainableModule
from services.trainer.training.plan import Frozen
from services.trainer.training.trainable import load_trainable
from tests.support.general_models import TRAINED, build_general
from tests.support.golden_model import build
from tests.support.gradients import gradient_of, gradients_of
from tests.support.task_examples import pairs, sentences

MODEL = ModelSpec("m")
Built = Callable[[str], ModelFiles]


def _loaded(files: ModelFiles, spec: ModelSpec = MODEL, *, rate: float | None = 0.0) -> TrainableModule:
    model = load_trainable(files, spec, rate=rate)
    assert isinstance(model, TrainableModule)
    return model


@pytest.mark.parametrize("family", TRAINED)
def test_a_batch_has_the_states_and_gradients_of_its_texts_alone(family: str, built: Built) -> None:
    model, task = _loaded(built(family)), make_task("pos", {})
    examples = sentences(12, longest=14)
    labels = task.labels(examples)
    pieces = prepare(task, Cutting(model.tokenizer, 64, labels, model.languages), examples, "en", "").pieces
    head = task.head(labels, model.sizes.hidden_size, 0)
    count = sum(piece.count for piece in pieces)

    def run(tokens: int) -> tuple[dict[int, Tensor], dict[str, Tensor]]:
        states: dict[int, Tensor] = {}
        portions = model.batching.portions(pieces, tokens)
        assert (len(portions) == len(pieces)) is (tokens == 1)
        for some in portions:
            batch = model.batching.collate(some, "cpu")
            hidden_TD = model.training("float32")(batch, LanguageInterventions((), "cpu").of(batch))
            (head.loss(hidden_TD, batch) / count).backward()  # type: ignore[no-untyped-call]
            for piece, first in zip(batch.pieces, batch.layout.starts.tolist(), strict=True):
                states[piece.example] = hidden_TD[first : first + len(piece.text)].detach()
        found = gradients_of(model.trained)
        for each in model.trained.values():
            each.grad = None
        return states, found

    (states, together), (plain, alone) = run(10_000), run(1)
    assert together.keys() == alone.keys() == model.trained.keys()
    for name, gradient in together.items():
        scale = max(1.0, float(alone[name].abs().max()))
        assert float((gradient - alone[name]).abs().max()) <= 1e-5 * scale, name
    assert all(float((states[place] - plain[place]).abs().max()) < 1e-5 for place in plain)
    # Rows of some texts cost no more than the budget, padding included.
    for some in model.batching.portions(pieces, 40):
        assert max(len(piece.text) for piece in some) * len(some) <= 40 or len(some) == 1


def test_texts_of_different_lengths_share_no_batch_where_padding_is_seen(built: Built) -> None:
    model, task = _loaded(built("mpnet")), make_task("pos", {})
    examples = sentences(30)
    labels = task.labels(examples)
    pieces = prepare(task, Cutting(model.tokenizer, 64, labels), examples, "en", "").pieces
    for some in Padding(mixed=False).portions(pieces, 1000):
        assert len({len(piece.text) for piece in some}) == 1


@pytest.mark.parametrize("family", TRAINED)
def test_drawn_layers_are_those_that_are_served(family: str, built: Built) -> None:
    files, spec = built(family), ModelSpec("m", reinit=(Reinit((2,), embeddings=True, seed=4),))
    model = _loaded(files, spec)
    served = load_general(files, files.find("m"), spec, "cpu", headed=False)
    assert model.digest == served.info.digest
    theirs = dict(served.encoder.taps.module.named_parameters())
    plain = dict(_loaded(files).parameters)
    for name, parameter in model.parameters.items():
        assert torch.equal(parameter, theirs[name]), name
        if parameter.ndim > 1:
            assert torch.equal(parameter, plain[name]) is (model.layers[name] not in (0, 2)), name
        assert parameter.requires_grad


def test_adapters_of_single_languages_are_never_trained(tmp_path: Path) -> None:
    build_general("xmod", tmp_path / "m", num_hidden_layers=2)
    model = _loaded(ModelFiles(aliases={"m": tmp_path / "m"}))
    model.freeze(Frozen())
    assert {name for name in model.parameters if "adapter_modules" in name} == model.parameters.keys() - model.trained


def test_products_in_bfloat16_follow_the_weights(built: Built) -> None:
    model, task = _loaded(built("mpnet")), make_task("pos", {})
    examples = sentences(4)
    labels = task.labels(examples)
    pieces = prepare(task, Cutting(model.tokenizer, 64, labels), examples, "en", "").pieces
    batch = model.batching.collate(pieces, "cpu")
    edits = LanguageInterventions((), "cpu").of(batch)

    def gradients(dtype: str) -> dict[str, Tensor]:
        model.training(dtype)(batch, edits).tanh().sum().backward()  # type: ignore[arg-type, no-untyped-call]
        found = gradients_of(model.trained)
        for each in model.trained.values():
            each.grad = None
        return found

    with torch.inference_mode():
        before = model.serving("bfloat16")(batch, edits)
    exact, rounded = gradients("float32"), gradients("bfloat16")
    for name, gradient in exact.items():
        assert rounded[name].dtype == torch.float32
        if float(gradient.norm()) > 1e-2:
            assert float(torch.cosine_similarity(gradient.ravel(), rounded[name].ravel(), dim=0)) > 0.98, name
    assert any(not torch.equal(exact[name], rounded[name]) for name in exact)
    with torch.no_grad():
        model.parameters["encoder.layer.1.intermediate.dense.weight"].mul_(2.0)
    with torch.inference_mode():
        assert not torch.equal(model.serving("bfloat16")(batch, edits), before)
    model.freeze(Frozen(patterns=("encoder.layer.1.*",)))
    assert gradients("bfloat16").keys() == model.trained.keys() < exact.keys()


def test_dropout_is_that_of_the_module_and_repeats_with_the_generator(built: Built) -> None:
    model, task = _loaded(built("deberta-v2"), rate=None), make_task("pos", {})
    examples = sentences(4)
    pieces = prepare(task, Cutting(model.tokenizer, 64, task.labels(examples)), examples, "en", "").pieces
    batch = model.batching.collate(pieces, "cpu")
    edits = LanguageInterventions((), "cpu").of(batch)

    def states(seed: int, *, served: bool = False) -> Tensor:
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            torch.manual_seed(seed)
            return (model.serving if served else model.training)("float32")(batch, edits)

    assert torch.equal(states(1), states(1))
    assert not torch.equal(states(1), states(2))
    assert torch.equal(states(1, served=True), states(2, served=True))
    assert math.isclose(model.model.config.hidden_dropout_prob, 0.1)


def test_pairs_have_the_states_and_gradients_of_the_packed_path(tmp_path: Path) -> None:
    """A BERT by either path: two texts of an input are told apart by their segments."""
    folder = ModelFiles(aliases={"m": build(tmp_path / "m")}).find("m")
    packed, task = TrainableEncoder.open(folder, MODEL), make_task("nli", {})
    padded = TrainableModule.open(folder, MODEL, rate=0.0)
    examples = pairs(6)
    cutting = Cutting(packed.tokenizer, 64, task.labels(examples))
    pieces = prepare(task, cutting, examples, "en", "").pieces
    assert any(piece.segments is not None for piece in pieces)
    found = []
    for forward in (replace(packed, rate=0.0).training("float32"), padded.training("float32")):
        batch = forward.batching.collate(pieces, "cpu")
        hidden_TD = forward(batch, LanguageInterventions((), "cpu").of(batch))[: sum(len(each.text) for each in pieces)]
        hidden_TD.tanh().sum().backward()  # type: ignore[no-untyped-call]
        found.append(hidden_TD.detach())
    torch.testing.assert_close(*found, rtol=0, atol=2e-5)
    assert padded.trained.keys() == packed.trained.keys()
    for name, parameter in packed.trained.items():
        ours, theirs = gradient_of(padded.trained[name]), gradient_of(parameter)
        assert ours is not None
        assert theirs is not None
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5 * max(1.0, float(theirs.abs().max())))


def test_loading_draws_nothing_from_the_generator_of_the_run(tmp_path: Path) -> None:
    build_general("mpnet", tmp_path / "m", head=True, num_hidden_layers=2)
    before = torch.get_rng_state()
    # The files of a model with a head lack the pooler, which transformers draws.
    _loaded(ModelFiles(aliases={"m": tmp_path / "m"}))
    assert torch.equal(torch.get_rng_state(), before)


def test_pretraining_takes_packed_models_alone(built: Built) -> None:
    with pytest.raises(FailedPrecondition, match="is served and fine-tuned, but not pretrained, extended or joined"):
        TrainableEncoder.load(built("mpnet"), MODEL)
