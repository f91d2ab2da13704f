"""Sweeps: the grid that is asked for, and the means over seeds that come of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from babelscope.v1 import trainer_pb2

MEAN_TARGET: Final = "X"
"""Target of the mean over all languages but the source."""
BEST: Final = "best"
"""Selection of the one setting that is best on the source's development set."""


@dataclass(frozen=True, slots=True)
class SweepTask:
    """One task of a sweep.

    Args:
        task: Name of the task: `pos`, `ner`, `parsing`, `nli`, `qa`.
        sources: Names of the stored training and development set by source language; a development set may be empty.
        test: Names of the stored test sets by language; `en/literature` is a set of another domain.
        options: Options of the task by name.
        epochs: Passes over the training examples; those of the sweep where 0.
    """

    task: str
    sources: Mapping[str, tuple[str, str]]
    test: Mapping[str, str] | Sequence[tuple[str, str]] = ()
    options: Mapping[str, str] = field(default_factory=dict)
    epochs: float = 0.0


@dataclass(frozen=True, slots=True)
class SweepFigure:
    """A figure of a sweep: mean over its seeds, at the best setting of the hyper-parameters.

    Attributes:
        task: Name of the task.
        source: Language of the training set.
        target: Language of the set that was scored; `X` for the mean over all languages but the source.
        domain: Domain of the set that was scored; empty for that of the training sets.
        part: `dev` or `eval`.
        metric: Name of the figure.
        estimator: Variant of the figure.
        reinit: Label of the layers drawn anew; empty for the model as it is.
        selection: How the setting was chosen on the source's development set: `best` or `best two`.
        setting: The setting: `learning_rate=5e-05 step_tokens=1024`.
        mean: Mean over the seeds.
        deviation: Standard deviation over the seeds; None for one seed.
        low: Lower end of the 95 % interval.
        high: Upper end of the 95 % interval.
        seeds: Number of seeds.
        delta: Mean less that of the model as it is; None where there is no such job, and for that model itself.
        gap: Mean cross-lingual gap; None for the source itself, or where it was not scored.
        checkpoint: `checkpoints/ID` of the first seed at the best setting.
        main: Whether it is the task's main figure, by which the best setting is chosen.
    """

    task: str
    source: str
    target: str
    domain: str
    part: str
    metric: str
    estimator: str
    reinit: str
    selection: str
    setting: str
    mean: float
    deviation: float | None
    low: float
    high: float
    seeds: int
    delta: float | None
    gap: float | None
    checkpoint: str
    main: bool = False

    @classmethod
    def from_proto(cls, message: trainer_pb2.SweepFigure) -> "SweepFigure":
        """The figure of a message."""
        return cls(
            task=message.task,
            source=message.source,
            target=message.target,
            domain=message.domain,
            part=message.part,
            metric=message.metric,
            estimator=message.estimator,
            reinit=message.reinit,
            selection=message.selection,
            setting=message.setting,
            mean=message.mean,
            deviation=message.deviation if message.HasField("deviation") else None,
            low=message.low,
            high=message.high,
            seeds=message.seeds,
            delta=message.delta if message.HasField("delta") else None,
            gap=message.gap if message.HasField("gap") else None,
            checkpoint=message.checkpoint,
            main=message.main,
        )

    @property
    def place(self) -> str:
        """Language and domain of the set that was scored: `en`, `en/literature`."""
        return f"{self.target}/{self.domain}" if self.domain else self.target

    def rows(self, model: str) -> list[dict[str, Any]]:
        """The figure as rows of the tidy table: its mean, and its difference and gap where it has them."""
        metric = f"{self.task}/{self.metric}"
        spread = "" if self.deviation is None else f" sd={self.deviation!r}"
        common = {
            "kind": f"sweep/{self.part}",
            "estimator": self.estimator,
            "model": model,
            "reinit": self.reinit,
            "source": self.source,
            "target": self.place,
            "n": self.seeds,
            "signature": f"selection={self.selection} setting={self.setting} seeds={self.seeds}{spread}",
        }
        rows: list[dict[str, Any]] = [
            {**common, "metric": metric, "value": self.mean, "low": self.low, "high": self.high}
        ]
        for name, value in (("delta", self.delta), ("gap", self.gap)):
            if value is not None:
                rows.append({**common, "metric": f"{metric}/{name}", "value": value})
        return rows
