"""Normalisation of rows, fitted on one language's training rows and applied to other rows of the same language.

A normalisation is a list of steps: `unit` divides each row by its norm, `centre` subtracts the mean that the training
rows have at that step. The means are kept, so that held-out rows go through the very same steps.
"""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from services.metrics.arrays import F64, Floats
from services.metrics.errors import Degenerate

UNIT: Final = "unit"
CENTRE: Final = "centre"

SCHEMES: Final = {
    "none": (),
    "unit": (UNIT,),
    "centre": (CENTRE,),
    "unit_centre_unit": (UNIT, CENTRE, UNIT),
    "iterative": (UNIT, CENTRE) * 5 + (UNIT,),
}
"""Steps by name. `iterative` is Zhang et al. 2019, section 3.2: five rounds, then unit rows once more."""

_ROUNDING: Final = 1e-13
"""Of the mean's norm: what the rounding of its sum may leave of a row that equals it."""


@dataclass(frozen=True)
class Normalisation:
    """A fitted normalisation.

    Args:
        steps: `unit` or `centre`, in order.
        means: [centres, d], the mean subtracted at each `centre`.
    """

    steps: tuple[str, ...]
    means: F64

    @classmethod
    def fit(cls, rows: Floats, scheme: str) -> tuple[Self, F64]:
        """Fits on training rows.

        Args:
            rows: [n, d].
            scheme: A name of `SCHEMES`.

        Returns:
            The normalisation, and the training rows normalised, [n, d] float64.

        Raises:
            Degenerate: A row of zeros where rows are divided by their norms.
        """
        steps, means = SCHEMES[scheme], []
        moved = np.array(rows, np.float64)
        for step in steps:
            if step == CENTRE:
                means.append(moved.mean(axis=0))
                _centre(moved, means[-1])
            else:
                _to_unit(moved)
        return cls(steps, np.array(means).reshape(len(means), moved.shape[1])), moved

    def transform(self, rows: Floats) -> F64:
        """Normalises rows by the stored means.

        Args:
            rows: [m, d].

        Raises:
            Degenerate: A row of zeros where rows are divided by their norms.
        """
        moved, means = np.array(rows, np.float64), iter(self.means)
        for step in self.steps:
            if step == CENTRE:
                _centre(moved, next(means))
            else:
                _to_unit(moved)
        return moved


def _centre(rows: F64, mean: F64) -> None:
    """Subtracts the mean, in place. A row that equals it but for rounding is zero then: it has no direction."""
    rows -= mean
    rows[np.linalg.norm(rows, axis=1) <= _ROUNDING * np.linalg.norm(mean)] = 0.0


def _to_unit(rows: F64) -> None:
    """Divides each row by its norm, in place."""
    norms = np.linalg.norm(rows, axis=1)
    if not norms.all():
        n, d = rows.shape
        raise Degenerate(f"Expected rows that are not zero, but row {int(np.argmin(norms))} of {n} is (n={n}, d={d})")
    rows /= norms[:, None]
