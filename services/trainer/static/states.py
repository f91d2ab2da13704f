"""How far a training of static vectors is, on disk, from which it goes on bit for bit.

Both methods go through portions of their data in an order that follows from the seed, the epoch and the portion alone:
a part of the streams, or a file of co-occurrences. Between two portions all that there is stands in a few arrays.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from services.trainer.training.events import Checkpointed
from services.trainer.training.run import CHECKPOINT_SECONDS
from services.trainer.training.state import Place, RunFolder, State

LOSS = "loss"
"""Name of the sum of the losses of an epoch that is not over."""


@dataclass(frozen=True, eq=False)
class Reached:
    """What a training goes on from.

    Attributes:
        portions: Portions done, those of all epochs.
        arrays: Arrays of the method by name; empty at the beginning.
        loss: Sum of the losses of the epoch that is under way.
    """

    portions: int
    arrays: Mapping[str, Tensor]
    loss: float


class States:
    """The states of one training.

    Args:
        folder: Folder of the run; None keeps nothing.
        fingerprint: Digest of all that determines the vectors.
        seconds: Seconds between two states.
        tell: Is told of each state on disk.
    """

    def __init__(
        self,
        folder: Path | None = None,
        fingerprint: str = "",
        *,
        seconds: float = CHECKPOINT_SECONDS,
        tell: Callable[[Checkpointed], None] = lambda event: None,
    ) -> None:
        self._run = None if folder is None else RunFolder(folder, fingerprint)
        self._seconds, self._tell = seconds, tell
        self._saved = time.monotonic()
        self.begun = 0.0
        """Epochs that were done when this process began."""

    def load(self, portions: int) -> Reached:
        """The newest whole state; the beginning where there is none.

        Args:
            portions: Portions of an epoch.

        Raises:
            FailedPrecondition: It is that of another run.
        """
        state = None if self._run is None else self._run.load()
        self._saved = time.monotonic()
        if state is None:
            return Reached(0, {}, 0.0)
        self.begun = state.place.step / portions
        return Reached(state.place.step, state.weights, float(state.moments[LOSS]))

    def done(self, portions: int, arrays: Callable[[], Mapping[str, Tensor]], loss: float = 0.0) -> None:
        """A portion is done: where it is time, the state is kept.

        Args:
            portions: Portions done, those of all epochs.
            arrays: Gives the arrays of the method.
            loss: Sum of the losses of the epoch that is under way; 0 where it is over.
        """
        if self._run is None or time.monotonic() - self._saved < self._seconds:
            return
        moments = {LOSS: torch.tensor(loss, dtype=torch.float64)}
        folder = self._run.save(State(Place(step=portions), arrays(), moments, {}))
        self._tell(Checkpointed(portions, folder))
        self._saved = time.monotonic()
