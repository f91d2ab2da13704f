"""How a state is taken up by several workers, and what must be the same for all of them."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from services.runtime.errors import FailedPrecondition, InvalidArgument
from services.trainer.parallel.team import Team
from services.trainer.training.plan import Optimisation
from services.trainer.training.state import Place, State, random_states, set_random_states

_PARTS = ("weights", "moments", "random")


def check_workers(how: Optimisation, team: Team, fingerprint: str) -> None:
    """Refuse a team of another size than the plan's, or one whose workers would not train the same.

    Raises:
        InvalidArgument: The plan has another number of workers.
        FailedPrecondition: This worker has another plan, model or data than the first one.
    """
    if how.workers != team.size:
        raise InvalidArgument(
            "optimisation.workers", f"Expected {team.size}, the size of the team, but got {how.workers}"
        )
    if team.told(fingerprint) != fingerprint:
        raise FailedPrecondition(
            f"worker {team.rank}", "Expected the plan, model and data of the first worker, but they differ"
        )


def check_regrouped(how: Optimisation, place: Place) -> None:
    """Refuse a state of another number of workers, unless the plan allows it.

    Raises:
        FailedPrecondition: It is not allowed.
    """
    _, before = place.workers[-1]
    if before != how.workers and not how.regroup:
        raise FailedPrecondition(
            "optimisation.workers",
            f"Expected {before} workers, which the state after step {place.step} is of, but got {how.workers}. Another "
            "number gives other numbers: a retry that names its workers allows it",
        )


def shared(team: Team, state: State) -> State:
    """The first worker's state for all workers."""
    if team.size == 1:
        return state
    own = {f"{part}:{name}": each for part in _PARTS for name, each in getattr(state, part).items()}
    said = team.shared(own)
    parts: dict[str, dict[str, Tensor]] = {part: {} for part in _PARTS}
    for key, tensor in said.items():
        part, _, name = key.partition(":")
        parts[part][name] = tensor
    return State(state.place, **parts)


def by_rank(states: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Random states of all workers by name; those of the first have the names that they have with one worker."""
    return {
        f"{rank}/{name}" if rank else name: each for rank, random in enumerate(states) for name, each in random.items()
    }


def take_up(rank: int, state: State, seed: int, device: str) -> None:
    """Set the generators of a worker: as its state has them, or where that has none by the seed and the rank."""
    names = list(random_states(device))
    kept = {name: state.random.get(f"{rank}/{name}" if rank else name) for name in names}
    found = {name: each for name, each in kept.items() if each is not None}
    if len(found) == len(names):
        set_random_states(found, device)
    elif rank:
        # The first worker has the generators that a run of one has.
        drawn = np.random.SeedSequence([seed % (1 << 64), rank, state.place.step]).generate_state(1, np.uint64)
        torch.manual_seed(int(drawn[0]) % (1 << 63))
