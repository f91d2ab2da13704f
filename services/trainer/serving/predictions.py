"""What a request for predictions asks for, and whoever answers it: the trainer's own process, or Ray Serve for it."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Protocol

from babelscope.data.examples import Example

from services.trainer.alignment.edits import LanguageEdit

PORTION: Final = 256
"""Examples that are predicted together: enough to be packed by length, few enough to answer soon."""


@dataclass(frozen=True, eq=False)
class AskedModel:
    """The model of a request, and how it is used.

    Attributes:
        checkpoint: `checkpoints/ID`.
        edits: Interventions on the hidden states, besides those that belong to the model.
        max_tokens: Longest input in tokens; that of training where 0.
    """

    checkpoint: str
    edits: tuple[LanguageEdit, ...] = ()
    max_tokens: int = 0

    @property
    def key(self) -> tuple[object, ...]:
        """Requests of equal keys are answered by the same model with the same interventions."""
        return (self.checkpoint, tuple(each.digest for each in self.edits), self.max_tokens)


class Predictions(Protocol):
    """Whoever answers requests for predictions."""

    def predict(
        self, asked: AskedModel, examples: Iterable[Example], check: Callable[[], None]
    ) -> Iterator[list[Example]]:
        """Examples with the model's answers in place of the gold ones, in order and in portions.

        Args:
            asked: The model.
            examples: Read lazily.
            check: Called while the answers are made or waited for; raises to stop.

        Raises:
            NotFound: There is no such checkpoint.
            InvalidArgument: An example is of another kind than the task takes, or an intervention does not fit.
            FailedPrecondition: The checkpoint is no fine-tuned model, or a damaged one.
        """
