"""The affine product with oneDNN's blocked kernels, forwards and backwards, for weights that change with every step.

A weight is arranged anew for each batch: once for the product, once for the gradient of the input, and once more for
that of the weight, whose "weight" is the input. That pays where PyTorch's own product is slow, and nowhere else.
"""

import re
from functools import cache
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

ROWS_HINT = 512
"""Rows for which the blocked layout is chosen; any number of rows gives right results."""

_ZEN_5: Final = 26
"""Family of the first processors of AMD whose units are 512 bits wide."""


@cache
def stock_product_is_slow() -> bool:
    """Whether PyTorch's own float32 product runs at half of the processor's rate, or less.

    On processors of AMD the library behind it, MKL, takes kernels of 256 bits. Up to Zen 4 they reach nine tenths of
    the rate of oneDNN's blocked ones, and save the arranging; where units have 512 bits, less than a half. What the
    processor is decides, and not a measurement, so that a job that goes on computes as it began.
    """
    try:
        return has_wide_units_of_amd(Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    except OSError:
        return False


def has_wide_units_of_amd(description: str) -> bool:
    """Whether a processor is an AMD of Zen 5 or later, by what Linux says of it in `/proc/cpuinfo`."""
    family = re.search(r"^cpu family\s*:\s*(\d+)", description, re.MULTILINE)
    return "AuthenticAMD" in description and family is not None and int(family[1]) >= _ZEN_5


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
