"""The loss of an aligned batch: whole, in portions, padded, and shared among workers, the numbers are the same."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from services.models.catalogue import ModelFiles
from services.models.spec import ModelSpec
from services.trainer.alignment.adversary import Adversary
from services.trainer.parallel.team import SOLO, Solo
from services.trainer.training.fit import FineTuning
from services.trainer.training.material import Material
from services.trainer.training.module import TrainableModule
from services.trainer.training.plan import FineTunePlan, LanguageSet, Optimisation
from tests.support.gradients import gradients_of
from tests.support.task_examples import direct_score, sentences

PLAN = FineTunePlan(
    ModelSpec("tiny"),
    "pos",
    train=(LanguageSet("en", "train"),),
    optimisation=Optimisation(learning_rate=1e-3, epochs=1, step_tokens=240, seed=3, dropout=0.0),
    threads=1,
    adversary=Adversary(2, weight=0.7, hidden_size=24, dropout=0.0, learning_rate=1e-3, steps=2),
    unlabelled=(LanguageSet("de", "texts"),),
)
SETS = {"train": sentences(24, longest=16), "texts": sentences(24, 1, longest=16)}


def _material(files: ModelFiles, *, padded: bool) -> Material:
    made = Material.gather(PLAN, files, SETS.__getitem__, lambda event: None, "cpu")
    if padded:
        made = replace(made, encoder=TrainableModule.open(files.find("tiny"), PLAN.model, rate=0.0))
    return made


def _step(material: Material) -> tuple[float, dict[str, Tensor], dict[str, float], dict[str, Tensor]]:
    """Loss, gradients, figures, and the discriminator afterwards, of the first step."""
    torch.manual_seed(0)
    tuning = FineTuning(PLAN, material, direct_score, "cpu", SOLO)
    [batches, *_] = tuning.order.epoch(0)
    work = tuning.work(1, batches, tuple(np.arange(len(members)) for members in batches))
    total = 0.0
    for compute in work.losses:
        loss = compute() / work.targets
        total += float(loss.detach())
        loss.backward()  # type: ignore[no-untyped-call]
    named = {**tuning.encoder_parameters, **tuning.head_parameters}
    gradients = gradients_of(named)
    for each in named.values():
        each.grad = None
    return total, gradients, work.figures, {name: each.clone() for name, each in tuning.state().items()}


def test_padded_portions_have_the_loss_and_gradients_of_the_packed_batch(tiny: Callable[[str], Path]) -> None:
    files = ModelFiles(aliases={"tiny": tiny("bert")})
    packed, padded = (_material(files, padded=each) for each in (False, True))
    pieces = list(packed.pieces)
    assert len(packed.encoder.batching.portions(pieces, 240)) == 1
    assert len(padded.encoder.batching.portions(pieces, 240)) > 2
    whole, gradients, figures, discriminator = _step(packed)
    other, others, told, trained = _step(padded)
    assert other == pytest.approx(whole, abs=1e-5)
    assert told == pytest.approx(figures, abs=1e-5)
    assert set(figures) == {"alignment_loss", "discriminator_accuracy"}
    assert others.keys() == gradients.keys()
    assert {"transform.change", "transform.bias"} < gradients.keys()
    for name, gradient in gradients.items():
        scale = max(1.0, float(gradient.abs().max()))
        assert float((others[name] - gradient).abs().max()) <= 1e-5 * scale, name
    assert trained.keys() == discriminator.keys()
    for name, tensor in discriminator.items():
        assert float((trained[name] - tensor).abs().max()) <= 1e-5, name


def test_a_worker_without_a_part_of_a_batch_takes_part(tiny: Callable[[str], Path]) -> None:
    """The last of more workers than a batch has pieces: its part of the loss is zero, and so are its gradients."""
    material = _material(ModelFiles(aliases={"tiny": tiny("bert")}), padded=False)
    tuning = FineTuning(PLAN, material, direct_score, "cpu", Solo(rank=99, size=100))
    [batches, *_] = tuning.order.epoch(0)
    [compute] = tuning.work(1, batches, (np.zeros(0, dtype=np.int64),)).losses
    loss = compute()
    loss.backward()  # type: ignore[no-untyped-call]
    assert float(loss.detach()) == 0.0
    change = tuning.head_parameters["transform.change"].grad
    assert change is not None
    assert not change.any()
    assert all(each.grad is None for each in tuning.encoder_parameters.values())
