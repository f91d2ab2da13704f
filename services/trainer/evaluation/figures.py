"""Figures of an evaluation, and the border to whoever computes them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from babelscope.data.examples import Example

Pair = tuple[Example, Example]
"""A gold example and the same example with the model's answers in place of the gold ones."""


@dataclass(frozen=True)
class Figure:
    """A figure with its interval.

    Attributes:
        metric: `accuracy`, `las`, `uas`, `f1`, `em`, `confusion`.
        estimator: Variant of the figure.
        value: Value; per cent, as the metrics service gives it.
        low: Lower end of the 95 % interval.
        high: Upper end of the 95 % interval.
        n: Number of items.
        signature: All settings behind the number, in one line.
        left: Gold label, for a cell of a confusion matrix.
        right: Predicted label, for a cell of a confusion matrix.
    """

    metric: str
    estimator: str
    value: float
    low: float
    high: float
    n: int
    signature: str
    left: str = ""
    right: str = ""


@dataclass(frozen=True)
class Scored:
    """Figures of one set.

    Attributes:
        figures: All figures of the score.
        warnings: Warnings, in sentences.
    """

    figures: tuple[Figure, ...]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class SetFigures:
    """Figures of one set, with its name.

    Attributes:
        language: Language tag of the set.
        dataset: Name of the dataset.
        figures: All figures of the score.
        warnings: Warnings, in sentences.
    """

    language: str
    dataset: str
    figures: tuple[Figure, ...]
    warnings: tuple[str, ...] = ()

    def find(self, metric: str, estimator: str = "") -> Figure:
        """The figure of a metric and a variant; the first of the metric where no variant is given.

        Raises:
            LookupError: There is none; names those that exist.
        """
        for figure in self.figures:
            if figure.metric == metric and estimator in ("", figure.estimator):
                return figure
        known = ", ".join(dict.fromkeys(f"{figure.metric} ({figure.estimator})" for figure in self.figures))
        wanted = f"{metric} ({estimator})" if estimator else metric
        raise LookupError(f"Expected the figure {wanted}, but got {known or 'none'}")


class Scorer(Protocol):
    """Computes figures of predictions. In production the metrics service does; see `evaluation.scoring`."""

    def __call__(self, score: str, language: str, options: Mapping[str, str], pairs: Sequence[Pair]) -> Scored:
        """Score predictions.

        Args:
            score: Name of a score of the metrics service: `tagging`, `span_f1`, `parsing`, `nli`, `qa`.
            language: BCP 47 language tag of the examples.
            options: Options of the score.
            pairs: Gold and predicted examples, at least one pair.

        Raises:
            ServiceError: The pairs cannot be scored.
        """
