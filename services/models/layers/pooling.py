"""Packed hidden states of one layer to rows of the answer."""

import torch
from torch import Tensor
from torch.nn import functional

from services.models.layers.blocks import Layout
from services.models.spec import Pooling


def pool(hidden_TD: Tensor, layout: Layout, pooling: Pooling) -> Tensor:
    """Reduce the hidden states of one layer.

    Args:
        hidden_TD: [T, d] float32, packed.
        layout: Layout of the texts within the rows.
        pooling: MEAN over tokens that are not special, CLS for the first token, TOKEN for all.

    Returns:
        [n, d] for MEAN and CLS, in the order of the pack; the rows of all texts for TOKEN. The mean of a text that has
        special tokens only is zero.
    """
    match pooling:
        case Pooling.MEAN:
            return _mean(hidden_TD, layout)
        case Pooling.CLS:
            return torch.index_select(hidden_TD, 0, layout.starts)
        case Pooling.TOKEN:
            return hidden_TD[: layout.groups[-1].stop]


def _mean(hidden_TD: Tensor, layout: Layout) -> Tensor:
    """[n, d]: sums of pieces, then of texts, over the number of rows."""
    sums_PD = functional.embedding_bag(layout.content, hidden_TD, layout.piece_starts, mode="sum")
    pieces_P = torch.arange(sums_PD.shape[0], device=sums_PD.device)
    sums_ND = functional.embedding_bag(pieces_P, sums_PD, layout.text_pieces, mode="sum")
    return sums_ND / layout.content_counts.clamp(min=1)[:, None]
