"""Attention over packed texts: exact, no token sees another text; one call for each distinct length, or one for all."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from services.models.layers.dropout import drop
from services.models.layers.linear import multiplied_in
from services.models.layers.packing import LengthGroup
from services.models.layers.ragged import attend_ragged, takes

WINDOW_BLOCK = 256
"""Queries that one call of windowed attention takes; its keys reach one window further to each side."""


def attend(
    qkv_TE: Tensor,
    groups: Sequence[LengthGroup],
    heads: int,
    window: int | None = None,
    dropout: float = 0.0,
    *,
    kv_heads: int | None = None,
    starts: Tensor | None = None,
) -> Tensor:
    """Softmax attention within each text.

    Args:
        qkv_TE: [T, (heads + 2 kv_heads) size]: queries, keys and values side by side, each head after head.
        groups: Texts of equal length; together they cover all rows but the last few, which belong to no text.
        heads: Number of heads.
        window: A token sees tokens at most this far to each side; None for the whole text.
        dropout: Probability with which an attention weight is dropped.
        kv_heads: Heads of keys and values, each of which serves as many neighbouring queries (Ainslie et al. 2023);
            None for as many as there are queries.
        starts: [n] int64 on the device, first row of each text. Where they are given, a GPU takes all lengths at once.

    Returns:
        [T, heads size], of the same type; zero in rows that belong to no text.
    """
    pairs = kv_heads or heads
    dtype, qkv_TE = qkv_TE.dtype, qkv_TE.to(multiplied_in(qkv_TE.dtype, qkv_TE.device))
    rows, size = qkv_TE.shape[0], qkv_TE.shape[1] // (heads + 2 * pairs)
    width = heads * size
    if qkv_TE.requires_grad:
        return _attend_apart(qkv_TE, groups, heads, window, dropout, kv_heads=pairs).to(dtype)
    if starts is not None and takes(qkv_TE, size, dropout):
        longest = max(group.length for group in groups)
        return attend_ragged(qkv_TE, starts, groups[-1].stop, longest, heads=heads, kv_heads=pairs, window=window)
    context_TD = qkv_TE.new_empty((rows, width), dtype=dtype)
    context_TD[groups[-1].stop :].zero_()
    for group in groups:
        q, k, v = split_heads(qkv_TE[group.start : group.stop], group, heads, pairs)
        target = context_TD[group.start : group.stop].view(group.count, group.length, heads, size).transpose(1, 2)
        if window is None or group.length <= window + 1:
            target.copy_(functional.scaled_dot_product_attention(q, k, v, dropout_p=dropout))
        else:
            _attend_window(q, k, v, window=window, target=target, dropout=dropout)
    return context_TD


def split_heads(part: Tensor, group: LengthGroup, heads: int, kv_heads: int) -> Iterator[Tensor]:
    """Queries, keys and values of texts of equal length, [n, heads, L, size] each.

    Args:
        part: [n L, (heads + 2 kv_heads) size].
        group: The texts.
        heads: Heads of the queries.
        kv_heads: Heads of keys and values, which are repeated for the queries that they serve.
    """
    by_head = part.view(group.count, group.length, heads + 2 * kv_heads, -1).transpose(1, 2)
    q, k, v = by_head.split_with_sizes([heads, kv_heads, kv_heads], dim=1)
    yield q
    for each in (k, v):
        yield each if kv_heads == heads else each.repeat_interleave(heads // kv_heads, dim=1)


def _attend_apart(
    qkv_TE: Tensor,
    groups: Sequence[LengthGroup],
    heads: int,
    window: int | None,
    dropout: float,
    *,
    kv_heads: int,
) -> Tensor:
    """As `attend`, where gradients are wanted.

    Rows are split and joined once: a write into a shared result would copy the whole gradient on the way back.
    """
    rows, width = qkv_TE.shape[0], qkv_TE.shape[1] // (heads + 2 * kv_heads) * heads
    sizes = [group.stop - group.start for group in groups]
    filler = rows - groups[-1].stop
    contexts = []
    for group, part in zip(groups, qkv_TE.split_with_sizes([*sizes, filler]), strict=False):
        q, k, v = split_heads(part, group, heads, kv_heads)
        if window is None or group.length <= window + 1:
            context = _attend_whole(q, k, v, dropout)
        else:
            context = torch.empty_like(q)
            _attend_window(q, k, v, window=window, target=context, dropout=dropout)
        contexts.append(context.transpose(1, 2).reshape(-1, width))
    return torch.cat([*contexts, qkv_TE.new_zeros((filler, width))])


def _attend_whole(q: Tensor, k: Tensor, v: Tensor, dropout: float) -> Tensor:
    """Attention within whole texts, with gradients.

    PyTorch's own has no kernel with dropout on a processor, and what it composes instead takes half as long again: it
    looks for rows that see nothing, and there are none.

    Args:
        q: [n, heads, L, size], as are k and v.
        k: Keys.
        v: Values.
        dropout: Probability with which an attention weight is dropped.
    """
    if not dropout or q.device.type != "cpu":
        return functional.scaled_dot_product_attention(q, k, v, dropout_p=dropout)
    count, heads, length, size = q.shape
    queries, keys, values = (each.reshape(count * heads, length, size).float() for each in (q, k, v))
    scores = torch.baddbmm(queries.new_zeros(()), queries, keys.transpose(1, 2), beta=0, alpha=size**-0.5)
    weights = drop(torch.softmax(scores, dim=-1), dropout)
    return torch.bmm(weights, values).view(q.shape).to(q.dtype)


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
