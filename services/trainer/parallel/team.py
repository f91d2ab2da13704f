"""What the training loop asks of the workers that train one model together, and the answer of a worker on its own."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from torch import Tensor, nn

T = TypeVar("T")


class PeerLost(Exception):
    """Another worker has died or does not answer: this attempt cannot go on, and the next one can."""


class Team(Protocol):
    """Workers with the same weights, of which each computes a part of every step.

    All of them make the same calls in the same order. The first one, of rank 0, reads and writes the states, evaluates
    and decides; a call waits for the others, and raises `PeerLost` where one of them is gone.
    """

    @property
    def rank(self) -> int:
        """Number of this worker, from 0."""

    @property
    def size(self) -> int:
        """Number of workers."""

    def agree(self, value: int) -> int:
        """The first worker's value."""

    def told(self, text: str) -> str:
        """The first worker's text."""

    def shared(self, tensors: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """The first worker's tensors by name, on the processor where they are not its own; those of others are ignored.

        Args:
            tensors: Tensors of any shapes and types.
        """

    def gathered(self, tensors: Mapping[str, Tensor]) -> Sequence[Mapping[str, Tensor]]:
        """The tensors of all workers by rank; each has the same names, shapes and types."""

    def reduce(self, parameters: Sequence[nn.Parameter], loss: float) -> float:
        """Add up the gradients of all workers in place, and their losses.

        A parameter for which no worker has a gradient has none afterwards, as it would have with one worker.

        Args:
            parameters: Parameters, in the same order for all workers.
            loss: This worker's part of the loss.

        Returns:
            The whole loss.
        """

    def first_alone(self, action: Callable[[], T]) -> T:
        """Do something that leaves files for the others: the first worker does it, then all the others."""

    def close(self) -> None:
        """Leave the team."""


@dataclass(frozen=True)
class Solo:
    """One worker: nothing is sent anywhere."""

    rank: int = 0
    size: int = 1

    def agree(self, value: int) -> int:
        """The value."""
        return value

    def told(self, text: str) -> str:
        """The text."""
        return text

    def shared(self, tensors: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """The tensors."""
        return tensors

    def gathered(self, tensors: Mapping[str, Tensor]) -> Sequence[Mapping[str, Tensor]]:
        """The tensors."""
        return [tensors]

    def reduce(self, parameters: Sequence[nn.Parameter], loss: float) -> float:
        """The loss."""
        del parameters
        return loss

    def first_alone(self, action: Callable[[], T]) -> T:
        """What it gives."""
        return action()

    def close(self) -> None:
        """There is nothing to leave."""


SOLO = Solo()
