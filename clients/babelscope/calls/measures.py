"""The measures that a metrics request asks for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from babelscope.data.datasets import Step
from babelscope.v1 import metrics_pb2


@dataclass(frozen=True, slots=True, init=False)
class Measure:
    """A measure of similarity with its options: `Measure("svcca", variance=0.9)`.

    Attributes:
        name: Name of the measure; `MetricsClient.list_measures` has all, with their estimators and options.
        estimator: Variant of the measure, for cka `debiased` or `biased`; the measure's default where empty.
        options: Options of the measure as text by name; the measure's defaults where left out.
    """

    name: str
    estimator: str
    options: Mapping[str, str] = field(hash=False)

    def __init__(
        self,
        name: str,
        estimator: str = "",
        variance: float = 0.0,
        sample: int = 0,
        seed: int = 0,
        *,
        options: Mapping[str, Any] | None = None,
        **further: Any,
    ) -> None:
        """Takes options as keywords, as a mapping, or as both.

        Args:
            name: Name of the measure.
            estimator: Variant of the measure.
            variance: Share of the variance kept; the measure's default where 0.
            sample: Number of rows of the sub-sample; the measure's default where 0.
            seed: Seed of the sub-sample.
            options: Options of the measure by name.
            further: Options of the measure by keyword.
        """
        shared = {"variance": variance, "sample": sample, "seed": seed}
        given = {key: value for key, value in shared.items() if value} | dict(options or {}) | further
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "estimator", estimator)
        object.__setattr__(self, "options", {key: _text(value) for key, value in given.items()})

    @classmethod
    def of(cls, measure: "Measure | str") -> "Measure":
        """A measure as it is, or read from `NAME[:ESTIMATOR,OPTION=VALUE,...]`.

        The estimator and the options may each be left out: `cka`, `cka:biased`, `svcca:variance=0.9`.

        Raises:
            ValueError: A string is not of this form.
        """
        if isinstance(measure, Measure):
            return measure
        name, _, rest = measure.partition(":")
        if not name.strip():
            raise ValueError(f"Expected a measure as NAME[:ESTIMATOR,OPTION=VALUE,...], but got {measure!r}")
        estimator, _, options = rest.partition(",")
        if "=" in estimator:
            estimator, options = "", rest
        return cls(name, estimator, options=Step.parse(f"{name}:{options}").options if options else None)

    def to_proto(self) -> metrics_pb2.Measure:
        """The measure as a message of the contract."""
        return metrics_pb2.Measure(name=self.name, estimator=self.estimator, options=self.options)


def _text(value: object) -> str:
    """An option's value as requests carry it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return ",".join(map(_text, value))
    return str(value)
