"""A grid to the fine-tuning jobs that it comes to."""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from itertools import product

from services.models.spec import Reinit
from services.trainer import specs
from services.trainer.training.plan import LanguageSet

_SEEDS = 1 << 64


def cells(sweep: specs.SweepJob) -> tuple[specs.FineTuneJob, ...]:
    """All jobs of a sweep, each once, in an order that depends on the sweep alone."""
    return tuple({hashlib.sha256(specs.write(job)).digest(): job for job in _cells(sweep)}.values())


def setting(job: specs.FineTuneJob) -> str:
    """The hyper-parameters of a job that a sweep chooses among, in words."""
    return f"learning_rate={job.optimisation.learning_rate:g} step_tokens={job.optimisation.step_tokens}"


def source(job: specs.FineTuneJob) -> str:
    """Languages of the training sets, joined by `+`."""
    return "+".join(dict.fromkeys(each.language for each in job.train if each.language))


def _cells(sweep: specs.SweepJob) -> Iterator[specs.FineTuneJob]:
    grid = product(sweep.tasks, sweep.learning_rates, sweep.step_tokens, sweep.seeds, sweep.choices)
    for task, learning_rate, step_tokens, seed, choice in grid:
        for each in task.sources:
            yield replace(
                sweep.base,
                model=replace(sweep.base.model, reinit=_drawn(choice, seed)),
                task=task.task,
                options=task.options,
                train=(each.train,),
                dev=_dev(each.dev),
                eval=task.eval,
                optimisation=replace(
                    sweep.base.optimisation,
                    learning_rate=learning_rate,
                    step_tokens=step_tokens,
                    seed=seed,
                    epochs=task.epochs,
                ),
                label=choice.label if choice.reinit else "",
            )


def _dev(dev: LanguageSet | None) -> tuple[LanguageSet, ...]:
    return () if dev is None else (dev,)


def _drawn(choice: specs.ReinitChoice, seed: int) -> tuple[Reinit, ...]:
    """The draws with the seed of the job added, kept within 64 bits: another seed draws other weights."""
    half = _SEEDS // 2
    return tuple(replace(draw, seed=(draw.seed + seed + half) % _SEEDS - half) for draw in choice.reinit)
