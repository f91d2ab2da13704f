"""Fine-tunes the golden model in a process of its own: `python -m tests.support.fit_process MODEL WORKDIR`.

Prints the step and the bits of the loss after each step, and `over` at the end.
"""

import sys
from collections.abc import Callable
from pathlib import Path

from services.models.catalogue import ModelFiles
from services.models.spec import ModelSpec
from services.trainer.training.events import Event, Progressed
from services.trainer.training.fit import fit
from services.trainer.training.plan import FineTunePlan, LanguageSet, Optimisation
from tests.support.task_examples import direct_score, sentences
from tests.support.telling import tell

PLAN = FineTunePlan(
    ModelSpec("golden"),
    "parsing",
    train=(LanguageSet("en", "train"),),
    dev=(LanguageSet("en", "dev"),),
    optimisation=Optimisation(learning_rate=1e-3, epochs=4, step_tokens=80, evaluations=2, seed=5),
    threads=1,
)


def train(model: Path, workdir: Path, report: Callable[[Event], None]) -> None:
    """Runs to the end, from what stands in the folder."""
    fit(
        PLAN,
        files=ModelFiles(aliases={"golden": model}),
        examples=lambda name: sentences(60) if name == "train" else sentences(10, 1),
        scorer=direct_score,
        workdir=workdir,
        report=report,
        checkpoint_seconds=0.05,
    )


def told(event: Progressed) -> str:
    """What is told of a step."""
    return f"{event.step} {event.of} {event.loss.hex()}"


def main() -> None:
    """Tells of each step."""

    def report(event: Event) -> None:
        if isinstance(event, Progressed):
            tell(told(event))

    model, workdir = map(Path, sys.argv[1:])
    train(model, workdir, report)
    tell("over")


if __name__ == "__main__":
    main()
