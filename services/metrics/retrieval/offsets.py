"""What is taken off the scores of a row: for CSLS half its mean cosine to its nearest of the other side.

The values at hand come from float32 scores, with a bound of their error. Those of single rows are made exact, in
float64, where a comparison of two scores depends on it; for most rows none does.
"""

from typing import Protocol

import torch
from torch import Tensor

from services.metrics.retrieval.sides import BLOCK, Side


class Offset(Protocol):
    """An offset of each row of a side.

    Attributes:
        values: [n] float64, about right.
        error: Largest error of the offsets.
    """

    values: Tensor
    error: float

    def exact(self, rows: Tensor) -> Tensor:
        """[m] float64 offsets of some rows."""

    def subset(self, rows: Tensor) -> "Offset":
        """The offsets of some rows as those of a side of their own."""


class NoOffset:
    """Nothing is taken off.

    Args:
        n: Rows.
        device: Device of the scores.
    """

    def __init__(self, n: int, device: torch.device) -> None:
        self.values = torch.zeros(n, dtype=torch.float64, device=device)
        self.error = 0.0

    def exact(self, rows: Tensor) -> Tensor:
        """[m] zeros."""
        return self.values[rows]

    def subset(self, rows: Tensor) -> "NoOffset":
        """No offset of fewer rows."""
        return NoOffset(len(rows), self.values.device)


class Neighbourhood:
    """Half the mean cosine of each row to its k nearest of the other side.

    Args:
        own: The side.
        other: The other.
        values: [n, k + spare] float32 cosines of the nearest, largest first.
        indices: [n, k + spare] where they are.
        slack: [n] by how much the cosines may be off.
        k: Neighbours.
    """

    def __init__(self, own: Side, other: Side, values: Tensor, indices: Tensor, *, slack: Tensor, k: int) -> None:
        self._own, self._other, self._indices, self._k = own, other, indices, k
        self.values = values[:, :k].double().mean(dim=1) / 2
        # Largest of numbers that are off by at most so much are themselves off by no more.
        self.error = float(slack.max()) / 2
        # Where too many cosines are about equal, one that was not kept might be among the k largest.
        spared = values.shape[1] < other.n
        self._unsure = (values[:, k - 1] - values[:, -1] <= 2 * slack) & spared
        self._found = torch.full_like(self.values, torch.nan)

    def exact(self, rows: Tensor) -> Tensor:
        """[m] float64 offsets of some rows."""
        lacking = torch.unique(rows[self._found[rows].isnan()])
        unsure = self._unsure[lacking]
        for lines in lacking[~unsure].split(max(1, BLOCK // self._indices.shape[1] // 2)):
            units = self._own.exact(lines)
            others = self._other.exact(self._indices[lines].flatten()).view(
                len(lines), self._indices.shape[1], self._own.d
            )
            cosines = torch.bmm(others, units[:, :, None])[:, :, 0]
            self._found[lines] = cosines.topk(self._k, dim=1).values.mean(dim=1) / 2
        for lines in lacking[unsure].split(BLOCK):
            self._found[lines] = self._among_all(self._own.exact(lines)).mean(dim=1) / 2
        return self._found[rows]

    def subset(self, rows: Tensor) -> "Offset":
        """The offsets of some rows as those of a side of their own."""
        return _Some(self, rows)

    def _among_all(self, units: Tensor) -> Tensor:
        """[m, k] largest float64 cosines of some rows with all of the other side."""
        best = units.new_full((len(units), self._k), -torch.inf)
        for start in range(0, self._other.n, BLOCK):
            scores = units @ self._other.exact(slice(start, start + BLOCK)).T
            best = torch.cat([best, scores], dim=1).topk(self._k, dim=1).values
        return best


class _Some:
    """Some of the offsets of a side."""

    def __init__(self, whole: Neighbourhood, rows: Tensor) -> None:
        self._whole, self._rows = whole, rows
        self.values, self.error = whole.values[rows], whole.error

    def exact(self, rows: Tensor) -> Tensor:
        """[m] float64 offsets of some rows."""
        return self._whole.exact(self._rows[rows])

    def subset(self, rows: Tensor) -> Offset:
        """Some of some."""
        return _Some(self._whole, self._rows[rows])
