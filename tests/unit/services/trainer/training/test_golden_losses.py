"""Loss curves under a fixed seed, from a model whose weights and tokens are written out here.

They guard the whole chain (order, packing, masks, dropout off, loss, schedule, optimiser) against changes that nobody
meant. Where one is meant, the numbers are taken anew from the test's own message, and the commit says why.
"""

from pathlib import Path

import pytest

from services.models.catalogue import ModelFiles
from services.models.spec import ModelSpec
from services.trainer.training.events import Event, Progressed
from services.trainer.training.fit import fit
from services.trainer.training.plan import FineTunePlan, LanguageSet, Optimisation
from tests.support.golden_model import build
from tests.support.task_examples import SETS, direct_score

GOLDEN = {
    "ner": [1.39209, 1.34821, 1.33098, 1.32769, 1.29987, 1.30570, 1.28678, 1.27585],
    "nli": [1.08898, 1.08605, 0.98549, 1.16631, 0.99197, 1.18191, 1.10844, 1.00278],
    "parsing": [4.01544, 4.22079, 3.54456, 2.91646, 3.19845, 2.71185, 2.91198, 3.09337],
    "pos": [1.63078, 1.60651, 1.58827, 1.58021, 1.56564, 1.57103, 1.55279, 1.56658],
    "qa": [2.72513, 2.71476, 2.76749, 2.78471, 2.70766, 2.73006, 2.65045, 2.77593],
}


@pytest.mark.parametrize("task", GOLDEN)
def test_the_losses_are_those_of_before(task: str, tmp_path: Path) -> None:
    events: list[Event] = []
    fit(
        FineTunePlan(
            ModelSpec("golden"),
            task,
            train=(LanguageSet("en", "made"),),
            options={"dropout": "0"} if task == "parsing" else {},
            optimisation=Optimisation(
                learning_rate=1e-3,
                head_learning_rate=1e-4 if task == "parsing" else 2e-3,
                epochs=5,
                step_tokens=160,
                accumulation=2,
                seed=1,
                dropout=0.0,
                max_steps=8,
            ),
            threads=1,
        ),
        files=ModelFiles(aliases={"golden": build(tmp_path / "golden")}),
        examples=lambda name: SETS[task](24),
        scorer=direct_score,
        workdir=tmp_path / "run",
        report=events.append,
    )
    losses = [event.loss for event in events if isinstance(event, Progressed)]
    told = ", ".join(f"{loss:.5f}" for loss in losses)
    assert losses == pytest.approx(GOLDEN[task], rel=2e-4), told
