"""Affine layers with the fastest kernel at hand.

On x86 processors oneDNN's matrix product on weights in its own blocked layout runs at more than twice the rate of the
product behind `torch.nn.functional.linear` in float32. (Its rounding error is 1.4 times as large, as it sums each dot
product in one go.) The blocked copy *replaces* the plain one, so no memory is lost. Elsewhere, and on CUDA, the plain
product is used.

A processor without instructions for bfloat16 multiplies in it some forty times slower than in float32. There the
products are those of the rounded numbers in float32, rounded once at the end, which is what the instructions give too.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from services.models.layers.products import arranged, blocked_product, stock_product_is_slow

Activation = Literal["none", "gelu", "gelu_tanh", "relu", "silu"]

_FUSED: dict[Activation, tuple[str, str]] = {
    "none": ("none", ""),
    "gelu": ("gelu", "none"),
    "gelu_tanh": ("gelu", "tanh"),
    "relu": ("relu", ""),
}

_plain: ContextVar[bool] = ContextVar("_plain", default=False)


@contextmanager
def differentiable() -> Iterator[None]:
    """Layers made within keep plain weights, through which gradients flow."""
    token = _plain.set(True)
    try:
        yield
    finally:
        _plain.reset(token)


def activate(x: Tensor, activation: Activation) -> Tensor:
    """The activation of any tensor, as a new tensor."""
    match activation:
        case "none":
            return x
        case "gelu":
            return functional.gelu(x)
        case "gelu_tanh":
            return functional.gelu(x, approximate="tanh")
        case "relu":
            return functional.relu(x)
        case "silu":
            return functional.silu(x)


def has_blocked_kernels() -> bool:
    """Whether oneDNN's blocked float32 product exists here and pays (x86 with AVX-512)."""
    return (
        torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
        and torch.cpu._is_avx512_supported()
    )


@cache
def has_fast_bfloat16() -> bool:
    """Whether the processor has instructions for products in bfloat16."""
    supported: bool = torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return supported and has_blocked_kernels()


def multiplied_in(dtype: torch.dtype, device: torch.device) -> torch.dtype:
    """Type in which numbers of a type are multiplied: bfloat16 is float32 where the device is slow in it."""
    slow = dtype == torch.bfloat16 and device.type == "cpu" and not has_fast_bfloat16()
    return torch.float32 if slow else dtype


class Linear:
    """`y = activation(x W' + b)`, in float32 and, once asked for, in bfloat16.

    Args:
        weight: [out, in] float32.
        bias: [out] float32, or None.
        blocked: Whether to keep the weight in oneDNN's layout; None decides by the machine, and by `differentiable`.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None, *, blocked: bool | None = None) -> None:
        able = weight.device.type == "cpu" and has_blocked_kernels()
        self.blocked = able and not _plain.get() if blocked is None else blocked
        self._rearranged = able and _plain.get() and not self.blocked and stock_product_is_slow()
        self.shape: tuple[int, int] = (int(weight.shape[0]), int(weight.shape[1]))
        self._lock = threading.Lock()
        self._weights: dict[torch.dtype, Tensor] = {weight.dtype: self._arranged(weight)}
        self._biases: dict[torch.dtype, Tensor | None] = {weight.dtype: bias}

    def _arranged(self, weight: Tensor) -> Tensor:
        if not self.blocked:
            return weight.contiguous()
        return arranged(weight)

    @property
    def weight(self) -> Tensor:
        """[out, in] float32; a copy where the blocked layout is kept."""
        kept = self._weights[torch.float32]
        return kept.to_dense() if self.blocked else kept

    @property
    def bias(self) -> Tensor | None:
        """[out] float32, or None."""
        return self._biases[torch.float32]

    def prepare(self, dtype: torch.dtype) -> None:
        """Make ready for inputs of a type; cheap when it is already."""
        if dtype in self._weights:
            return
        with self._lock:
            if dtype not in self._weights:
                bias, weight = self.bias, self.weight
                kept = multiplied_in(dtype, weight.device)
                self._biases[dtype] = None if bias is None else bias.to(dtype).to(kept)
                self._weights[dtype] = self._arranged(weight.to(dtype).to(kept))

    def __call__(self, x: Tensor, activation: Activation = "none") -> Tensor:
        """Apply.

        Args:
            x: [T, in], of a type that is prepared.
            activation: Applied to the result, in the same kernel where there is one.

        Returns:
            [T, out] of x's type.
        """
        weight, bias = self._weights[x.dtype], self._biases[x.dtype]
        return self._applied(x.to(weight.dtype), weight, bias, activation).to(x.dtype)

    def _applied(self, x: Tensor, weight: Tensor, bias: Tensor | None, activation: Activation) -> Tensor:
        if self._rearranged and x.dtype == torch.float32:
            return activate(blocked_product(x, weight, bias), activation)
        if not self.blocked:
            return activate(functional.linear(x, weight, bias), activation)
        fused = _FUSED.get(activation)
        if fused is None:
            return activate(self._applied(x, weight, bias, "none"), activation)
        y: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, fused[0], [], fused[1])
        return y
