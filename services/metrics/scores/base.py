"""What all scores share: sufficient statistics an item, figures of their sums, and intervals that follow from both.

The idea is sacreBLEU's (Post 2018): an item leaves a few numbers behind, whose sums give every figure of any set of
items: of the whole corpus, of its shards joined, and of each bootstrap sample (Efron 1979; Koehn 2004).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, TypeVar

import numpy as np
from babelscope.data.examples import Example
from numpy.typing import NDArray

from services.metrics.arrays import F64
from services.metrics.estimates.estimates import Check, Estimate
from services.metrics.estimates.intervals import LEVEL
from services.metrics.estimates.signature import signature
from services.runtime.errors import InvalidArgument

DEFAULT_RESAMPLES: Final = 1000
MAX_RESAMPLES: Final = 100_000
_BLOCK: Final = 1 << 21

Value = TypeVar("Value")


@dataclass(frozen=True)
class Figure:
    """A number that follows from sums.

    Args:
        metric: `bleu1`, `las`.
        estimator: Variant of the measure.
        of: Function from sums [..., k] to values [...]; NaN where the sums do not determine a value.
        left: Gold label, for a cell of a confusion matrix.
        right: Predicted label.
        alone: Function from the sums of single items to values; the same as `of` where None.
        by_item: Whether single items have it.
    """

    metric: str
    estimator: str
    of: Callable[[F64], F64]
    left: str = "prediction"
    right: str = "gold"
    alone: Callable[[F64], F64] | None = None
    by_item: bool = True

    def of_items(self, rows: F64) -> F64:
        """Values of single items, [n], from their sums, [n, k]; NaN where an item does not determine it."""
        return (self.alone or self.of)(rows)


@dataclass(frozen=True, eq=False)
class ItemTable:
    """What the items left behind.

    Args:
        rows: [n, k] sufficient statistics, one row an item.
        figures: What follows from their sums.
        settings: Settings of the score, for the signature.
        warnings: Warnings.
        scored: [n] bool: which items count; all where None. The others have rows that determine nothing.
    """

    rows: F64
    figures: tuple[Figure, ...]
    settings: Mapping[str, str | int | float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    scored: NDArray[np.bool_] | None = None


class Score(Protocol):
    """A score under way: it takes items in and keeps what they leave behind.

    `name` and `summary` describe it, `Options` is the dataclass of the options that it takes.
    """

    name: str
    summary: str
    Options: type[Any]

    def add(self, prediction: Example, gold: Example, where: str) -> None:
        """Takes an item in.

        Args:
            prediction: What was predicted.
            gold: The right answer.
            where: Path of the item in the request, `items[3]`.

        Raises:
            InvalidArgument: The item cannot be scored.
        """

    def merge(self, other: "Score") -> None:
        """Takes in what a shard of the corpus left behind: a score of the same kind, language and options."""

    def table(self) -> ItemTable:
        """What the items left behind.

        Raises:
            InvalidArgument: They do not determine the score.
        """


def estimates(
    name: str, table: ItemTable, *, resamples: int = DEFAULT_RESAMPLES, seed: int = 0, check: Check = lambda: None
) -> tuple[Estimate, ...]:
    """All figures of a table, with 95 % percentile bootstrap intervals over items.

    Args:
        name: Name of the score.
        table: What the items left behind, at least one.
        resamples: Bootstrap samples.
        seed: Seed of the bootstrap samples.
        check: Called between blocks of samples; raises to stop.

    Raises:
        InvalidArgument: A figure is not determined by the items.
    """
    rows = table.rows if table.scored is None else table.rows[table.scored]
    n = len(rows)
    samples = _resampled(rows, resamples, seed, check)
    tail = (1 - LEVEL) / 2
    found = []
    for figure in table.figures:
        value = float(figure.of(rows.sum(axis=0)))
        if not np.isfinite(value):
            raise InvalidArgument(
                "items", f"Expected items that determine {figure.metric}, but the n = {n} items leave it undefined"
            )
        drawn = figure.of(samples)
        drawn = drawn[np.isfinite(drawn)]
        low, high = np.quantile(drawn, (tail, 1 - tail)) if len(drawn) else (value, value)
        line = {
            "score": name, "metric": figure.metric, "est": figure.estimator, "n": n, **table.settings,
            "ci": f"bootstrap-items-{resamples}", "seed": seed, "null": "none",
        }  # fmt: skip
        found.append(
            Estimate(
                metric=figure.metric,
                estimator=figure.estimator,
                left=figure.left,
                right=figure.right,
                left_layer=0,
                right_layer=0,
                value=value,
                low=min(float(low), value),
                high=max(float(high), value),
                n=n,
                null_mean=0.0,
                null_sd=0.0,
                p=0,
                q=0,
                left_kept=0,
                right_kept=0,
                signature=signature(line),
                warnings=table.warnings,
            )
        )
    return tuple(found)


def _resampled(rows: F64, resamples: int, seed: int, check: Check) -> F64:
    """[resamples, k] sums over items drawn with replacement."""
    n = len(rows)
    rng = np.random.default_rng(seed % (1 << 64))
    size = max(1, _BLOCK // n)
    sums = np.empty((resamples, rows.shape[1]))
    for start in range(0, resamples, size):
        check()
        stop = min(start + size, resamples)
        drawn = rng.integers(0, n, (stop - start, n))
        weights = np.stack([np.bincount(each, minlength=n) for each in drawn]).astype(np.float64)
        sums[start:stop] = weights @ rows
    return sums


def ratio(numerator: int, denominator: int, scale: float = 100.0, empty: float = np.nan) -> Callable[[F64], F64]:
    """The figure `scale * column / column`.

    Args:
        numerator: Column of the sums.
        denominator: Column of the sums.
        scale: 100 for per cent.
        empty: Value where the denominator is 0.
    """

    def of(sums: F64) -> F64:
        below = sums[..., denominator]
        found: F64 = np.where(below > 0, scale * sums[..., numerator] / np.where(below > 0, below, 1.0), empty)
        return found

    return of


def content(example: Example, kind: type[Value], where: str) -> Value:
    """The content of an example, of one kind.

    Raises:
        InvalidArgument: It is of another kind; names the example.
    """
    if not isinstance(example.content, kind):
        raise InvalidArgument(
            where,
            f"Expected {_KINDS[kind.__name__]} in {example.id!r}, but got {_KINDS[type(example.content).__name__]}",
        )
    return example.content


_KINDS: Final = {
    "str": "running text",
    "Sentence": "a sentence in words",
    "TextPair": "a pair of texts",
    "Question": "a question",
}
