"""Requests for sweeps."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, TypedDict

from babelscope.calls.jobs import datasets, fine_tune_spec
from babelscope.data.jobs.sweep import SweepTask
from babelscope.data.models import Model, Reinit
from babelscope.v1 import trainer_pb2

AS_IT_IS: Final = "none"
"""Label of the model with no layers drawn anew."""

Groups = Mapping[str, Iterable[int] | Sequence[Reinit]]
"""Layers drawn anew by label, as their numbers or with all that a draw has."""


class SweepOptions(TypedDict, total=False):
    """The axes of a sweep's grid besides its tasks and sources."""

    random_init: Groups
    """Layers drawn anew by label; the model as it is comes first by itself."""
    seeds: Sequence[int]
    """Seeds of the trainings, which the draws of layers have as well."""
    learning_rates: Sequence[float]
    """Learning rates of the encoder, of which the best on the source's development set is reported."""
    sizes: Sequence[int]
    """Tokens of an optimiser step, of which the best is reported in the same way."""


def sweep_spec(
    model: Model | str, tasks: Sequence[SweepTask], axes: SweepOptions, how: Mapping[str, Any]
) -> trainer_pb2.SweepSpec:
    """The specification of a sweep.

    Raises:
        ValueError: There is no task, or no such schedule or dtype.
    """
    if not tasks:
        raise ValueError("Expected at least one task in `tasks`, but got none")
    base = fine_tune_spec(model, tasks[0].task, how, train=(), dev=(), test=())
    choices = [trainer_pb2.ReinitChoice(label=AS_IT_IS)]
    for label, group in axes.get("random_init", {}).items():
        choices.append(trainer_pb2.ReinitChoice(label=label, reinit=[each.to_proto() for each in _draws(group)]))
    return trainer_pb2.SweepSpec(
        base=base,
        reinit=choices,
        seeds=axes.get("seeds", ()),
        learning_rates=axes.get("learning_rates", ()),
        step_tokens=axes.get("sizes", ()),
        tasks=[
            trainer_pb2.SweepTask(
                task=each.task,
                options=each.options,
                sources=[
                    trainer_pb2.SweepSource(language=language, train=train, dev=dev)
                    for language, (train, dev) in each.sources.items()
                ],
                eval=datasets(each.test),
                epochs=each.epochs,
            )
            for each in tasks
        ],
    )


def layer_pairs(layers: int) -> dict[str, tuple[int, ...]]:
    """Pairs of consecutive layers up to the last, as in table 1 of Muller et al. 2021: `1-2`, `3-4`, ..."""
    return {
        f"{first}-{min(first + 1, layers)}" if first < layers else str(first): tuple(
            range(first, min(first + 1, layers) + 1)
        )
        for first in range(1, layers + 1, 2)
    }


def _draws(group: Iterable[int] | Sequence[Reinit]) -> list[Reinit]:
    listed: list[Any] = list(group)
    if all(isinstance(each, Reinit) for each in listed):
        return listed
    return [Reinit(tuple(listed))]
