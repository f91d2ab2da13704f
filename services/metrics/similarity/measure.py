"""What every measure of similarity declares and answers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from services.metrics.estimates.intervals import Interval
from services.metrics.estimates.nulls import Null
from services.metrics.sums.pair_statistics import PairStatistics
from services.runtime.options import NoOptions, option

DEFAULT_SAMPLE: Final = 2000
MAX_SAMPLE: Final = 10_000
"""Rows of a sub-sample of which all pairs are taken: its Gram matrices take 8 bytes a pair."""


_NONE: Final = NoOptions()


@dataclass(frozen=True)
class KeptVariance:
    """Options of measures of the leading directions."""

    variance: float = option("Share of the variance kept.", default=0.99, minimum=0.001, maximum=1)


@dataclass(frozen=True)
class SubSample:
    """Options of measures that need all pairs of rows."""

    sample: int = option("Number of rows of the sub-sample.", default=DEFAULT_SAMPLE, minimum=4, maximum=MAX_SAMPLE)
    seed: int = option("Seed of the sub-sample.", default=0)


@dataclass(frozen=True)
class Options:
    """A measure with its settings, all in force.

    Args:
        name: Name of the measure.
        estimator: Variant of the measure.
        settings: Options of the measure, an instance of its `settings`.
    """

    name: str
    estimator: str
    settings: Any = _NONE


@dataclass(frozen=True)
class Measured:
    """One number with its interval and its chance level.

    Args:
        value: The estimate.
        interval: 95 %.
        null: Chance level.
        left_kept: Directions kept of the left view; 0 where not applicable.
        right_kept: Directions kept of the right view.
        settings: What the signature says of it beyond the common fields.
        warnings: Warnings, in sentences.
        rows: Rows used, where not all of the pair.
    """

    value: float
    interval: Interval
    null: Null
    left_kept: int = 0
    right_kept: int = 0
    settings: Mapping[str, str | int | float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    rows: int = 0


@dataclass(frozen=True)
class Measure:
    """A measure of similarity.

    Args:
        summary: What it measures, a sentence.
        estimators: Variants, the default first.
        compute: Function from the statistics of a pair and the options to the number; it raises `Degenerate`.
        needs_moments: Whether streams must keep second moments for it.
        needs_cosines: Whether streams must keep the cosines of paired rows for it.
        needs_exact: Whether products must be in float64 throughout, for decompositions that keep all directions.
        settings: Dataclass of its options beside the estimator. Streams keep the rows that a `SubSample` asks for, and
            products in float64 where a `KeptVariance` comes close to 1.
    """

    summary: str
    estimators: tuple[str, ...]
    compute: Callable[[PairStatistics, Options], Measured]
    needs_moments: bool = False
    needs_cosines: bool = False
    needs_exact: bool = False
    settings: type[Any] = NoOptions


NO_INTERVAL = "too few rows for an interval: the whole range is given"
NO_NULL = "too few rows for a chance level: mean 0 and sd 0 stand for it"


def bounded(interval: Interval | None, low: float, high: float, *, clip: bool) -> tuple[Interval, tuple[str, ...]]:
    """The interval within the measure's range, or the whole range with a warning where there is none.

    Args:
        interval: The interval as estimated.
        low: Lower end of the range.
        high: Upper end of the range.
        clip: Whether estimates cannot leave the range; unbiased ones can.
    """
    if interval is None:
        return Interval(low, high, "none"), (NO_INTERVAL,)
    if clip:
        return Interval(max(interval.low, low), min(interval.high, high), interval.name), ()
    return interval, ()
