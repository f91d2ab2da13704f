"""One view of a retrieval: its unit rows in float64 on demand, and what float32 tiles are made of.

Tiles hold `(x - c) . (y - e)` with the mean unit rows c and e of the two sides taken off: rows of real encoders lie in
a narrow cone, and without the cone's axis the products are small, and so are their rounding errors. The dimensions are
in a fixed random order, so that the partial sums of a product do not run away and come back, whatever the data.
"""

from typing import Final

import numpy as np
import torch
from torch import Tensor

from services.metrics.arrays import Floats
from services.metrics.errors import Degenerate
from services.metrics.retrieval.crew import ALONE, Crew

BLOCK: Final = 512
"""Rows at a time where a whole side is read."""

_LARGEST: Final = 1021
"""Largest power of 2 by which rows are scaled: beyond it the factor itself would leave the range of doubles."""


class Side:
    """Unit rows of one view.

    Args:
        rows: [n, d], finite.
        centre: Subtract the view's mean first.
        device: Device of the matrix products.
        crew: Threads that do the work.

    Raises:
        Degenerate: A row is zero; the cause says which, counted from 0.
    """

    def __init__(self, rows: Floats, centre: bool, device: torch.device, crew: Crew = ALONE) -> None:
        self.n, self.d = rows.shape
        self.device = device
        # Rows mapped from a file cannot be written to, which torch does not take.
        self._rows = torch.from_numpy(np.require(rows, requirements=("C", "W"))).to(device)
        self._mean = self._rows.mean(dim=0, dtype=torch.float64) if centre else None
        self._index: Tensor | None = None
        self._factor = torch.empty(self.n, 1, dtype=torch.float64, device=device)
        sums = crew.map(self._measure, [slice(start, start + BLOCK) for start in range(0, self.n, BLOCK)])
        self.centroid = torch.stack(sums).sum(dim=0) / self.n

    def subset(self, rows: Tensor) -> "Side":
        """Some rows as a side of their own, about the same centroid.

        Args:
            rows: [m] of this side.
        """
        part = Side.__new__(Side)
        part.__dict__ = {**self.__dict__, "n": len(rows)}
        part._index = rows if self._index is None else self._index[rows]
        return part

    def exact(self, rows: Tensor | slice) -> Tensor:
        """[m, d] float64 unit rows."""
        at = rows if self._index is None else self._index[rows]
        found = self._rows[at]
        return (found if self._mean is None else found - self._mean) * self._factor[at]

    def _measure(self, part: slice) -> Tensor:
        """Finds the norms of some rows; returns the sum of their unit rows, which float32 is good enough for."""
        norms = self._norms(part)
        zero = torch.nonzero(norms == 0)
        if len(zero):
            subtracted = "" if self._mean is None else " once the mean is subtracted"
            raise Degenerate(
                f"Expected rows with a direction, but row {part.start + int(zero[0, 0])} of n={self.n} is "
                f"zero{subtracted} (d={self.d})"
            )
        self._factor[part] = 1 / norms
        if self._mean is None and self._rows.dtype == torch.float32:
            return self._rows[part].T.mv(self._factor[part, 0].float()).double()
        return self.exact(part).sum(dim=0)

    def _norms(self, rows: slice) -> Tensor:
        """[m, 1] float64 norms."""
        found = self._rows[rows]
        moved = found if self._mean is None else found - self._mean
        if found.dtype == torch.float32:
            return moved.double().square_().sum(dim=1, keepdim=True).sqrt_()
        # By a power of two first: squares of very large or very small doubles leave their range.
        peaks = torch.linalg.vector_norm(moved, ord=torch.inf, dim=1, keepdim=True)
        power = torch.ldexp(torch.ones_like(peaks), torch.frexp(peaks).exponent.clamp(-_LARGEST, _LARGEST))
        norms: Tensor = torch.linalg.vector_norm(moved / power, dim=1, keepdim=True) * power
        return norms


def order_of(d: int, device: torch.device) -> Tensor:
    """The order of the dimensions in products: random, and always the same."""
    return torch.randperm(d, generator=torch.Generator().manual_seed(0)).to(device)
