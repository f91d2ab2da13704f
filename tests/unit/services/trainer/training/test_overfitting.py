"""Each task learns 32 examples by heart."""

from pathlib import Path

import pytest

from services.models.catalogue import ModelFiles
from services.models.spec import ModelSpec
from services.trainer.tasks import TASKS
from services.trainer.training.fit import fit
from services.trainer.training.plan import FineTunePlan, LanguageSet, Optimisation
from tests.support.task_examples import SETS, direct_score


@pytest.mark.parametrize("task", TASKS)
def test_32_examples_are_learnt_by_heart(task: str, files: ModelFiles, tmp_path: Path) -> None:
    examples = SETS[task](32)
    given = LanguageSet("en", "made")
    options = {"parsing": {"dropout": "0"}}.get(task, {})
    found = fit(
        FineTunePlan(
            ModelSpec("tiny"),
            task,
            train=(given,),
            dev=(given,),
            options=options,
            optimisation=Optimisation(
                learning_rate=2e-3, head_learning_rate=2e-3, epochs=60, step_tokens=256, dropout=0.0, evaluations=1,
                patience=20,
            ),
            threads=1,
        ),
        files=files,
        examples=lambda name: examples,
        scorer=direct_score,
        workdir=tmp_path / "run",
        checkpoint_seconds=1e9,
    )  # fmt: skip
    assert found.score is not None
    assert found.score > 99.0, found.score
