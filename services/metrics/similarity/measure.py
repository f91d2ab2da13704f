"""What every measure of similarity declares and answers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from services.metrics.estimates.intervals import Interval
from services.metrics.estimates.nulls import Null
from services.metrics.sums.pair_statistics import PairStatistics


@dataclass(frozen=True)
class Options:
    """A measure with its settings, all in force.

    Args:
        name: Of the measure.
        estimator: Its variant.
        variance: Share of the variance kept, in (0, 1]; 0 where the measure keeps all.
        sample: Rows of the sub-sample; 0 where the measure takes all.
        seed: Of the sub-sample.
    """

    name: str
    estimator: str
    variance: float = 0.0
    sample: int = 0
    seed: int = 0


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
        warnings: What to beware of, in sentences.
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
        estimators: Variants, the default first.
        compute: From the statistics of a pair and the options to the number; raises `Degenerate`.
        needs_moments: Whether streams must keep second moments for it.
        needs_cosines: Whether streams must keep the cosines of paired rows for it.
        needs_exact: Whether products must be in float64 throughout, for decompositions that keep all directions.
        default_sample: Rows of the sub-sample where a request says nothing; 0 where the option does not apply.
        default_variance: Share of the variance kept where a request says nothing; 0 where the option does not apply.
    """

    estimators: tuple[str, ...]
    compute: Callable[[PairStatistics, Options], Measured]
    needs_moments: bool = False
    needs_cosines: bool = False
    needs_exact: bool = False
    default_sample: int = 0
    default_variance: float = 0.0


NO_INTERVAL = "too few rows for an interval: the whole range is given"
NO_NULL = "too few rows for a chance level: mean 0 and sd 0 stand for it"


def bounded(interval: Interval | None, low: float, high: float, *, clip: bool) -> tuple[Interval, tuple[str, ...]]:
    """The interval within the measure's range, or the whole range with a warning where there is none.

    Args:
        interval: As estimated.
        low: Lower end of the range.
        high: Upper end of the range.
        clip: Whether estimates cannot leave the range; unbiased ones can.
    """
    if interval is None:
        return Interval(low, high, "none"), (NO_INTERVAL,)
    if clip:
        return Interval(max(interval.low, low), min(interval.high, high), interval.name), ()
    return interval, ()
