"""Types of the matrix products that run."""

from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

_PRODUCTS = ("addmm", "baddbmm", "bmm", "einsum", "linear", "matmul", "mm", "attention")


class Products(TorchDispatchMode):
    """Within it, the element types of the arguments of all products and attentions are collected.

    Attributes:
        types: The types.
    """

    def __init__(self) -> None:
        super().__init__()
        self.types: set[torch.dtype] = set()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Notes the types and goes on."""
        if any(name in func.__name__ for name in _PRODUCTS):
            self.types |= {each.dtype for each in args if isinstance(each, torch.Tensor) and each.is_floating_point()}
        return func(*args, **(kwargs or {}))
