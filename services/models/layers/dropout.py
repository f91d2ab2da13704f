"""Dropout (Srivastava et al. 2014) at the places where the families have it. Serving has none."""

from dataclasses import dataclass, fields

from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class Dropout:
    """Probabilities with which numbers are dropped; None where a family has no dropout.

    Attributes:
        embeddings: After the norm of the embeddings.
        attention: Probability for attention weights.
        attended: Probability for the output of attention, before it is added to the residual stream.
        inner: Between the two layers of the feed-forward part.
        outer: Probability for the output of the feed-forward part, before it is added to the residual stream.
    """

    embeddings: float | None = None
    attention: float | None = None
    attended: float | None = None
    inner: float | None = None
    outer: float | None = None

    def at(self, rate: float) -> "Dropout":
        """The same places with one probability."""
        return Dropout(*(None if getattr(self, each.name) is None else rate for each in fields(self)))


NO_DROPOUT = Dropout()


def drop(x: Tensor, rate: float | None) -> Tensor:
    """The tensor with numbers dropped and the others scaled up; the very argument where the rate is None or 0.

    The draws come from torch's global generator.
    """
    return functional.dropout(x, rate) if rate else x
