"""Statistics as the metrics server answers them, and the requests that ask for them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Self

from babelscope.v1 import metrics_pb2


@dataclass(frozen=True, slots=True)
class _Answer:
    """An answer with the fields of its message."""

    @classmethod
    def from_proto(cls, message: Any) -> Self:
        """Reads a message of the contract."""
        return cls(**{each.name: getattr(message, each.name) for each in fields(cls)})


@dataclass(frozen=True, slots=True)
class Correlation(_Answer):
    """One correlation.

    Args:
        method: `pearson`, `spearman` or `kendall` (tau-b).
        value: The coefficient.
        low: Lower end of the 95 % interval.
        high: Upper end of the 95 % interval.
        p_value: Two-sided p-value by permutation.
        n: Pairs of numbers.
        signature: All settings behind the number, in one line.
    """

    method: str
    value: float
    low: float
    high: float
    p_value: float
    n: int
    signature: str


@dataclass(frozen=True, slots=True)
class Anova(_Answer):
    """A one-way analysis of variance.

    Args:
        f: F statistic.
        p_value: p-value.
        df_between: Degrees of freedom between groups.
        df_within: Degrees of freedom within groups.
        eta_squared: Share of the variance that lies between the groups of this sample.
        omega_squared: The same for the population, without bias; may be a little below 0.
        signature: All settings behind the numbers, in one line.
    """

    f: float
    p_value: float
    df_between: int
    df_within: int
    eta_squared: float
    omega_squared: float
    signature: str


@dataclass(frozen=True, slots=True)
class Difference(_Answer):
    """How two systems differ on the same items.

    Args:
        difference: Mean of the first minus mean of the second.
        low: Lower end of the 95 % interval.
        high: Upper end of the 95 % interval.
        p_value: Two-sided p-value by paired bootstrap.
        n: Items.
        signature: All settings behind the numbers, in one line.
    """

    difference: float
    low: float
    high: float
    p_value: float
    n: int
    signature: str


def correlate_request(
    x: Iterable[float], y: Iterable[float], methods: Sequence[str], permutations: int, seed: int
) -> metrics_pb2.CorrelateRequest:
    """Asks for correlations."""
    return metrics_pb2.CorrelateRequest(x=x, y=y, methods=methods, permutations=permutations, seed=seed)


def correlations(message: metrics_pb2.CorrelateResponse) -> dict[str, Correlation]:
    """Correlations by method."""
    return {each.method: Correlation.from_proto(each) for each in message.correlations}


def anova_request(groups: Mapping[str, Iterable[float]]) -> metrics_pb2.AnovaRequest:
    """Asks for an analysis of variance."""
    return metrics_pb2.AnovaRequest(
        groups=[metrics_pb2.Group(name=name, values=values) for name, values in groups.items()]
    )


def systems_request(
    first: Iterable[float], second: Iterable[float], resamples: int, seed: int
) -> metrics_pb2.CompareSystemsRequest:
    """Asks for a paired bootstrap."""
    return metrics_pb2.CompareSystemsRequest(first=first, second=second, resamples=resamples, seed=seed)
