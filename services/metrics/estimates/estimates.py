"""The numbers that leave the house."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from services.metrics.errors import Degenerate
from services.metrics.rows.reports import PairReport


@dataclass(frozen=True)
class Estimate:
    """One number with what is needed to read it.

    Args:
        metric: `cka`, `p@1`, ...
        estimator: Variant of the measure.
        left: Name of the left (query) view.
        right: Name of the right (candidate) view.
        left_layer: Layer of the left view.
        right_layer: Layer of the right view.
        value: The estimate.
        low: Lower end of the 95 % interval.
        high: Upper end.
        n: Rows used.
        null_mean: Mean of the null.
        null_sd: Standard deviation of the null.
        p: Dimensions of the left rows.
        q: Dimensions of the right rows.
        left_kept: Directions kept of the left; 0 where not applicable.
        right_kept: Directions kept of the right.
        signature: All settings behind the number, in one line.
        warnings: Warnings.

    Raises:
        Degenerate: A number is not finite.
    """

    metric: str
    estimator: str
    left: str
    right: str
    left_layer: int
    right_layer: int
    value: float
    low: float
    high: float
    n: int
    null_mean: float
    null_sd: float
    p: int
    q: int
    left_kept: int
    right_kept: int
    signature: str
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        numbers = (self.value, self.low, self.high, self.null_mean, self.null_sd)
        if not all(map(math.isfinite, numbers)):
            raise Degenerate(f"Expected finite numbers, but got {numbers} (n={self.n}, d={self.p} and {self.q})")


@dataclass(frozen=True)
class Progress:
    """How far a request is.

    Args:
        stage: `encode`, `measure`, `fit`, `project` or `score`.
        done: Units done.
        total: Units in all, 0 where unknown.
        detail: View or pair at work.
    """

    stage: str
    done: int
    total: int
    detail: str


@dataclass(frozen=True)
class Found:
    """Numbers, as they are found.

    Args:
        estimates: Estimates of one pair of views at one pair of layers.
    """

    estimates: tuple[Estimate, ...]


@dataclass(frozen=True)
class Aligned:
    """The end of the work: what the pairs used.

    Args:
        pairs: One for each pair of the request.
    """

    pairs: tuple[PairReport, ...]


Event = Progress | Found | Aligned
"""What an engine tells on its way."""

Check = Callable[[], None]
"""Called between units of work; raises to stop it."""
