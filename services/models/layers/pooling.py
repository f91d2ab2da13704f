"""Hidden states of one layer to rows of the answer: every row is the mean of a group of hidden rows.

`gather` lays the groups of a batch out once, `pool` takes the means layer by layer. Neither asks how the texts lie in
the hidden rows, packed or padded: only where each text begins.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from services.models.row_groups import row_groups
from services.models.spec import Pooling, TokenizedText

PIECE_ROWS = 64
"""Rows that are summed in one go: sums of sums lose less to rounding than one long sum."""


@dataclass(frozen=True, eq=False)
class Groups:
    """Groups of hidden rows, on the device of the hidden states.

    Attributes:
        counts: [R] int64 on the processor, hidden rows of each group.
        rows: [M] int64, the hidden rows, group after group; None where they are the first R, a group each.
        piece_starts: [P] int64, where pieces of at most PIECE_ROWS rows of one group begin in `rows`; None where every
            group is one row.
        first_pieces: [R] int64, each group's first piece; groups of no row have none.
        divisors: [R, 1] float32, the counts, 1 for groups of no row.
    """

    counts: NDArray[np.int64]
    rows: Tensor | None
    piece_starts: Tensor | None = None
    first_pieces: Tensor | None = None
    divisors: Tensor | None = None


def gather(texts: Sequence[TokenizedText], starts: NDArray[np.int64], pooling: Pooling, device: str) -> Groups:
    """The groups of some texts, text after text.

    Args:
        texts: At least one text.
        starts: [n] int64, hidden row of each text's first token; its others follow.
        pooling: Pooling of the plan.
        device: Device of the hidden states.
    """
    found = [row_groups(text, pooling) for text in texts]
    counts = np.concatenate([groups.counts for groups in found])
    sizes = [groups.tokens.size for groups in found]
    rows = np.concatenate([groups.tokens for groups in found]) + np.repeat(starts, sizes)
    if (counts == 1).all():
        in_order = bool((rows == np.arange(rows.size)).all())
        return Groups(counts, None if in_order else torch.from_numpy(rows).to(device))
    piece_starts, first_pieces = _pieces(counts)
    return Groups(
        counts,
        torch.from_numpy(rows).to(device),
        torch.from_numpy(piece_starts).to(device),
        torch.from_numpy(first_pieces).to(device),
        torch.from_numpy(np.maximum(counts, 1).astype(np.float32)[:, None]).to(device),
    )


def pool(hidden_TD: Tensor, groups: Groups) -> Tensor:
    """The mean of each group.

    Args:
        hidden_TD: [T, d] float32, hidden rows of one layer.
        groups: Groups of rows among them.

    Returns:
        [R, d] float32; zero for groups of no row.
    """
    if groups.rows is None:
        return hidden_TD[: groups.counts.size]
    if groups.piece_starts is None or groups.first_pieces is None or groups.divisors is None:
        return torch.index_select(hidden_TD, 0, groups.rows)
    if not groups.rows.numel():
        return hidden_TD.new_zeros((groups.counts.size, hidden_TD.shape[1]))
    sums_PD = functional.embedding_bag(groups.rows, hidden_TD, groups.piece_starts, mode="sum")
    pieces_P = torch.arange(sums_PD.shape[0], device=sums_PD.device)
    return functional.embedding_bag(pieces_P, sums_PD, groups.first_pieces, mode="sum") / groups.divisors


def _pieces(counts: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where pieces of at most PIECE_ROWS rows begin, and the first piece of each group, for [R] counts of rows."""
    pieces = -(-counts // PIECE_ROWS)
    firsts = np.cumsum(pieces) - pieces
    within = np.arange(int(pieces.sum())) - np.repeat(firsts, pieces)
    return np.repeat(np.cumsum(counts) - counts, pieces) + within * PIECE_ROWS, firsts
