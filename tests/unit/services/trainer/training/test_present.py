"""The model that a run leaves in memory answers as the folder that it has written, bit for bit."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from services.models.catalogue import ModelFiles
from services.models.spec import ComputeType, ModelSpec
from services.trainer.alignment.edits import LanguageInterventions
from services.trainer.evaluation.checkpoint import load_fine_tuned
from services.trainer.evaluation.ready import ReadyModel
from services.trainer.tasks import TASKS
from services.trainer.training.fit import fit
from services.trainer.training.plan import FineTunePlan, LanguageSet, Optimisation, Trained
from tests.support.task_examples import SETS, direct_score
from tests.support.tiny_models import build_model

HOW = Optimisation(learning_rate=1e-3, epochs=2, step_tokens=200)


def _tune(files: ModelFiles, task: str, workdir: Path, how: Optimisation = HOW, *, dev: bool = False) -> Trained:
    sets = {"train": SETS[task](16), "dev": SETS[task](6, 1)}
    plan = FineTunePlan(ModelSpec("m"), task, train=(LanguageSet("en", "train"),), optimisation=how)
    plan = replace(plan, dev=(LanguageSet("en", "dev"),)) if dev else plan
    return fit(plan, files=files, examples=sets.__getitem__, scorer=direct_score, workdir=workdir)


def _hidden(model: ReadyModel, task: str) -> list[Tensor]:
    """The last hidden states of a set."""
    forward = model.predictor.forward
    pieces = model.prepare(SETS[task](9, 2), "en").pieces
    with torch.inference_mode():
        batches = [forward.batching.collate(some, "cpu") for some in forward.batching.portions(list(pieces), 64)]
        return [forward(batch, LanguageInterventions((), "cpu").of(batch)) for batch in batches]


def _same(one: ReadyModel, other: ReadyModel, task: str) -> None:
    for ours, theirs in zip(_hidden(one, task), _hidden(other, task), strict=True):
        assert torch.equal(ours, theirs)
    test = SETS[task](9, 2)
    ours, theirs = (each.evaluate(test, direct_score, language="en", dataset="test") for each in (one, other))
    assert ours == theirs


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_packed_model_answers_as_its_folder(task: str, dtype: ComputeType, tmp_path: Path) -> None:
    files = ModelFiles(aliases={"m": build_model("bert", tmp_path / "m")})
    found = _tune(files, task, tmp_path / "run", replace(HOW, dtype=dtype))
    assert found.present is not None
    _same(found.present, load_fine_tuned(found.folder).ready, task)
    # A run that is over, called again, has read its weights from its state.
    again = _tune(files, task, tmp_path / "run", replace(HOW, dtype=dtype))
    assert again.present is not None
    _same(again.present, found.present, task)


@pytest.mark.parametrize("family", ["deberta-v2", "mpnet"])
def test_a_model_of_transformers_modules_answers_as_its_folder(
    family: str, built: Callable[[str], ModelFiles], tmp_path: Path
) -> None:
    found = _tune(built(family), "pos", tmp_path / "run")
    assert found.present is not None
    _same(found.present, load_fine_tuned(found.folder).ready, "pos")


def test_no_model_is_left_where_an_earlier_one_is_the_best(tmp_path: Path) -> None:
    """At such a learning rate all are equal, and of equals the first one is kept."""
    files = ModelFiles(aliases={"m": build_model("bert", tmp_path / "m")})
    how = replace(HOW, learning_rate=1e-30, head_learning_rate=1e-30)
    found = _tune(files, "pos", tmp_path / "run", how, dev=True)
    assert found.step < found.steps
    assert found.present is None


def test_what_is_left_holds_no_gradients(tmp_path: Path) -> None:
    found = _tune(ModelFiles(aliases={"m": build_model("bert", tmp_path / "m")}), "pos", tmp_path / "run")
    assert found.present is not None
    assert all(parameter.grad is None for parameter in found.present.predictor.head.parameters())
