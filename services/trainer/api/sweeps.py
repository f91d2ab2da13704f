"""Messages of sweeps to plain data, checked field by field, and back."""

import math
from collections.abc import Sequence
from typing import Any, Final

from babelscope.v1 import model_pb2, trainer_pb2

from services.models.api.messages import read_model
from services.runtime.errors import InvalidArgument, LimitExceeded
from services.runtime.files.store import Store
from services.runtime.options import given
from services.trainer import specs
from services.trainer.api.names import read_short
from services.trainer.api.specs import read_fine_tune, read_sets, write_fine_tune, write_reinit, write_sets
from services.trainer.training.plan import LanguageSet

MOST_CELLS: Final = 10_000
"""Jobs of a sweep."""
MOST_BYTES: Final = 64 << 20
"""Bytes of their specifications together, about: each is written to the table."""


def read_sweep(spec: trainer_pb2.SweepSpec, field: str, store: Store) -> specs.SweepJob:
    """Reads a SweepSpec.

    Raises:
        InvalidArgument: A field is wrong.
        LimitExceeded: It comes to too many jobs.
    """
    for name in ("reinit", "sources", "seeds", "learning_rates", "step_tokens", "tasks"):
        if len(getattr(spec, name)) > MOST_CELLS:
            raise _too_many(len(getattr(spec, name)))
    if sum(len(task.sources) for task in spec.tasks) > MOST_CELLS:
        raise _too_many(sum(len(task.sources) for task in spec.tasks))
    base = _base(spec, field, store)
    shared = tuple(_source(source, f"{field}.sources[{number}]") for number, source in enumerate(spec.sources))
    own = (specs.SweepSource(base.train[0], base.dev[0] if base.dev else None),)
    tasks = tuple(
        _task(task, f"{field}.tasks[{number}]", base, shared or own) for number, task in enumerate(spec.tasks)
    ) or (specs.SweepTask(base.task, shared or own, base.eval, base.options, base.optimisation.epochs),)
    choices = tuple(_choice(choice, f"{field}.reinit[{number}]", base) for number, choice in enumerate(spec.reinit))
    for number, rate in enumerate(spec.learning_rates):
        if not (rate > 0 and math.isfinite(rate)):
            raise InvalidArgument(
                f"{field}.learning_rates[{number}]", f"Expected a finite number above 0, but got {rate}"
            )
    for number, tokens in enumerate(spec.step_tokens):
        if tokens < 1:
            raise InvalidArgument(f"{field}.step_tokens[{number}]", f"Expected a number of 1 or more, but got {tokens}")
    for name, values in {
        "reinit": [choice.label for choice in choices],
        "tasks": [task.task for task in tasks],
        "seeds": spec.seeds,
        "learning_rates": spec.learning_rates,
        "step_tokens": spec.step_tokens,
    }.items():
        _unique(values, f"{field}.{name}")
    job = specs.SweepJob(
        base=base,
        tasks=tasks,
        choices=choices or (specs.ReinitChoice(base.label, base.model.reinit),),
        seeds=tuple(spec.seeds) or (base.optimisation.seed,),
        learning_rates=tuple(spec.learning_rates) or (base.optimisation.learning_rate,),
        step_tokens=tuple(spec.step_tokens) or (base.optimisation.step_tokens,),
    )
    _check(job, field)
    return job


def _base(spec: trainer_pb2.SweepSpec, field: str, store: Store) -> specs.FineTuneJob:
    """The settings that all jobs share; what only tasks and sources say stands in it until they do."""
    base = trainer_pb2.FineTuneSpec()
    base.CopyFrom(spec.base)
    if not base.task and spec.tasks:
        base.task = spec.tasks[0].task
    sources = [*spec.sources, *(source for task in spec.tasks for source in task.sources)]
    if sources and not base.train:
        base.train.append(trainer_pb2.LanguageDataset(dataset=sources[0].train or "none"))
    return read_fine_tune(base, f"{field}.base", store)


def _task(
    task: trainer_pb2.SweepTask, field: str, base: specs.FineTuneJob, shared: tuple[specs.SweepSource, ...]
) -> specs.SweepTask:
    if not task.task:
        raise InvalidArgument(f"{field}.task", "Expected the name of a task, but got none")
    if not (task.epochs >= 0 and math.isfinite(task.epochs)):
        raise InvalidArgument(f"{field}.epochs", f"Expected a finite number of 0 or more, but got {task.epochs}")
    sources = tuple(_source(source, f"{field}.sources[{number}]") for number, source in enumerate(task.sources))
    return specs.SweepTask(
        task=task.task,
        sources=sources or shared,
        eval=read_sets(task.eval, f"{field}.eval", scored=True) or base.eval,
        options=given(task.options, f"{field}.options"),
        epochs=task.epochs or base.optimisation.epochs,
    )


def _choice(choice: trainer_pb2.ReinitChoice, field: str, base: specs.FineTuneJob) -> specs.ReinitChoice:
    if not choice.label:
        raise InvalidArgument(f"{field}.label", "Expected a label for the tables, but got none")
    read_short(choice.label, f"{field}.label")
    drawn = read_model(model_pb2.ModelRef(name=base.model.name, reinit=choice.reinit), field).reinit
    return specs.ReinitChoice(choice.label, drawn)


def _source(source: trainer_pb2.SweepSource, field: str) -> specs.SweepSource:
    for name in ("language", "train"):
        if not getattr(source, name):
            raise InvalidArgument(f"{field}.{name}", f"Expected `{name}`, but got none")
    for name in ("language", "train", "dev"):
        read_short(getattr(source, name), f"{field}.{name}")
    dev = LanguageSet(source.language, source.dev) if source.dev else None
    return specs.SweepSource(LanguageSet(source.language, source.train), dev)


def _check(job: specs.SweepJob, field: str) -> None:
    """Refuses a grid that is too large, or whose best setting cannot be told."""
    settings, cells = len(job.learning_rates) * len(job.step_tokens), job.jobs
    if cells > MOST_CELLS:
        raise _too_many(cells)
    one, each_setting = len(specs.write(job.base)), settings * len(job.choices) * len(job.seeds)
    size = sum(each_setting * len(task.sources) * (one + len(specs.write(task))) for task in job.tasks)
    if size > MOST_BYTES:
        raise LimitExceeded(
            "max_sweep_bytes",
            f"Expected a sweep whose jobs take at most {MOST_BYTES} bytes together, but got {cells} jobs of about "
            f"{size // cells} bytes",
        )
    for task in job.tasks:
        _unique([source.train.language for source in task.sources], f"{field}.sources")
        if settings > 1 and any(source.dev is None for source in task.sources):
            raise InvalidArgument(
                f"{field}.sources",
                f"Expected a development set for each source of task {task.task}, since {settings} settings of the "
                "hyper-parameters are compared, but one has none",
            )


def _unique(values: Sequence[Any], field: str) -> None:
    seen: set[Any] = set()
    for number, value in enumerate(values):
        if value in seen:
            raise InvalidArgument(f"{field}[{number}]", f"Expected each value once, but got {value!r} twice")
        seen.add(value)


def _too_many(count: int) -> LimitExceeded:
    return LimitExceeded("max_cells", f"Expected a sweep of at most {MOST_CELLS} jobs, but got {count}")


def write_sweep(sweep: specs.SweepJob) -> trainer_pb2.SweepSpec:
    """A SweepSpec with all defaults filled in."""
    return trainer_pb2.SweepSpec(
        base=write_fine_tune(sweep.base),
        reinit=[trainer_pb2.ReinitChoice(label=choice.label, reinit=write_reinit(choice)) for choice in sweep.choices],
        seeds=sweep.seeds,
        learning_rates=sweep.learning_rates,
        step_tokens=sweep.step_tokens,
        tasks=[
            trainer_pb2.SweepTask(
                task=task.task,
                options=dict(task.options),
                sources=[
                    trainer_pb2.SweepSource(
                        language=source.train.language,
                        train=source.train.dataset,
                        dev=source.dev.dataset if source.dev else "",
                    )
                    for source in task.sources
                ],
                eval=write_sets(task.eval),
                epochs=task.epochs,
            )
            for task in sweep.tasks
        ],
    )
