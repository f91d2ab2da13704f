"""Figures of the jobs of a sweep to means over seeds, at the setting that is best on the source's development set.

Muller et al. 2021 (appendix A.1.1) choose learning rate and batch size by the source's development set and report means
over five seeds; Conneau, Wu et al. 2020 report the mean of the two best settings.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, stdev
from typing import Final, NamedTuple

from babelscope.data.languages import same_language
from scipy.special import stdtrit

from services.trainer import specs
from services.trainer.sweeps.grid import setting, source

MEAN_TARGET: Final = "X"
"""Target of the mean over all languages but the source."""
_BEST, _BEST_TWO = "best", "best two"
_LEVEL: Final = 0.975


@dataclass(frozen=True)
class Run:
    """A job of a sweep that has succeeded.

    Attributes:
        job: What it was to do.
        outcome: Outcome of the job.
    """

    job: specs.FineTuneJob
    outcome: specs.Outcome


class _Group(NamedTuple):
    """What the settings of the hyper-parameters are compared within."""

    task: str
    source: str
    reinit: str


class _Choice(NamedTuple):
    """How the hyper-parameters were chosen."""

    selection: str
    setting: str
    checkpoint: str


class _Key(NamedTuple):
    """What a figure is of."""

    part: str
    target: str
    domain: str
    metric: str
    estimator: str


class _Value(NamedTuple):
    """A figure of one seed."""

    value: float
    low: float
    high: float
    gap: float | None


_Seeds = Mapping[int, Mapping[_Key, _Value]]


def summarise(runs: Sequence[Run], main: Mapping[str, str]) -> tuple[specs.SweepFigure, ...]:
    """Means over seeds for every task, source and choice of layers.

    Args:
        runs: All jobs of a sweep.
        main: Figure by which the best setting is chosen, by task.
    """
    groups: dict[_Group, dict[str, list[Run]]] = {}
    for run in runs:
        group = _Group(run.job.task, source(run.job), run.job.label)
        groups.setdefault(group, {}).setdefault(setting(run.job), []).append(run)
    found: list[specs.SweepFigure] = []
    for group, settings in groups.items():
        order = sorted(settings, key=lambda name: -_dev_score(settings[name], main[group.task]))
        best = settings[order[0]]
        checkpoint = best[0].outcome.checkpoint
        found += _figures(group, _Choice(_BEST, order[0], checkpoint), _values(group, best), main[group.task])
        if len(order) > 1:
            both = _mean_settings([_values(group, settings[name]) for name in order[:2]])
            found += _figures(group, _Choice(_BEST_TWO, " and ".join(order[:2]), checkpoint), both, main[group.task])
    return tuple(_with_deltas(found))


def _dev_score(runs: Sequence[Run], metric: str) -> float:
    """Mean over seeds of the mean main figure over the development sets; 0 without any: one setting is all there is."""
    scores = []
    for run in runs:
        first: dict[str, float] = {}
        for figure in run.outcome.figures:
            if figure.part == "dev" and figure.metric == metric:
                first.setdefault(figure.target, figure.value)
        scores += [fmean(first.values())] if first else []
    return fmean(scores) if scores else 0.0


def _values(group: _Group, runs: Iterable[Run]) -> _Seeds:
    return {run.job.optimisation.seed: _with_mean(group.source, _of(run.outcome)) for run in runs}


def _of(outcome: specs.Outcome) -> dict[_Key, _Value]:
    """Figures of one job; those of single labels and of confusions are in the job alone."""
    return {
        _Key(each.part, each.target, each.domain, each.metric, each.estimator): _Value(
            each.value, each.low, each.high, each.gap
        )
        for each in outcome.figures
        if not (each.left or each.right)
    }


def _with_mean(source_language: str, values: dict[_Key, _Value]) -> dict[_Key, _Value]:
    """The figures with their means over the languages that are not the source's, where there are two or more."""
    others: dict[_Key, list[_Value]] = {}
    for key, value in values.items():
        if key.part == "eval" and not key.domain and not same_language(key.target, source_language):
            others.setdefault(key._replace(target=MEAN_TARGET), []).append(value)
    means = {key: _mean(listed) for key, listed in others.items() if len(listed) > 1}
    return {**values, **means}


def _mean(listed: Sequence[_Value]) -> _Value:
    gaps = [each.gap for each in listed]
    known = [gap for gap in gaps if gap is not None]
    mean = fmean(each.value for each in listed)
    # The mean of intervals is no interval of the mean, but one that is not narrower.
    low, high = fmean(each.low for each in listed), fmean(each.high for each in listed)
    return _Value(mean, low, high, fmean(known) if len(known) == len(gaps) else None)


def _mean_settings(settings: Sequence[_Seeds]) -> _Seeds:
    """For each seed that all settings have, the mean over them."""
    shared = [seed for seed in settings[0] if all(seed in each for each in settings)]
    return {
        seed: {
            key: _mean([each[seed][key] for each in settings])
            for key in settings[0][seed]
            if all(key in each[seed] for each in settings)
        }
        for seed in shared
    }


def _figures(group: _Group, choice: _Choice, seeds: _Seeds, main: str) -> Iterable[specs.SweepFigure]:
    keys = dict.fromkeys(key for values in seeds.values() for key in values)
    # Of several variants of a figure the first is the one that chooses.
    variant = next((key.estimator for key in keys if key.metric == main), "")
    for key in keys:
        listed = [values[key] for values in seeds.values() if key in values]
        mean = _mean(listed)
        spread = stdev([each.value for each in listed]) if len(listed) > 1 else None
        low, high = (mean.low, mean.high) if spread is None else _interval(mean.value, spread, len(listed))
        yield specs.SweepFigure(
            **group._asdict(),
            **key._asdict(),
            **choice._asdict(),
            mean=mean.value,
            deviation=spread,
            low=low,
            high=high,
            seeds=len(listed),
            delta=None,
            gap=mean.gap,
            main=(key.metric, key.estimator) == (main, variant),
        )


def _interval(mean: float, deviation: float, n: int) -> tuple[float, float]:
    """The 95 % interval of a mean by Student's t."""
    half = float(stdtrit(n - 1, _LEVEL)) * deviation / math.sqrt(n)
    return mean - half, mean + half


def _with_deltas(figures: Sequence[specs.SweepFigure]) -> Iterable[specs.SweepFigure]:
    """Each figure under RANDOM-INIT with its difference to the same figure of the model as it is."""
    reference = {_place(each): each.mean for each in figures if not each.reinit}
    for each in figures:
        before = reference.get(_place(each)) if each.reinit else None
        yield each if before is None else replace(each, delta=each.mean - before)


def _place(figure: specs.SweepFigure) -> tuple[str, ...]:
    return (
        figure.task,
        figure.source,
        figure.target,
        figure.domain,
        figure.part,
        figure.metric,
        figure.estimator,
        figure.selection,
    )
