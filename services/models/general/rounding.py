"""Linear layers that multiply in bfloat16 while a run wants it, and hand on float32, as the model expects."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from services.models.layers.linear import multiplied_in


def round_linears(module: nn.Module, wanted: Callable[[], bool]) -> None:
    """Have the linear layers of a module ask before each product.

    PyTorch's own autocast hands on bfloat16, which modules that write into tensors of their own do not take (X-MOD).

    Args:
        module: Changed in place; its weights stay float32, and get a second copy once it is needed.
        wanted: Whether products of this thread are in bfloat16 now.
    """
    for part in module.modules():
        if type(part) is nn.Linear:
            vars(part)["forward"] = _asking(part, wanted)


def _asking(linear: nn.Linear, wanted: Callable[[], bool]) -> Callable[[Tensor], Tensor]:
    rounded: list[tuple[Tensor, Tensor | None]] = []

    def once(kept: torch.dtype) -> tuple[Tensor, Tensor | None]:
        """The rounded weights: made once, but anew for each product where they are trained."""
        if linear.weight.requires_grad or (linear.bias is not None and linear.bias.requires_grad):
            return _rounded(linear, kept)
        if not rounded:
            rounded.append(_rounded(linear, kept))
        return rounded[0]

    def forward(x: Tensor) -> Tensor:
        if not wanted():
            return functional.linear(x, linear.weight, linear.bias)
        kept = multiplied_in(torch.bfloat16, x.device)
        return functional.linear(x.to(torch.bfloat16).to(kept), *once(kept)).to(torch.bfloat16).to(x.dtype)

    return forward


def _rounded(linear: nn.Linear, kept: torch.dtype) -> tuple[Tensor, Tensor | None]:
    """Weight and bias as bfloat16, in the type in which they are multiplied."""
    bias = None if linear.bias is None else linear.bias.to(torch.bfloat16).to(kept)
    return linear.weight.to(torch.bfloat16).to(kept), bias
