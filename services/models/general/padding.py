"""Batches with padding: which texts share one, and where their tokens lie among its rows."""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_SHORTEST: Final = 0.6
"""A text shorter than this share of the longest of a full batch begins another."""


def buckets(lengths: Sequence[int], budget: int, workers: int, *, padded: bool) -> list[NDArray[np.int64]]:
    """Share out texts into batches of similar length.

    Args:
        lengths: Tokens of each text.
        budget: Padded tokens that a batch does not exceed; a longer text is one of its own.
        workers: Batches that run at the same moment: each gets its share where there are few texts.
        padded: Whether lengths may differ within a batch.

    Returns:
        For each batch the places of its texts, the longest texts first.
    """
    sizes = np.asarray(lengths, dtype=np.int64)
    order = np.argsort(-sizes, kind="stable")
    room = min(budget, max(-(-int(sizes.sum()) // workers), 1))
    batches: list[list[int]] = []
    longest = 0
    for place in order.tolist():
        size = int(sizes[place])
        tokens = longest * len(batches[-1]) if batches else 0
        if padded:
            joins = tokens + longest <= budget and (tokens < room // 2 or size >= _SHORTEST * longest) and tokens < room
        else:
            joins = tokens + longest <= budget and size == longest
        if not batches or not joins:
            batches.append([])
            longest = size
        batches[-1].append(place)
    return [np.array(batch, dtype=np.int64) for batch in batches]


class Rows:
    """Padded rows of a batch to the rows of its tokens, text after text, and back.

    Args:
        lengths: [n] tokens of each text.
        width: Tokens of a row of the batch, padding included.
        filler: Rows that belong to no text, which follow the tokens.
        device: Device of the hidden states.
    """

    def __init__(self, lengths: NDArray[np.int64], width: int, filler: int, device: str) -> None:
        places = [np.arange(length) + row * width for row, length in enumerate(lengths)]
        index = np.concatenate(places)
        self.count = index.size
        self._index = torch.from_numpy(np.append(index, np.repeat(index[:1], filler))).to(device)
        self._width = width

    def taken(self, hidden_BTD: Tensor) -> Tensor:
        """The rows of the tokens, [T, d] float32.

        Args:
            hidden_BTD: [B, W, d] of any type, W at least the width.
        """
        inner = hidden_BTD[:, : self._width]
        return torch.index_select(inner.reshape(-1, inner.shape[-1]), 0, self._index).float()

    def changed(self, hidden_BTD: Tensor, change: Callable[[Tensor], Tensor]) -> Tensor:
        """Give the rows of the tokens to a function, and put back what it returns.

        Args:
            hidden_BTD: [B, W, d] of any type, W at least the width.
            change: [T, d] float32 to [T, d]; its argument itself where nothing changes.

        Returns:
            The argument itself where nothing changed.
        """
        rows_TD = self.taken(hidden_BTD)
        after_TD = change(rows_TD)
        if after_TD is rows_TD:
            return hidden_BTD
        inner = hidden_BTD[:, : self._width]
        flat = inner.reshape(-1, inner.shape[-1])
        result = hidden_BTD.clone()
        edited = flat.clone()
        edited[self._index[: self.count]] = after_TD[: self.count].to(flat.dtype)
        result[:, : self._width] = edited.view(inner.shape)
        return result
