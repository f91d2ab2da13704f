"""Preprocessing of a view at one layer: dimensions of largest variance left out, the others divided by their spread.

What is done to a node follows from the mean and the spread of its dimensions over all items. These come from a pass of
their own over its rows, or from its moments: then the treated moments follow from the moments too, and shards merge.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.metrics.arrays import F64, Floats
from services.metrics.errors import Degenerate


@dataclass(frozen=True)
class Preprocessing:
    """What a request asks for.

    Args:
        standardise: Divide each dimension by its standard deviation; constant ones are left out.
        drop_top_variance: Leave out this many dimensions of largest variance.
    """

    standardise: bool = False
    drop_top_variance: int = 0

    def __bool__(self) -> bool:
        """Whether rows change at all."""
        return self.standardise or self.drop_top_variance > 0


NO_PREPROCESSING: Final = Preprocessing()
"""Rows as they are."""


@dataclass(frozen=True, eq=False)
class Spread:
    """Mean and spread of the dimensions of a node.

    Args:
        n: Rows.
        mean: [d].
        norm: [d] root of the sum of squares about the mean.
    """

    n: int
    mean: F64
    norm: F64

    @classmethod
    def of(cls, rows: Floats) -> "Spread":
        """That of rows in memory, [n, d], n >= 1."""
        mean = rows.mean(axis=0, dtype=np.float64)
        # The rounding of a long sum is many times that of its terms: without it, a constant would seem to vary.
        mean += (rows - mean).mean(axis=0)
        # By the largest first: squares of very large or very small entries leave the range of doubles.
        about = np.abs(rows - mean)
        peak = float(about.max(initial=0.0)) or 1.0
        about /= peak
        return cls(len(rows), mean, peak * np.sqrt(np.einsum("ij,ij->j", about, about)))

    @property
    def varies(self) -> NDArray[np.bool_]:
        """[d]: which dimensions vary by more than rounding."""
        # A constant that no double represents exactly differs from its mean by rounding.
        found: NDArray[np.bool_] = self.norm > 8 * np.finfo(np.float64).eps * np.sqrt(self.n) * np.abs(self.mean)
        return found


@dataclass(frozen=True, eq=False)
class Treatment:
    """Preprocessing of one node: which dimensions stay, and their origins and units.

    Args:
        kept: [k] dimensions.
        mean: [k].
        unit: [k]; None where only dimensions are left out.
    """

    kept: NDArray[np.intp]
    mean: F64
    unit: F64 | None

    @classmethod
    def by(cls, preprocessing: Preprocessing, spread: Spread) -> "Treatment":
        """The treatment that follows from the spread of a node.

        Raises:
            Degenerate: Nothing would be left.
        """
        d = len(spread.norm)
        kept = np.sort(np.argsort(-spread.norm, kind="stable")[preprocessing.drop_top_variance :])
        if preprocessing.standardise:
            kept = kept[spread.varies[kept]]
        if not len(kept):
            raise Degenerate(
                f"Expected some dimensions to be left, but of d={d} none is, with "
                f"drop_top_variance={preprocessing.drop_top_variance}"
                + (" and constant dimensions left out" if preprocessing.standardise else "")
                + f" (n={spread.n})"
            )
        unit = spread.norm[kept] / np.sqrt(max(spread.n - 1, 1)) if preprocessing.standardise else None
        return cls(kept, spread.mean[kept], unit)

    def apply(self, rows: Floats) -> F64:
        """[m, k] float64."""
        moved = rows[:, self.kept] - self.mean
        return np.asarray(moved if self.unit is None else moved / self.unit, dtype=np.float64)
