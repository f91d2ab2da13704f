"""Hidden states to the likeliest tokens, with logits of some rows at a time."""

import torch
from torch import Tensor

from services.encoder.backends.base import NotFinite
from services.models.layers.heads import Head
from services.models.layers.packing import ROWS_STEP

LOGIT_BYTES = 32 << 20
"""Logits held at once by one thread: those of a whole corpus would be hundreds of GB."""


def finite(rows: Tensor, layer: int) -> Tensor:
    """The rows as they are.

    Raises:
        NotFinite: One of their numbers is not finite.
    """
    if not bool(torch.isfinite(rows).all()):
        raise NotFinite(layer)
    return rows


def rows_at_once(vocabulary: int) -> int:
    """Rows whose logits are held at once: a multiple of ROWS_STEP, for the sake of the kernels."""
    return max(ROWS_STEP, LOGIT_BYTES // (4 * vocabulary) // ROWS_STEP * ROWS_STEP)


def decode(
    head: Head, hidden_TD: Tensor, top_k: int, dtype: torch.dtype, *, scores: bool = True
) -> tuple[Tensor, Tensor]:
    """The likeliest tokens of each row.

    Args:
        head: Prepared for `dtype`.
        hidden_TD: [T, d] float32.
        top_k: Candidates a row, at most V.
        dtype: Arithmetic of the head; the softmax is float32 always.
        scores: Whether log-probabilities are wanted; where not, numbers stand for them that are finite where they are.

    Returns:
        Token ids, [T, k] int64, the likeliest first and of equally likely ones the lowest first; and the natural
        logarithms of their probabilities, [T, k] float32.
    """
    at_once = rows_at_once(head.vocabulary_size)
    if scores or top_k > 1:
        parts = [_likeliest(head(rows, dtype), top_k) for rows in torch.split(hidden_TD, at_once)]
    else:
        # Twice as many: their logits are bfloat16 where that is fast.
        found = (head.best(rows, dtype) for rows in torch.split(hidden_TD, 2 * at_once))
        parts = [(ids[:, None], logits[:, None]) for ids, logits in found]
    return torch.cat([ids for ids, _ in parts]), torch.cat([scores for _, scores in parts])


def _likeliest(logits_TV: Tensor, top_k: int) -> tuple[Tensor, Tensor]:
    """Candidates and log-probabilities of a few rows."""
    total = torch.logsumexp(logits_TV, dim=-1, keepdim=True)
    if top_k == 1:
        # Unlike topk, argmax names the first of equal values.
        ids = logits_TV.argmax(dim=-1, keepdim=True)
        return ids, logits_TV.gather(1, ids) - total
    _, ids = logits_TV.topk(top_k, dim=-1)
    ids = ids.sort(dim=-1).values
    scores, order = logits_TV.gather(1, ids).sort(dim=-1, descending=True, stable=True)
    return ids.gather(1, order), scores - total
