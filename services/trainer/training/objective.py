"""What the training loop asks of that which is trained: fine-tuning on a task, or masked-language-model pretraining."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from torch import Tensor, nn

from services.trainer.data.order import Step
from services.trainer.data.pieces import Ints
from services.trainer.evaluation.figures import SetFigures
from services.trainer.training.plan import Optimisation


class Order(Protocol):
    """The order of the data, which follows from the seed and the epoch alone."""

    @property
    def lengths(self) -> Sequence[int] | Ints:
        """Tokens of each place of the data."""

    def epoch(self, number: int) -> Sequence[Step]:
        """All steps of an epoch, from 0."""

    def steps(self, epochs: float, max_steps: int) -> Sequence[int]:
        """Number of steps to run of each epoch."""


@dataclass(frozen=True, eq=False)
class Work:
    """The work of one step.

    Attributes:
        targets: Terms of the loss, over all batches and workers.
        tokens: Real tokens, over all batches and workers.
        losses: For each batch of which this worker has a part the sum of its terms, computed when called, through which
            gradients flow.
        figures: What is told of the step besides the loss, by name; filled while the losses are computed.
    """

    targets: int
    tokens: int
    losses: Sequence[Callable[[], Tensor]]
    figures: dict[str, float] = field(default_factory=dict)


class Objective(Protocol):
    """What is trained, and how well it does."""

    @property
    def optimisation(self) -> Optimisation:
        """How it is optimised."""

    @property
    def order(self) -> Order:
        """The order of its data."""

    @property
    def encoder_parameters(self) -> Mapping[str, nn.Parameter]:
        """Parameters of the encoder that are trained, by name."""

    @property
    def head_parameters(self) -> Mapping[str, nn.Parameter]:
        """Parameters of the head, by name."""

    @property
    def fingerprint(self) -> str:
        """Digest of all that determines the run's numbers but for the device and its threads."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """Warnings, in sentences."""

    @property
    def provenance(self) -> Mapping[str, str]:
        """What determines the run, by name."""

    def work(self, number: int, batches: Step, own: Step) -> Work:
        """The work of a step.

        Args:
            number: The step, from 1.
            batches: Places of the data of each batch.
            own: For each batch what this worker computes of it, as places in the batch; there may be none.
        """

    def state(self) -> Mapping[str, Tensor]:
        """What a run needs to go on besides the trained parameters and their moments, by name."""

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Set what `state` gave."""

    def figures(self, check: Callable[[], None]) -> tuple[SetFigures, ...]:
        """Figures of the development sets with the present weights; `check` is called between batches."""

    def score(self, figures: tuple[SetFigures, ...]) -> float | None:
        """The number by which the best model is chosen, higher for better ones; None without figures."""

    def write(self, target: Path) -> None:
        """Write the model with its present weights as a folder, whole or not at all."""
