"""Pretrains in a process of its own: `python -m tests.support.pretrain_process WORKDIR`.

Prints the step and the bits of the loss after each step, and `over` at the end.
"""

import sys
from collections.abc import Callable
from pathlib import Path

from services.models.catalogue import ModelFiles
from services.trainer.pretraining.pretrain import pretrain
from services.trainer.training.events import Event, Progressed
from tests.support.pretraining import plan, read
from tests.support.telling import tell


def train(folder: Path, report: Callable[[Event], None]) -> None:
    """Runs to the end, from what stands in a folder."""
    pretrain(
        plan(epochs=3.0),
        files=ModelFiles(),
        examples=read,
        workdir=folder / "run",
        cache=folder,
        report=report,
        checkpoint_seconds=0.05,
    )


def main() -> None:
    """Tells of each step."""

    def report(event: Event) -> None:
        if isinstance(event, Progressed):
            tell(f"{event.step} {event.loss.hex()}")

    train(Path(sys.argv[1]), report)
    tell("over")


if __name__ == "__main__":
    main()
