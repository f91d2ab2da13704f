"""Cells of a grid of pretraining as means and spreads over seeds."""

import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from babelscope.data.jobs.sweep import MEAN_TARGET
from babelscope.study.sections.emergence import CellFigure, CellFound

MeasureKey = tuple[str, str, str]
"""Kind, metric and estimator of a number by layer."""
_STANDARD_ERRORS: Final = 2.0
_ESTIMATORS: Final = ("csls+centred", "cosine+centred", "csls", "cosine")
"""Retrieval that speaks for a model, best first: the languages' means say nothing of what they share."""


@dataclass(frozen=True, slots=True)
class Score:
    """A column of the table.

    Attributes:
        kind: Kind of its figures.
        share: Whether it is shown in percent.
        digits: Digits after the point.
        own: Whether it is of the source itself, and not of the other languages.
    """

    kind: str
    share: bool = False
    digits: int = 3
    own: bool = False


SCORES: Final[Mapping[str, Score]] = {
    "Sentences, P@1": Score("retrieval", share=True),
    "Words, P@1": Score("words", share=True),
    "CKA": Score("similarity"),
    "Transfer": Score("transfer", digits=1),
    "Transfer, source itself": Score("transfer", digits=1, own=True),
}
"""Columns of the table by name; CKA is the mean over all layers above the embeddings."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A score of a setting.

    Attributes:
        mean: Mean over seeds.
        deviation: Standard deviation over seeds; None for one seed.
        seeds: Number of seeds.
        layer: Layer at which it is highest; None for a score of no single layer.
        chance: Chance level; None where there is none.
        low: Mean over seeds of the lower ends of the 95 % intervals; None where there are none.
    """

    mean: float
    deviation: float | None
    seeds: int
    layer: int | None = None
    chance: float | None = None
    low: float | None = None


@dataclass(frozen=True, slots=True)
class Curve:
    """A measure by layer: mean over seeds, pairs and directions.

    Attributes:
        layers: Layers, ascending.
        means: The mean at each.
        deviations: Standard deviation over seeds at each; None for one seed.
        lows: Mean of the lower ends of the intervals.
        chance: Chance level at each.
    """

    layers: tuple[int, ...]
    means: tuple[float, ...]
    deviations: tuple[float | None, ...]
    lows: tuple[float, ...]
    chance: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Summary:
    """A setting at one size of the corpus.

    Attributes:
        setting: Its name.
        size: Number of texts of each language.
        seeds: Number of seeds run.
        untrained: Whether its models stay as they are drawn.
        outcomes: Scores by column.
        curves: Measures by layer.
    """

    setting: str
    size: int
    seeds: int
    untrained: bool = False
    outcomes: Mapping[str, Outcome] = field(default_factory=dict)
    curves: Mapping[MeasureKey, Curve] = field(default_factory=dict)


def texts_of(size: int) -> str:
    """A size of the corpus in words."""
    return f"{size:,} texts a language"


def clear(one: Outcome, other: Outcome) -> bool | None:
    """Whether two means differ by more than twice the standard error of their difference.

    None where one of them is of a single seed.
    """
    if one.deviation is None or other.deviation is None:
        return None
    error = math.sqrt(one.deviation**2 / one.seeds + other.deviation**2 / other.seeds)
    return abs(one.mean - other.mean) > _STANDARD_ERRORS * error


def summaries(records: Sequence[CellFound]) -> list[Summary]:
    """What was run of each setting and size, in the order of the study."""
    found = []
    for setting, size in dict.fromkeys((each.setting, each.size) for each in records):
        run = [each for each in records if each.run and (each.setting, each.size) == (setting, size)]
        if run:
            curves = _curves(run)
            found.append(Summary(setting, size, len(run), run[0].untrained, _outcomes(run, curves), curves))
    return found


def _curves(run: Sequence[CellFound]) -> dict[MeasureKey, Curve]:
    """Every measure by layer."""
    keys = dict.fromkeys(
        (figure.kind, figure.metric, figure.estimator)
        for each in run
        for figure in each.figures
        if figure.layer is not None
    )
    curves = {}
    for key in keys:
        of = [
            [figure for figure in each.figures if (figure.kind, figure.metric, figure.estimator) == key] for each in run
        ]
        layers = tuple(sorted({figure.layer for listed in of for figure in listed if figure.layer is not None}))
        by_seed = [_by_layer(listed, layers, lambda figure: figure.value) for listed in of]
        curves[key] = Curve(
            layers,
            tuple(map(statistics.fmean, zip(*by_seed, strict=True))),
            tuple(_deviation(values) for values in zip(*by_seed, strict=True)),
            _over_seeds(of, layers, lambda figure: figure.low),
            _over_seeds(of, layers, lambda figure: figure.null_mean or 0.0),
        )
    return curves


def _by_layer(listed: Iterable[CellFigure], layers: Sequence[int], value: Callable[[CellFigure], float]) -> list[float]:
    """Mean over pairs and directions at each layer."""
    return [statistics.fmean(value(figure) for figure in listed if figure.layer == layer) for layer in layers]


def _over_seeds(
    of: Sequence[Sequence[CellFigure]], layers: Sequence[int], value: Callable[[CellFigure], float]
) -> tuple[float, ...]:
    return tuple(map(statistics.fmean, zip(*(_by_layer(listed, layers, value) for listed in of), strict=True)))


def _deviation(values: Sequence[float]) -> float | None:
    return statistics.stdev(values) if len(values) > 1 else None


def _outcomes(run: Sequence[CellFound], curves: Mapping[MeasureKey, Curve]) -> dict[str, Outcome]:
    found: dict[str, Outcome] = {}
    for name, score in SCORES.items():
        if score.kind == "transfer":
            outcome = _transfer(run, own=score.own)
        elif score.kind == "similarity":
            outcome = _similarity(run)
        else:
            outcome = _retrieval(score.kind, curves, len(run))
        if outcome is not None:
            found[name] = outcome
    return found


def _retrieval(kind: str, curves: Mapping[MeasureKey, Curve], seeds: int) -> Outcome | None:
    """Retrieval at the layer where most is found."""
    chosen = [curves[key] for key in ((kind, "p@1", estimator) for estimator in _ESTIMATORS) if key in curves]
    if not chosen:
        return None
    curve = chosen[0]
    at = max(range(len(curve.layers)), key=lambda place: (curve.means[place], -place))
    return Outcome(
        curve.means[at], curve.deviations[at], seeds, curve.layers[at], chance=curve.chance[at], low=curve.lows[at]
    )


def _similarity(run: Sequence[CellFound]) -> Outcome | None:
    """Mean CKA over the layers above the embeddings, debiased where there is that."""
    listed = [
        [figure for figure in each.figures if figure.kind == "similarity" and figure.metric == "cka" and figure.layer]
        for each in run
    ]
    estimators = {figure.estimator for figures in listed for figure in figures}
    if not estimators:
        return None
    chosen = "debiased" if "debiased" in estimators else min(estimators)
    return _outcome([[figure.value for figure in figures if figure.estimator == chosen] for figures in listed])


def _transfer(run: Sequence[CellFound], *, own: bool) -> Outcome | None:
    """Scores of tasks, of the source's own test set or as the mean over the other languages'."""
    listed = [
        [
            figure.value
            for figure in each.figures
            if figure.kind == "transfer" and figure.target != MEAN_TARGET and (figure.target == figure.source) is own
        ]
        for each in run
    ]
    return _outcome(listed) if all(listed) else None


def _outcome(by_seed: Sequence[Sequence[float]]) -> Outcome:
    means = [statistics.fmean(values) for values in by_seed]
    return Outcome(statistics.fmean(means), _deviation(means), len(means))
