"""Attention over packed texts: exact, one call for each distinct length, no token sees another text."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from services.models.layers.packing import LengthGroup

WINDOW_BLOCK = 256
"""Queries that one call of windowed attention takes; its keys reach one window further to each side."""


def attend(
    qkv_TE: Tensor, groups: Sequence[LengthGroup], heads: int, window: int | None = None, dropout: float = 0.0
) -> Tensor:
    """Softmax attention within each text.

    Args:
        qkv_TE: [T, 3 d]: queries, keys and values side by side.
        groups: Texts of equal length; together they cover all rows but the last few, which belong to no text.
        heads: Number of heads; d is a multiple of it.
        window: A token sees tokens at most this far to each side; None for the whole text.
        dropout: Probability with which an attention weight is dropped.

    Returns:
        [T, d], of the same type; zero in rows that belong to no text.
    """
    rows, width = qkv_TE.shape[0], qkv_TE.shape[1] // 3
    size = width // heads
    if qkv_TE.requires_grad:
        return _attend_apart(qkv_TE, groups, heads, window, dropout)
    context_TD = qkv_TE.new_empty((rows, width))
    context_TD[groups[-1].stop :].zero_()
    for group in groups:
        shape = (group.count, group.length, 3, heads, size)
        q, k, v = qkv_TE[group.start : group.stop].view(shape).permute(2, 0, 3, 1, 4).unbind(0)
        target = context_TD[group.start : group.stop].view(group.count, group.length, heads, size).transpose(1, 2)
        if window is None or group.length <= window + 1:
            target.copy_(functional.scaled_dot_product_attention(q, k, v, dropout_p=dropout))
        else:
            _attend_window(q, k, v, window=window, target=target, dropout=dropout)
    return context_TD


def _attend_apart(
    qkv_TE: Tensor, groups: Sequence[LengthGroup], heads: int, window: int | None, dropout: float
) -> Tensor:
    """As `attend`, where gradients are wanted.

    Rows are split and joined once: a write into a shared result would copy the whole gradient on the way back.
    """
    rows, width = qkv_TE.shape[0], qkv_TE.shape[1] // 3
    sizes = [group.stop - group.start for group in groups]
    filler = rows - groups[-1].stop
    contexts = []
    for group, part in zip(groups, qkv_TE.split_with_sizes([*sizes, filler]), strict=False):
        shape = (group.count, group.length, 3, heads, width // heads)
        q, k, v = part.view(shape).permute(2, 0, 3, 1, 4).unbind(0)
        if window is None or group.length <= window + 1:
            context = functional.scaled_dot_product_attention(q, k, v, dropout_p=dropout)
        else:
            context = torch.empty_like(q)
            _attend_window(q, k, v, window=window, target=context, dropout=dropout)
        contexts.append(context.transpose(1, 2).reshape(-1, width))
    return torch.cat([*contexts, qkv_TE.new_zeros((filler, width))])


def _attend_window(q: Tensor, k: Tensor, v: Tensor, *, window: int, target: Tensor, dropout: float) -> None:
    """Attention within |i - j| <= window, block by block: memory and work grow with the length, not its square.

    Args:
        q: [n, heads, L, head_size], as are k, v and target.
        k: Keys.
        v: Values.
        window: Reach to each side.
        target: Tensor that receives the result.
        dropout: Probability with which an attention weight is dropped.
    """
    length = q.shape[2]
    for first in range(0, length, WINDOW_BLOCK):
        last = min(first + WINDOW_BLOCK, length)
        low, high = max(first - window, 0), min(last + window, length)
        queries = torch.arange(first, last, device=q.device)
        keys = torch.arange(low, high, device=q.device)
        seen = (queries[:, None] - keys[None, :]).abs() <= window
        near_k, near_v = k[:, :, low:high], v[:, :, low:high]
        target[:, :, first:last].copy_(
            functional.scaled_dot_product_attention(
                q[:, :, first:last], near_k, near_v, attn_mask=seen, dropout_p=dropout
            )
        )
