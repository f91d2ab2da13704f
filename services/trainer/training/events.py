"""What a run reports while it goes on, and how it ends early."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from services.runtime.errors import FailedPrecondition
from services.trainer.evaluation.figures import SetFigures


@dataclass(frozen=True)
class Prepared:
    """The examples are read, cut into tokens and counted.

    Attributes:
        part: `train` or `dev`.
        language: Language tag of the set.
        dataset: Name of the dataset.
        examples: Number of examples.
        tokens: Tokens, special ones included.
        targets: Number of terms of the loss: words, labels or spans.
        split: Examples of more tokens than the limit, whose every part is used.
        cut: Examples of more tokens than the limit, of which a part is left out.
        lost: Words, labels or answers without a place in the input; they are no part of the loss and count as errors.
        unknown: Gold labels that no training example has.
    """

    part: str
    language: str
    dataset: str
    examples: int
    tokens: int
    targets: int
    split: int
    cut: int
    lost: int
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True)
class Progressed:
    """A step is done.

    Attributes:
        step: Steps done, from 1.
        of: Steps in all.
        epoch: Passes over the data, with the fraction of the current one.
        loss: Mean loss of the step over its targets.
        learning_rate: Learning rate of the encoder in this step.
        tokens_per_second: Real tokens a second of this process, without evaluation.
        seconds_left: Estimate of the remaining seconds of training.
        figures: What else the objective tells of the step, by name.
    """

    step: int
    of: int
    epoch: float
    loss: float
    learning_rate: float
    tokens_per_second: float
    seconds_left: float
    figures: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Evaluated:
    """The development sets are scored.

    Attributes:
        step: Steps done.
        figures: Figures of each set.
        score: Mean of the task's main figure over the sets, in per cent.
        best: Whether no earlier step has a better one.
    """

    step: int
    figures: tuple[SetFigures, ...]
    score: float
    best: bool


@dataclass(frozen=True)
class Checkpointed:
    """The state of the run is on disk: a run that dies now goes on from here.

    Attributes:
        step: Steps done.
        folder: Folder of the state.
    """

    step: int
    folder: Path


Event = Prepared | Progressed | Evaluated | Checkpointed


class Stopped(Exception):
    """The caller's `stop` said so; the state of the run is on disk.

    Args:
        step: Steps done.
    """

    def __init__(self, step: int) -> None:
        super().__init__(f"Training was stopped after step {step}")
        self.step = step


class LossNotFinite(FailedPrecondition):
    """Loss or gradient is no finite number. The state of the last checkpoint, and the best model so far, are kept.

    Args:
        step: The step, from 1.
        quantity: `loss` or `gradient`.
        kept: Step of the last checkpoint on disk; 0 where there is none.
    """

    def __init__(self, step: int, quantity: str, kept: int) -> None:
        super().__init__(
            "training",
            f"Expected a finite {quantity}, but at step {step} it is not; the last checkpoint is that of step {kept}. "
            "A lower learning rate, a longer warm-up or float32 may help",
        )
        self.step, self.quantity, self.kept = step, quantity, kept
