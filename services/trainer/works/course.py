"""What a training job tells of its steps."""

import math
import time
from typing import Final

from services.trainer import specs
from services.trainer.training.events import Progressed
from services.trainer.works.desk import Desk

_TELL_SECONDS: Final = 0.5


class Course:
    """Tells of steps, but not of more than two a second.

    Args:
        desk: The way to the trainer.
        share: Share of the job's progress that training is.
    """

    def __init__(self, desk: Desk, share: float) -> None:
        self._desk, self._share, self._told = desk, share, 0.0

    def tell(self, event: Progressed) -> None:
        """Tells of a step, where it is time or it is the last."""
        now = time.monotonic()
        if now - self._told < _TELL_SECONDS and event.step < event.of:
            return
        self._told = now
        figures = {
            "loss": event.loss,
            "learning_rate": event.learning_rate,
            "tokens_per_second": event.tokens_per_second,
            "seconds_left": event.seconds_left,
            "epoch": event.epoch,
            **event.figures,
        }
        # word2vec tells no loss.
        known = {name: value for name, value in figures.items() if math.isfinite(value)}
        step = specs.JobStep("train", event.step, event.of, known)
        self._desk.step(step, self._share * event.step / max(1, event.of))
