"""The largest numbers that a message can carry: refused by name, or a run that ends as any other does."""

from pathlib import Path
from typing import Any

import pytest
from babelscope.v1 import trainer_pb2

from services.models.catalogue import ModelFiles
from services.models.spec import ModelSpec
from services.runtime.errors import InvalidArgument
from services.trainer.api.specs import read_optimisation
from services.trainer.data.order import MOST_EPOCHS
from services.trainer.pretraining.pretrain import pretrain
from services.trainer.training.checks import MOST_STEPS, check_optimisation
from services.trainer.training.fit import fit
from services.trainer.training.plan import FineTunePlan, LanguageSet, Optimisation
from tests.support.pretraining import plan, read
from tests.support.task_examples import direct_score, sentences

INT32, INT64 = 2**31 - 1, 2**63 - 1
HUGE = {"epochs": 1e308, "step_tokens": INT32, "accumulation": INT32, "evaluations": INT32, "patience": INT32}


def _read(**given: Any) -> Optimisation:
    return read_optimisation(trainer_pb2.Optimisation(**given), "job", Optimisation())


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"epochs": 1e308}, "epochs"),
        ({"epochs": float(INT64)}, "epochs"),
        ({"epochs": MOST_EPOCHS + 1.0}, "epochs"),
        ({"max_steps": INT64}, "max_steps"),
        ({"max_steps": MOST_STEPS + 1}, "max_steps"),
        ({"weight_decay": float("inf")}, "weight_decay"),
        ({"clip": float("inf")}, "clip"),
    ],
)
def test_what_no_run_can_have_is_refused_by_name(given: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        check_optimisation(_read(**given))
    assert caught.value.field == f"optimisation.{field}"


@pytest.mark.parametrize("name", ["max_steps", "step_tokens", "accumulation", "evaluations", "patience", "workers"])
def test_whole_numbers_below_zero_are_refused_where_they_are_read(name: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        _read(**{name: -(2**31)})
    assert caught.value.field == f"job.{name}"


@pytest.mark.parametrize(
    "name", ["learning_rate", "head_learning_rate", "epochs", "warmup", "weight_decay", "clip", "dropout"]
)
@pytest.mark.parametrize("value", [float("nan"), float("-inf"), -1e-300])
def test_numbers_that_are_none_are_refused_where_they_are_read(name: str, value: float) -> None:
    with pytest.raises(InvalidArgument) as caught:
        _read(**{name: value})
    assert caught.value.field == f"job.{name}"


@pytest.mark.parametrize("seed", [INT64, -INT64 - 1])
def test_the_most_epochs_and_steps_pass(seed: int) -> None:
    check_optimisation(_read(epochs=MOST_EPOCHS, seed=seed))
    check_optimisation(_read(max_steps=MOST_STEPS, seed=seed, **HUGE))


@pytest.mark.parametrize("seed", [INT64, -INT64 - 1])
def test_a_run_of_two_steps_ends_whatever_else_it_is_told(seed: int, files: ModelFiles, tmp_path: Path) -> None:
    how = _read(max_steps=2, seed=seed, **HUGE)
    check_optimisation(how)
    sets = (LanguageSet("en", "x"),)
    trained = fit(
        FineTunePlan(ModelSpec("tiny"), "pos", sets, sets, optimisation=how, threads=1),
        files=files,
        examples=lambda _: sentences(10),
        scorer=direct_score,
        workdir=tmp_path,
    )
    assert trained.steps == 2


def test_a_pretraining_of_two_steps_ends_whatever_else_it_is_told(tmp_path: Path) -> None:
    huge = {**HUGE, "step_tokens": 512, "max_steps": 2, "seed": INT64}
    check_optimisation(plan(**huge).optimisation)
    trained = pretrain(plan(**huge), files=ModelFiles(), examples=read, workdir=tmp_path / "run", cache=tmp_path)
    assert trained.steps == 2
