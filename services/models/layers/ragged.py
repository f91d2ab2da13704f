"""Attention over packed texts in one call, whatever their lengths, by FlashAttention's kernel (Dao 2023).

On a GPU a call for each length costs more in launches than in arithmetic. The kernel takes half precision and heads of
the common sizes, and knows no dropout here; all else goes by length.
"""

from functools import cache
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

_HALF: Final = (torch.bfloat16, torch.float16)
_LARGEST_HEAD: Final = 256
_OLDEST: Final = (8, 0)
"""Compute capability of the first GPUs that the kernel runs on."""


def takes(qkv_TE: Tensor, size: int, dropout: float) -> bool:
    """Whether the kernel takes such heads.

    Args:
        qkv_TE: Queries, keys and values.
        size: Numbers a head.
        dropout: Probability with which an attention weight is dropped.
    """
    fits = size % 8 == 0 and size <= _LARGEST_HEAD and not dropout
    return fits and qkv_TE.dtype in _HALF and qkv_TE.is_cuda and _has_kernel(qkv_TE.device)


@cache
def _has_kernel(device: torch.device) -> bool:
    return torch.version.hip is None and torch.cuda.get_device_capability(device) >= _OLDEST


def attend_ragged(
    qkv_TE: Tensor, starts: Tensor, stop: int, longest: int, *, heads: int, kv_heads: int, window: int | None
) -> Tensor:
    """Softmax attention within each text.

    Args:
        qkv_TE: [T, (heads + 2 kv_heads) size]: queries, keys and values side by side, each head after head.
        starts: [n] integers on the same device, first row of each text; each ends where the next begins.
        stop: One past the last row of the last text.
        longest: Rows of the longest text.
        heads: Heads of the queries.
        kv_heads: Heads of keys and values.
        window: A token sees tokens at most this far to each side; None for the whole text.

    Returns:
        [T, heads size], of the same type; zero in rows that belong to no text.
    """
    # Imported here, for it costs a second, and processors never come here.
    from torch.nn.attention.varlen import varlen_attn

    by_head = qkv_TE.view(qkv_TE.shape[0], heads + 2 * kv_heads, -1)
    q, k, v = by_head.split_with_sizes([heads, kv_heads, kv_heads], dim=1)
    borders = functional.pad(starts.to(torch.int32), (0, 1), value=stop)
    reach = (-1, -1) if window is None else (window, window)
    context = varlen_attn(q, k, v, borders, borders, longest, longest, window_size=reach, enable_gqa=heads != kv_heads)
    if isinstance(context, tuple):
        raise TypeError("Expected the attention alone, but got more beside it")
    if stop < len(context):
        context[stop:].zero_()
    return context.reshape(qkv_TE.shape[0], -1)
