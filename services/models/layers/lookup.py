"""Rows of a word table, whose gradient is that of the rows that a batch has and of no others.

A table has a hundred times as many rows as a batch: to fill a gradient of its size with zeros, to measure it and to
scale it takes as long as a small batch itself.
"""

from typing import Any

import torch
from torch import Tensor


def looked_up(table: Tensor, ids: Tensor) -> Tensor:
    """Rows of a table: [T, e].

    On a processor the gradient of a table is sparse, its row numbers ascending and each there once. On a GPU, which
    fills and scales a table in no time, it is dense.

    Args:
        table: [V, e].
        ids: [T] int64.
    """
    if table.requires_grad and table.device.type == "cpu" and torch.is_grad_enabled():
        rows: Tensor = _Lookup.apply(table, ids)  # type: ignore[no-untyped-call]
        return rows
    return torch.index_select(table, 0, ids)


def merged(gradient: Tensor) -> Tensor:
    """A sparse gradient with each row once, in ascending order: the sum of those that were there more often."""
    if gradient.is_coalesced():
        return gradient
    return _sparse(gradient._indices()[0], gradient._values(), gradient.shape)


class _Lookup(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, table: Tensor, ids: Tensor) -> Tensor:
        ctx.save_for_backward(ids)
        ctx.shape = table.shape
        return torch.index_select(table, 0, ids)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (ids,) = ctx.saved_tensors
        return _sparse(ids, gradients[0], ctx.shape), None


def _sparse(ids: Tensor, rows: Tensor, shape: torch.Size) -> Tensor:
    """The sum of rows by their numbers, in the order in which they come."""
    numbers, places = torch.unique(ids, return_inverse=True)
    sums = rows.new_zeros(len(numbers), shape[1]).index_add_(0, places, rows)
    return torch.sparse_coo_tensor(numbers[None], sums, shape, is_coalesced=True, check_invariants=False)
