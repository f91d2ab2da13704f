"""Losses and gradients at masked positions alone equal those of transformers' own model on whole sequences."""

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForMaskedLM

from services.models.catalogue import ModelFiles
from services.models.spec import ModelSpec
from services.trainer.pretraining.folder import write_pretrained
from services.trainer.pretraining.head import TrainableHead
from services.trainer.pretraining.material import gather
from services.trainer.pretraining.objective import MaskedModelling
from services.trainer.pretraining.plan import PretrainPlan
from services.trainer.training.encoder import TrainableEncoder
from services.trainer.training.plan import LanguageSet, Optimisation
from tests.support.gradients import gradients_of
from tests.support.pretraining import lines
from tests.support.tiny_models import build_model, mixed_texts

FAMILIES = ("bert", "roberta", "modernbert", "xlm-roberta", "distilbert", "electra")
TEXTS = tuple(type(lines(1, 0)[0])(str(place), text, "en") for place, text in enumerate(mixed_texts(40, longest=20)))
IGNORED = -100


def _objective(folder: Path, cache: Path) -> MaskedModelling:
    """The objective on streams of different lengths, without dropout."""
    plan = PretrainPlan(
        train=(LanguageSet("en", "made"),),
        model=ModelSpec("tiny"),
        optimisation=Optimisation(step_tokens=120, accumulation=2, dropout=0.0),
        max_tokens=24,
    )
    files = ModelFiles(aliases={"tiny": folder})
    return gather(plan, files=files, examples=lambda _: TEXTS, cache=cache, report=lambda _: None, device="cpu")


@pytest.mark.parametrize("family", FAMILIES)
def test_losses_and_gradients_are_those_of_transformers(family: str, tmp_path: Path) -> None:
    folder = build_model(family, tmp_path / family, head=True)
    objective = _objective(folder, tmp_path)
    [first, *_] = objective.order.epoch(0)
    work = objective.work(1, first, tuple(np.arange(len(each)) for each in first))
    total = sum(compute() for compute in work.losses) / work.targets
    assert isinstance(total, torch.Tensor)
    total.backward()  # type: ignore[no-untyped-call]

    model = AutoModelForMaskedLM.from_pretrained(folder, dtype=torch.float32).train(False)
    streams = _streams(objective, first)
    longest = max(len(ids) for ids, _ in streams)
    ids = torch.full((len(streams), longest), model.config.pad_token_id)
    mask = torch.zeros((len(streams), longest), dtype=torch.long)
    labels = torch.full((len(streams), longest), IGNORED)
    for place, (seen, wanted) in enumerate(streams):
        ids[place, : len(seen)] = torch.from_numpy(seen)
        labels[place, : len(seen)] = torch.from_numpy(wanted)
        mask[place, : len(seen)] = 1
    loss = model(input_ids=ids, attention_mask=mask, labels=labels).loss
    loss.backward()
    assert float(total.detach()) == pytest.approx(float(loss.detach()), rel=1e-5)

    # Shared tensors have several names there.
    names = dict(model.named_parameters(remove_duplicate=False))
    stored = objective.encoder.stored_names
    ours = {stored[name]: each for name, each in objective.encoder.parameters.items()}
    found = gradients_of({**ours, **dict(objective.head.parameters)})
    assert len(found) == sum(each.grad is not None for each in model.parameters())
    for name, gradient in found.items():
        expected = names[name].grad
        assert expected is not None, name
        scale = max(1.0, float(expected.abs().max()))
        assert float((gradient - expected).abs().max()) <= 1e-5 * scale, name


def _streams(objective: MaskedModelling, batches: tuple[np.ndarray, ...]) -> list[tuple[np.ndarray, np.ndarray]]:
    """What the model sees of each stream of a step, and the labels; by the same draws as the objective's."""
    generator = np.random.default_rng([objective.optimisation.seed, 1, 1])
    streams = objective._masked([objective._stream(place) for place in np.concatenate(batches).tolist()], generator)
    found = []
    for each in streams:
        labels = np.full(len(each.ids), IGNORED)
        labels[each.rows] = each.labels
        found.append((each.ids, labels))
    return found


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("head", [True, False])
def test_a_written_model_is_that_of_transformers(family: str, head: bool, tmp_path: Path) -> None:
    folder = build_model(family, tmp_path / family, head=head)
    encoder = TrainableEncoder.load(ModelFiles(aliases={"tiny": folder}), ModelSpec("tiny"))
    made = TrainableHead.load(encoder, 0, "cpu")
    assert bool(made.fresh) is not head
    write_pretrained(tmp_path / "written", encoder, made, {})
    theirs, said = AutoModelForMaskedLM.from_pretrained(tmp_path / "written", output_loading_info=True)
    assert not said["missing_keys"]
    assert not said["unexpected_keys"]
    if head:
        before = AutoModelForMaskedLM.from_pretrained(folder).state_dict()
        after = theirs.state_dict()
        assert all(torch.equal(after[name], tensor) for name, tensor in before.items())
