"""Each task learns 32 examples by heart."""

import contextlib
from pathlib import Path

import pytest

from services.models.catalogue import ModelFiles
from services.models.spec import ModelSpec
from services.trainer.tasks import TASKS
from services.trainer.training.events import Evaluated, Event, Stopped
from services.trainer.training.fit import fit
from services.trainer.training.plan import FineTunePlan, LanguageSet, Optimisation
from tests.support.task_examples import SETS, direct_score


@pytest.mark.parametrize("task", TASKS)
def test_32_examples_are_learnt_by_heart(task: str, files: ModelFiles, tmp_path: Path) -> None:
    examples = SETS[task](32)
    given = LanguageSet("en", "made")
    options = {"parsing": {"dropout": "0"}}.get(task, {})
    scores = [0.0]

    def told(event: Event) -> None:
        if isinstance(event, Evaluated):
            scores.append(event.score)

    plan = FineTunePlan(
        ModelSpec("tiny"),
        task,
        train=(given,),
        dev=(given,),
        options=options,
        optimisation=Optimisation(
            learning_rate=2e-3, head_learning_rate=2e-3, epochs=60, step_tokens=256, dropout=0.0, evaluations=1
        ),
        threads=1,
    )
    # What comes after the first epoch that knows them would show nothing more.
    with contextlib.suppress(Stopped):
        fit(
            plan,
            files=files,
            examples=lambda name: examples,
            scorer=direct_score,
            workdir=tmp_path / "run",
            report=told,
            stop=lambda: scores[-1] > 99.0,
            checkpoint_seconds=1e9,
        )
    assert scores[-1] > 99.0, scores
