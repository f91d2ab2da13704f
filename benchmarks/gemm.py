"""The machine's own rate of float32 matrix products, measured around each round of a benchmark.

Two rates: `stock` is torch's product, which everybody's linear layers use; `blocked` is oneDNN's on weights in its own
layout, the fastest that is known here and the true ceiling of the encoder.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from services.models.layers.linear import Linear, has_blocked_kernels

SIZE = 1024
SPREAD_AT_MOST = 0.12
"""Rounds whose probes differ by more are dropped: the machine's speed changed."""


@dataclass(frozen=True)
class Rates:
    """Floating-point operations a second.

    Attributes:
        stock: Of torch's product.
        blocked: Of oneDNN's blocked product; the stock rate where there is none.
    """

    stock: float
    blocked: float

    def spread(self, other: "Rates") -> float:
        """How much the machine's speed changed between two probes, as a part of the larger rate."""
        return max(
            abs(one - two) / max(one, two) for one, two in ((self.stock, other.stock), (self.blocked, other.blocked))
        )


class Probe:
    """Measures the rates with the threads that torch now has. A call takes some 0.1 s."""

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(0)
        self._x = torch.randn(SIZE, SIZE, generator=generator)
        weight = torch.randn(SIZE, SIZE, generator=generator)
        self._stock = Linear(weight, None, blocked=False)
        self._blocked = Linear(weight, None, blocked=has_blocked_kernels())

    @torch.inference_mode()
    def __call__(self) -> Rates:
        """The rates now."""
        return Rates(self._rate(self._stock), self._rate(self._blocked))

    def _rate(self, product: Callable[[torch.Tensor], torch.Tensor], repeats: int = 8) -> float:
        seconds = []
        for _ in range(repeats):
            start = time.perf_counter()
            product(self._x)
            seconds.append(time.perf_counter() - start)
        seconds.sort()
        return 2 * SIZE**3 / seconds[repeats // 4]
