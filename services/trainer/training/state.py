"""The state of a run on disk, from which it goes on bit for bit.

A run's folder holds:

    state-00000120/   weights.safetensors, moments.safetensors, state.json    the newest, and the one before
    best-00000080/    the best model so far, an ordinary folder with its head

Each state is whole or absent, and says the digests of its files, so a damaged one is passed over for the one before.
The order of the data has no state: it follows from the seed and the step.
"""

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from babelscope.data.atomic import sweep
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from services.runtime.errors import FailedPrecondition
from services.trainer.durable import durable_folder
from services.trainer.evaluation.figures import Figure, SetFigures

WEIGHTS_FILE = "weights.safetensors"
MOMENTS_FILE = "moments.safetensors"
STATE_FILE = "state.json"
FORMAT = 1
_KEPT = 2
_PREFIX = "random/"


@dataclass(frozen=True)
class Best:
    """The best evaluation so far.

    Attributes:
        step: Step after which the model was saved.
        score: Mean of the main figure; None without development sets.
        figures: Figures of the development sets.
    """

    step: int
    score: float | None
    figures: tuple[SetFigures, ...]


@dataclass(frozen=True)
class Place:
    """How far a run is.

    Attributes:
        step: Steps done.
        evaluated: Step of the last evaluation; 0 before the first.
        stale: Evaluations since the best one.
        best: The best so far; None before the first.
        ended: Whether the run is over.
        workers: Numbers of workers, each with the first step that so many did.
    """

    step: int = 0
    evaluated: int = 0
    stale: int = 0
    best: Best | None = None
    ended: bool = False
    workers: tuple[tuple[int, int], ...] = ()

    def done_by(self, workers: int) -> "Place":
        """The place where so many workers do the steps to come."""
        if self.workers and self.workers[-1][1] == workers:
            return self
        return replace(self, workers=(*self.workers, (self.step + 1, workers)))

    def history(self) -> str:
        """The numbers of workers in words: `2`, or `2, from step 101 on 1`."""
        (_, number), *later = self.workers
        return ", ".join([str(number), *(f"from step {first} on {each}" for first, each in later)])

    def to_json(self) -> dict[str, Any]:
        """The place as `read` takes it."""
        return asdict(self)

    @classmethod
    def read(cls, said: Mapping[str, Any]) -> "Place":
        """A place from its JSON form."""
        best = said["best"]
        if best is not None:
            figures = tuple(
                SetFigures(
                    each["language"],
                    each["dataset"],
                    tuple(Figure(**figure) for figure in each["figures"]),
                    tuple(each["warnings"]),
                )
                for each in best["figures"]
            )
            best = Best(best["step"], best["score"], figures)
        # States from before there were several workers do not say that there was one.
        workers = tuple((first, number) for first, number in said.get("workers", [[1, 1]] if said["step"] else []))
        return cls(said["step"], said["evaluated"], said["stale"], best, said["ended"], workers)


@dataclass(frozen=True, eq=False)
class State:
    """All that a run goes on from.

    Attributes:
        place: How far the run is.
        weights: Parameters by name.
        moments: State of the optimiser by name.
        random: States of the generators of all workers, as `random_states` gives and takes them.
    """

    place: Place
    weights: Mapping[str, Tensor]
    moments: Mapping[str, Tensor]
    random: Mapping[str, Tensor]


class RunFolder:
    """The folder of a run.

    Args:
        path: The folder; made by `load` where it is not there. One process at a time writes to it.
        fingerprint: Digest of all that determines the run's numbers.
    """

    def __init__(self, path: Path, fingerprint: str) -> None:
        self.path, self._fingerprint = path, fingerprint

    def best(self, step: int) -> Path:
        """Where the model of a step is."""
        return self.path / f"best-{step:08d}"

    def save(self, state: State) -> Path:
        """Write a state, then remove those that are no longer needed.

        Returns:
            Its folder.
        """
        target = self.path / f"state-{state.place.step:08d}"
        with durable_folder(target) as folder:
            save_file({name: tensor.contiguous() for name, tensor in state.weights.items()}, folder / WEIGHTS_FILE)
            drawn = {_PREFIX + name: each for name, each in state.random.items()}
            kept = {name: tensor.contiguous() for name, tensor in state.moments.items()}
            save_file(kept | drawn, folder / MOMENTS_FILE)
            record = {
                "format": FORMAT,
                "fingerprint": self._fingerprint,
                "place": state.place.to_json(),
                "files": {name: _digest(folder / name) for name in (WEIGHTS_FILE, MOMENTS_FILE)},
            }
            (folder / STATE_FILE).write_text(json.dumps(record, ensure_ascii=False), encoding="utf-8")
        self._prune()
        return target

    def last(self) -> int:
        """Step of the newest state; 0 where there is none."""
        return max((_step(folder) for folder in self._states()), default=0)

    def load(self) -> State | None:
        """The newest whole state; None where there is none. Damaged ones, and what killed writers left, are removed.

        Raises:
            FailedPrecondition: It is that of another run.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        sweep(self.path)
        for folder in sorted(self._states(), key=_step, reverse=True):
            if (found := self._read(folder)) is not None:
                return found
            shutil.rmtree(folder)
        return None

    def _read(self, folder: Path) -> State | None:
        """A state; None where it is damaged."""
        try:
            record: dict[str, Any] = json.loads((folder / STATE_FILE).read_text("utf-8"))
            if record["format"] != FORMAT or any(
                _digest(folder / name) != digest for name, digest in record["files"].items()
            ):
                return None
            weights, moments = load_file(folder / WEIGHTS_FILE), load_file(folder / MOMENTS_FILE)
        except (OSError, ValueError, KeyError, SafetensorError):
            return None
        if record["fingerprint"] != self._fingerprint:
            raise FailedPrecondition(
                f"folder {self.path.name}",
                "Expected the state of this run, but it is that of one with another plan, model or data",
            )
        place = Place.read(record["place"])
        if place.best is not None and not self.best(place.best.step).is_dir():
            return None
        drawn = {name: moments.pop(name) for name in list(moments) if name.startswith(_PREFIX)}
        random = {name.removeprefix(_PREFIX): each for name, each in drawn.items()}
        return State(place, weights, moments, random)

    def _states(self) -> list[Path]:
        return list(self.path.glob("state-*"))

    def _prune(self) -> None:
        """Remove all states but the newest, and the models that none of them names."""
        newest = sorted(self._states(), key=_step, reverse=True)
        named = set()
        for folder in newest[:_KEPT]:
            best = json.loads((folder / STATE_FILE).read_text("utf-8"))["place"]["best"]
            named.add(best["step"] if best else 0)
        for folder in newest[_KEPT:]:
            shutil.rmtree(folder)
        for folder in self.path.glob("best-*"):
            if _step(folder) not in named:
                shutil.rmtree(folder)


def _step(folder: Path) -> int:
    return int(folder.name.rpartition("-")[2])


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def random_states(device: str) -> dict[str, Tensor]:
    """States of torch's generators, those of the processor and of the model's device."""
    states = {"cpu": torch.get_rng_state()}
    if device != "cpu":
        states["device"] = torch.cuda.get_rng_state(device)
    return states


def set_random_states(states: Mapping[str, Tensor], device: str) -> None:
    """Set what `random_states` gave."""
    torch.set_rng_state(states["cpu"])
    if device != "cpu":
        torch.cuda.set_rng_state(states["device"], device)
