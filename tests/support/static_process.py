"""Trains static vectors in a process of its own: `python -m tests.support.static_process WORKDIR KIND`.

The corpus is cut into many portions. Prints the number of portions after each state on disk, and `over` at the end.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import cast

from services.models.catalogue import ModelFiles
from services.trainer.static import cooccurrences, corpus
from services.trainer.static.plan import Kind, StaticPlan
from services.trainer.static.train import train_static
from services.trainer.training.events import Checkpointed, Event
from services.trainer.training.plan import LanguageSet
from tests.support.pretraining import read
from tests.support.telling import tell

PLAN = StaticPlan(
    "glove",
    (LanguageSet("en", "en"), LanguageSet("sv", "sv")),
    "datasets/vocabulary",
    max_tokens=32,
    dimension=16,
    window=4,
    epochs=6,
    learning_rate=0.05,
    max_weight=50.0,
    batch=64,
)


PARTS = {(corpus, "PART_TOKENS"): 300, (cooccurrences, "FILE_BYTES"): 20_000}
"""Sizes at which the corpus is cut into many portions."""


def train(folder: Path, kind: str, report: Callable[[Event], None]) -> None:
    """Runs to the end, from what stands in the folder."""
    train_static(
        replace(PLAN, kind=cast(Kind, kind)),
        files=ModelFiles(),
        examples=read,
        workdir=folder,
        report=report,
        checkpoint_seconds=0.0,
    )


def main() -> None:
    """Tells of each state on disk."""
    for (module, name), value in PARTS.items():
        setattr(module, name, value)

    def report(event: Event) -> None:
        if isinstance(event, Checkpointed):
            tell(str(event.step))
            time.sleep(0.02)  # so that a reader of these lines can end the process between two of them

    train(Path(sys.argv[1]), sys.argv[2], report)
    tell("over")


if __name__ == "__main__":
    main()
