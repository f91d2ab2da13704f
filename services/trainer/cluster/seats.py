"""The actors of a job: one, or as many as it has workers, all at once or none."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from services.trainer.cluster.seat import Seat


@contextmanager
def seats(ray: Any, cpus: int, gpus: float, number: int) -> Iterator[list[Any]]:
    """Actors that start once Ray has room for all of them; two jobs never hold a part each and wait for the rest.

    Args:
        ray: The module, connected.
        cpus: Cores of each actor.
        gpus: GPUs of each actor, or the share of one.
        number: How many.
    """
    actor = ray.remote(Seat)
    if number == 1:
        made, group = [actor.options(num_cpus=cpus, num_gpus=gpus).remote()], None
    else:
        from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

        bundle = {"CPU": cpus} | ({"GPU": gpus} if gpus else {})
        group = ray.util.placement_group([bundle] * number, strategy="PACK")
        made = [
            actor.options(
                num_cpus=cpus,
                num_gpus=gpus,
                scheduling_strategy=PlacementGroupSchedulingStrategy(group, placement_group_bundle_index=place),
            ).remote()
            for place in range(number)
        ]
    try:
        yield made
    finally:
        for each in made:
            ray.kill(each)
        if group is not None:
            ray.util.remove_placement_group(group)
