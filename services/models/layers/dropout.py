"""Dropout (Srivastava et al. 2014) at the places where the families have it. Serving has none.

On a processor the draws of PyTorch's own dropout take a twentieth of a step of training: each number has one of double
precision. Here four numbers share one draw of 64 bits.
"""

from dataclasses import dataclass, fields
from typing import Final

import torch
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


_LEVELS: Final = 1 << 16
"""Values of the 16 bits that decide about a number."""


def drop(x: Tensor, rate: float | None) -> Tensor:
    """The tensor with numbers dropped and the others scaled up; the very argument where the rate is None or 0.

    The draws come from torch's global generator. On a processor the rate is the nearest multiple of 2^-16, and the
    scale is that of this rate, so that the mean stays what it is.

    Args:
        x: Any tensor.
        rate: Probability with which a number is dropped, within 0..1.
    """
    if not rate:
        return x
    dropped = round(rate * _LEVELS)
    if x.device.type != "cpu" or not 0 < dropped < _LEVELS:
        return functional.dropout(x, rate)
    words = torch.empty(-(-x.numel() // 4), dtype=torch.int64).random_(-(1 << 63), None)
    drawn = words.view(torch.int16)[: x.numel()].view(x.shape)
    kept = (drawn >= dropped - _LEVELS // 2).to(x.dtype)
    return x * kept.mul_(_LEVELS / (_LEVELS - dropped))
