"""The likeliest word of each row without all logits in float32, certified to be that of the full output layer.

A product in bfloat16 gives every logit with a bound on its error, by Cauchy and Schwarz from the norms of what
rounding took from rows and weights: `|x w - x' w'| <= |x - x'| |w'| + |x| |w - w'|`. A word that cannot reach the best
one within the bounds is out. Where several are left, their logits are computed in float64; where these differ by less
than the full layer's own rounding may change, or too many are left, the row goes through the full layer. So the answer
is always the full layer's, equal logits included.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

CANDIDATES: Final = 8
"""Words of a row that are looked at more closely."""
_ROUNDED: Final = 2.0**-8
"""Largest relative error of a logit that is rounded to bfloat16, twice over."""
_SINGLE: Final = 2.0**-24
_BLOCK: Final = 8192


@dataclass(frozen=True)
class Norms:
    """What the bounds need of an output layer.

    Attributes:
        word: Largest norm of a word's weights, as they are or rounded.
        lost: Largest norm of what rounding takes from a word's weights.
        bias: Largest bias.
        lost_bias: Largest part that rounding takes from a bias.
    """

    word: float
    lost: float
    bias: float
    lost_bias: float

    @classmethod
    def of(cls, weight: Tensor, bias: Tensor | None) -> "Norms":
        """Those of a layer [V, e] with a bias [V] or without, in one pass over its weights."""
        word = lost = 0.0
        for part in torch.split(weight, _BLOCK):
            rounded = part.bfloat16().double()
            exact = part.double()
            word = max(word, float(exact.norm(dim=1).max()), float(rounded.norm(dim=1).max()))
            lost = max(lost, float((exact - rounded).norm(dim=1).max()))
        if bias is None:
            return cls(word, lost, 0.0, 0.0)
        taken = (bias - bias.bfloat16().float()).abs().max()
        return cls(word, lost, float(bias.abs().max()), float(taken))


def best_words(
    weight: Tensor, bias: Tensor | None, norms: Norms, apply: Callable[[Tensor], Tensor], rows_TE: Tensor
) -> tuple[Tensor, Tensor]:
    """The likeliest word of each row.

    Args:
        weight: Weights of the output layer, [V, e] float32.
        bias: Its bias, [V] float32, or None.
        norms: Its norms.
        apply: The layer itself, [T, e] to [T, V] of the same type, for float32 and bfloat16.
        rows_TE: [T, e] float32, finite.

    Returns:
        [T] int64, of equally likely words the lowest; and [T] float32, about their logits.
    """
    rounded_TE = rows_TE.bfloat16()
    count = min(CANDIDATES, weight.shape[0])
    values_TC, words_TC = apply(rounded_TE).topk(count, dim=-1)
    values_TC = values_TC.double()
    exact_TE = rows_TE.double()
    size_T = exact_TE.norm(dim=1)
    lost_T = (exact_TE - rounded_TE.double()).norm(dim=1)
    summed = 4 * _SINGLE * (rows_TE.shape[1] + 2) * (size_T * norms.word + norms.bias)
    shift = _ROUNDED * values_TC[:, [0, -1]].abs().amax(dim=1)
    bound_T = lost_T * norms.word + size_T * norms.lost + norms.lost_bias + summed + shift
    open_TC = values_TC + bound_T[:, None] >= values_TC[:, :1] - bound_T[:, None]
    best_T = words_TC[:, 0].clone()
    several_T = open_TC.sum(dim=1) > 1
    unsure_T = open_TC[:, -1] if count < weight.shape[0] else torch.zeros_like(several_T)
    closer = torch.nonzero(several_T & ~unsure_T)[:, 0]
    if len(closer):
        words_NC = words_TC[closer]
        logits_NC = torch.einsum("nce,ne->nc", weight[words_NC].double(), exact_TE[closer])
        if bias is not None:
            logits_NC += bias[words_NC].double()
        logits_NC.masked_fill_(~open_TC[closer], -math.inf)
        ordered_NC, order_NC = logits_NC.sort(dim=1, descending=True)
        best_T[closer] = words_NC.gather(1, order_NC[:, :1])[:, 0]
        # Either of the two may be off by as much as float32 rounds in the full layer.
        unsure_T[closer] = ~(ordered_NC[:, 0] - ordered_NC[:, 1] > 2 * summed[closer])
    again = torch.nonzero(unsure_T)[:, 0]
    if len(again):
        best_T[again] = apply(rows_TE[again]).argmax(dim=-1)
    return best_T, values_TC[:, 0].float()
