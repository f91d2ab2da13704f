"""What every method that fits maps declares, takes and answers."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from services.metrics.arrays import F64, Floats
from services.metrics.estimates.estimates import Check
from services.metrics.maps.normalisation import Normalisation

Pairs = NDArray[np.int64]
"""[s, 2]: rows of the source and of the target that translate each other."""


@dataclass(frozen=True)
class Problem:
    """Two spaces to map onto one another.

    Rows come in order of frequency, most frequent first: methods that look at frequent words only take the first rows.

    Args:
        source: [n, d].
        target: [m, d].
        pairs: Known translations; empty where the method needs none.
        source_ids: n ids; words, where identical strings count.
        target_ids: m ids.
        seed: Seed of all random draws.
    """

    source: Floats
    target: Floats
    pairs: Pairs
    source_ids: tuple[str, ...]
    target_ids: tuple[str, ...]
    seed: int = 0


@dataclass(frozen=True)
class MapSide:
    """How the rows of one side move into the common space: normalised, then multiplied.

    Args:
        normalisation: Fitted on this side's rows.
        matrix: [d, d]; rows are multiplied from the left, as in X W ~ Y. The identity where this side does not move.
    """

    normalisation: Normalisation
    matrix: F64

    def transform(self, rows: Floats) -> F64:
        """Rows [k, d] of this side's language in the common space, [k, d]."""
        return self.normalisation.transform(rows) @ self.matrix


@dataclass(frozen=True)
class Fitted:
    """A map of one layer.

    Args:
        source: The source side's move.
        target: The target side's.
        trace: The method's criterion after each of its steps, at least one.
        settings: What the signature says beyond the method's options: rows used, rank, steps.
        warnings: Warnings, in sentences.
    """

    source: MapSide
    target: MapSide
    trace: tuple[float, ...]
    settings: dict[str, str | int | float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


Tell = Callable[[int, int], None]
"""Takes progress: steps done, of how many (an estimate where a method stops by its criterion)."""


class Method(Protocol):
    """A method; a file of this folder has a class of this shape, and `registry` names it."""

    name: ClassVar[str]
    summary: ClassVar[str]
    supervised: ClassVar[bool]
    """Whether it cannot do without known translations."""
    Options: ClassVar[type[Any]]
    """A frozen dataclass of its options, every field with a default and `metadata={"summary": ...}`."""

    def refused_seeds(self, options: Any) -> str:
        """Why known translations that are given would not be used; empty where they are.

        Args:
            options: An instance of `Options`.
        """

    def fit(self, problem: Problem, options: Any, *, check: Check, tell: Tell) -> Fitted:
        """Fits the map.

        Args:
            problem: The two spaces.
            options: An instance of `Options`.
            check: Called often; raises where the caller has gone.
            tell: Takes progress.

        Raises:
            Degenerate: The data do not determine a map; the message has n, d and the cause.
        """
