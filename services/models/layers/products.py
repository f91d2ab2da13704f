"""The affine product with oneDNN's blocked kernels, forwards and backwards, for weights that change with every step.

Arranging a weight anew costs a twentieth of what the blocked product saves, so training pays it for each batch: once
for the product, once for the gradient of the input, and once more for that of the weight, whose "weight" is the input.
"""

from typing import Any

import torch
from torch import Tensor

ROWS_HINT = 512
"""Rows for which the blocked layout is chosen; any number of rows gives right results."""


def arranged(weight: Tensor, rows: int = ROWS_HINT) -> Tensor:
    """A weight [out, in] in oneDNN's layout for a product with about so many rows."""
    found: Tensor = torch.ops.mkldnn._reorder_linear_weight(weight.contiguous(), rows)
    return found


def blocked_product(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """`x W' + b` in float32 on a processor that has the kernels, with gradients.

    Args:
        x: [T, in].
        weight: [out, in].
        bias: [out], or None.
    """
    product: Tensor = _BlockedProduct.apply(x, weight, bias)  # type: ignore[no-untyped-call]
    return product


class _BlockedProduct(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        return _times(x, arranged(weight), bias)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors
        of_x, of_weight, of_bias = ctx.needs_input_grad
        gradient = gradients[0].contiguous()
        if not len(x):  # oneDNN arranges nothing that is empty
            return torch.zeros_like(x), torch.zeros_like(weight), gradient.sum(dim=0) if of_bias else None
        return (
            _times(gradient, arranged(weight.t())) if of_x else None,
            _times(gradient.t().contiguous(), arranged(x.t(), len(weight))) if of_weight else None,
            gradient.sum(dim=0) if of_bias else None,
        )


def _times(x: Tensor, blocked: Tensor, bias: Tensor | None = None) -> Tensor:
    """[T, out]: the product with an arranged weight [out, in]."""
    product: Tensor = torch.ops.mkldnn._linear_pointwise(x, blocked, bias, "none", [], "")
    return product
