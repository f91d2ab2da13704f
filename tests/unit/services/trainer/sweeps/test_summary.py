"""Means over seeds at the best setting, against a table worked out by hand."""

import math
from dataclasses import replace

import pytest
from scipy import stats

from services.models.spec import ModelSpec, Reinit
from services.trainer import specs
from services.trainer.sweeps.grid import cells, setting
from services.trainer.sweeps.summary import Run, summarise
from services.trainer.training.plan import LanguageSet

BASE = specs.FineTuneJob(ModelSpec("m"), "pos", (LanguageSet("en", "datasets/train"),))
SOURCE = specs.SweepSource(LanguageSet("en", "datasets/train"), LanguageSet("en", "datasets/dev"))
TEST = (LanguageSet("en", "datasets/en"), LanguageSet("fr", "datasets/fr"), LanguageSet("ru", "datasets/ru"))
SWEEP = specs.SweepJob(
    base=BASE,
    tasks=(specs.SweepTask("pos", (SOURCE,), TEST, {}, 3.0),),
    choices=(specs.ReinitChoice("none"), specs.ReinitChoice("1-2", (Reinit((1, 2), seed=10),))),
    seeds=(0, 1, 2),
    learning_rates=(1e-5, 5e-5),
    step_tokens=(1024,),
)
# By layers drawn anew and learning rate: dev, en, fr, ru of each seed.
TABLE = {
    ("", 1e-5): [(90, 80, 60, 40), (91, 81, 62, 44), (92, 82, 64, 48)],
    ("", 5e-5): [(95, 90, 70, 50), (94, 88, 71, 52), (96, 92, 72, 54)],
    ("1-2", 1e-5): [(89, 79, 30, 20), (89, 79, 31, 21), (89, 79, 32, 22)],
    ("1-2", 5e-5): [(80, 70, 20, 10), (80, 70, 20, 10), (80, 70, 20, 10)],
}


def _figure(part: str, target: str, value: float, gap: float | None) -> specs.JobFigure:
    return specs.JobFigure(part, "en", target, "accuracy", "micro", value, value - 1, value + 1, 9, "s", gap=gap)


def _run(job: specs.FineTuneJob) -> Run:
    dev, en, fr, ru = TABLE[job.label, job.optimisation.learning_rate][job.optimisation.seed]
    figures = (
        _figure("dev", "en", dev, None),
        _figure("eval", "en", en, None),
        _figure("eval", "fr", fr, en - fr),
        _figure("eval", "ru", ru, en - ru),
    )
    return Run(job, specs.Outcome(checkpoint=f"checkpoints/{job.label}{setting(job)}", figures=figures))


def _found(*wanted: str) -> specs.SweepFigure:
    runs = [_run(job) for job in cells(SWEEP)]
    [figure] = [
        each
        for each in summarise(runs, {"pos": "accuracy"})
        if (each.selection, each.reinit, each.part, each.target) == wanted
    ]
    return figure


@pytest.mark.parametrize(
    ("wanted", "mean", "delta", "gap"),
    [
        (("best", "", "dev", "en"), 95.0, None, None),
        (("best", "", "eval", "en"), 90.0, None, None),
        (("best", "", "eval", "fr"), 71.0, None, 19.0),
        (("best", "", "eval", "X"), 61.5, None, 28.5),
        (("best", "1-2", "eval", "fr"), 31.0, -40.0, 48.0),
        (("best", "1-2", "eval", "X"), 26.0, -35.5, 53.0),
        (("best two", "", "eval", "fr"), 66.5, None, 19.0),
        (("best two", "1-2", "eval", "en"), 74.5, -11.0, None),
    ],
)
def test_the_table_by_hand(wanted: tuple[str, ...], mean: float, delta: float | None, gap: float | None) -> None:
    figure = _found(*wanted)
    assert (figure.mean, figure.delta, figure.gap) == (pytest.approx(mean), _near(delta), _near(gap))


def _near(value: float | None) -> object:
    return None if value is None else pytest.approx(value)


def test_the_best_setting_is_that_of_the_development_set() -> None:
    """Not that of the test sets, and by itself for each choice of layers."""
    assert _found("best", "", "eval", "ru").setting == "learning_rate=5e-05 step_tokens=1024"
    assert _found("best", "1-2", "eval", "ru").setting == "learning_rate=1e-05 step_tokens=1024"
    assert _found("best", "1-2", "eval", "ru").checkpoint == "checkpoints/1-2learning_rate=1e-05 step_tokens=1024"


def test_intervals_are_students() -> None:
    figure = _found("best", "", "eval", "en")
    values = [90.0, 88.0, 92.0]
    low, high = stats.t.interval(0.95, 2, loc=90.0, scale=stats.sem(values))
    assert (figure.low, figure.high) == (pytest.approx(low), pytest.approx(high))
    assert (figure.deviation, figure.seeds) == (pytest.approx(2.0), 3)


def test_one_seed_keeps_the_interval_of_its_items() -> None:
    runs = [_run(job) for job in cells(replace(SWEEP, seeds=(0,)))]
    figures = summarise(runs, {"pos": "accuracy"})
    one = next(each for each in figures if each.target == "fr" and not each.reinit and each.selection == "best")
    assert (one.mean, one.deviation, one.low, one.high, one.seeds) == (70.0, None, 69.0, 71.0, 1)


def test_a_sweep_of_one_setting_has_no_second() -> None:
    runs = [_run(job) for job in cells(replace(SWEEP, learning_rates=(1e-5,)))]
    assert {each.selection for each in summarise(runs, {"pos": "accuracy"})} == {"best"}


def test_the_grid_is_the_same_each_time_and_each_job_is_there_once() -> None:
    jobs = cells(SWEEP)
    assert jobs == cells(SWEEP)
    assert len({specs.write(job) for job in jobs}) == len(jobs) == 2 * 3 * 2
    doubled = replace(SWEEP, choices=(*SWEEP.choices, specs.ReinitChoice("none again")))
    assert cells(doubled) == jobs


def test_draws_have_the_seed_of_the_job_within_64_bits() -> None:
    drawn = {job.optimisation.seed: job.model.reinit[0].seed for job in cells(SWEEP) if job.label}
    assert drawn == {0: 10, 1: 11, 2: 12}
    [job] = cells(
        replace(
            SWEEP,
            choices=(specs.ReinitChoice("1", (Reinit((1,), seed=2**63 - 1),)),),
            seeds=(1,),
            learning_rates=(1e-5,),
        )
    )
    assert job.model.reinit[0].seed == -(2**63)
    assert math.isfinite(job.optimisation.learning_rate)
