"""A sweep of six settings against the same six jobs, one by one, on real servers.

The jobs of a sweep share a process: libraries are loaded once, sets are read and cut once, and frozen lower layers
compute once. Training and scoring themselves are done for each setting, and are the larger part the more data there is:
the figure is the median of a few rounds at the sizes that it names. Time is that of the processor, over all processes
of jobs, so that other programs on the machine count for less; the ratio by the clock stands beside it.
"""

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import babelscope
from babelscope import Job, LocalMesh, Model, Reinit, SweepTask

from benchmarks.encoder import minilm_folder
from benchmarks.rows import Row, row
from benchmarks.training import tagged

_BENCH = "sweeps"
_TICKS = os.sysconf("SC_CLK_TCK")
_PARTS = Path("/proc")
_TASK = "pos"
_SEED = 0
GOAL = 0.7
ROUNDS = 3
"""Of a sweep and the jobs in turns: where others share the processor, one round alone is off by a tenth and more."""


@dataclass(frozen=True)
class Size:
    """Sentences of the sets.

    Attributes:
        train: Of the training set.
        dev: Of the development set.
        test: Of each test set.
        tests: Number of test sets.
        epochs: Passes over the training set.
    """

    train: int
    dev: int
    test: int
    tests: int
    epochs: float

    def __str__(self) -> str:
        return f"{self.train} sentences x {self.epochs:g}, {self.tests} x {self.test} of tests"


SIZES = (Size(250, 40, 20, 17, 1.0), Size(1000, 160, 80, 17, 1.0))
"""English EWT and PUD in 16 languages, with EWT's own test set, at a fiftieth and at two twenty-fifths."""
QUICK = (Size(16, 8, 8, 2, 1.0),)
SETTINGS: Mapping[str, tuple[Mapping[str, tuple[int, ...]], Mapping[str, Any]]] = {
    "nothing frozen": ({f"{layer}-{layer + 1}": (layer, layer + 1) for layer in range(1, 6)}, {}),
    "lower half frozen": (
        {"4": (4,), "5": (5,), "6": (6,), "4-5": (4, 5), "5-6": (5, 6)},
        {"freeze_layers": 3, "freeze_embeddings": True},
    ),
}
"""Layers drawn anew besides the model as it is, and what is frozen; MiniLM has six layers."""


def run(quick: bool = False, sizes: Sequence[Size] = ()) -> list[Row]:
    """Measures six settings with nothing frozen and with the lower half frozen.

    Args:
        quick: Whether to use the smallest sizes.
        sizes: Sizes of the sets; the bench's own where empty.
    """
    env = {"BABELSCOPE_HUB": "false", "BABELSCOPE_SLOTS": "1", "BABELSCOPE_THREADS": "1"}
    services, model = ("metrics", "datagen", "trainer"), minilm_folder()
    with (
        tempfile.TemporaryDirectory() as folder,
        babelscope.local(services, store=Path(folder) / "store", model_roots=[model.parent], env=env) as mesh,
    ):
        found = []
        _warmed(mesh)
        for size in sizes or (QUICK if quick else SIZES):
            sets = _Sets.put(mesh, size)
            for name, (choices, frozen) in SETTINGS.items():
                how = {"epochs": size.epochs, **frozen}
                found += _compared(mesh, sets, f"{name}, {size}", choices, how, rounds=1 if quick else ROUNDS)
        return found


@dataclass(frozen=True)
class _Sets:
    """Names of the sets in the store."""

    train: str
    dev: str
    test: Mapping[str, str]

    @classmethod
    def put(cls, mesh: LocalMesh, size: Size) -> "_Sets":
        """Cuts one corpus into all sets."""
        examples = tagged(size.train + size.dev + size.test * size.tests)

        def take(count: int) -> str:
            taken, examples[:count] = examples[:count], []
            return str(mesh.datagen.put_dataset(taken).name)

        return cls(take(size.train), take(size.dev), {f"en/{place}": take(size.test) for place in range(size.tests)})


def _compared(
    mesh: LocalMesh,
    sets: _Sets,
    what: str,
    choices: Mapping[str, tuple[int, ...]],
    how: Mapping[str, Any],
    *,
    rounds: int,
) -> list[Row]:
    """The sweep and the jobs, each checked to have made the same checkpoints."""
    name = minilm_folder().name

    def sweep() -> set[str]:
        task = SweepTask(_TASK, {"en": (sets.train, sets.dev)}, sets.test)
        job = mesh.trainer.sweep(name, [task], axes={"random_init": choices, "seeds": (_SEED,)}, **how)
        _succeeded(mesh.trainer.wait_for_job(job.name))
        return {str(child.checkpoint) for child in mesh.trainer.list_jobs(parent=job.name)}

    def jobs() -> set[str]:
        made = set()
        for layers in ((), *choices.values()):
            model = Model(name, reinit=(Reinit(layers, seed=_SEED),)) if layers else name
            job = mesh.trainer.fine_tune(
                model, _TASK, {"en": sets.train}, dev={"en": sets.dev}, test=sets.test, seed=_SEED, **how
            )
            made.add(str(_succeeded(mesh.trainer.wait_for_job(job.name)).checkpoint))
        return made

    found: list[tuple[float, float, float, float]] = []
    for number in range(rounds):
        order = (sweep, jobs) if number % 2 == 0 else (jobs, sweep)
        timed = {work: _timed(mesh, work) for work in order}
        (ours, our_clock, shared), (theirs, their_clock, alone) = timed[sweep], timed[jobs]
        if shared != alone:
            raise SystemExit(f"Expected the sweep to make the checkpoints {sorted(alone)}, but got {sorted(shared)}")
        found.append((ours / theirs, our_clock / their_clock, ours / len(alone), theirs / len(alone)))
    against = f"{1 + len(choices)} jobs one by one"
    share, by_clock, of_sweep, by_itself = (statistics.median(each) for each in zip(*found, strict=True))
    return [
        row(_BENCH, f"{what}: processor's time", share, "", against=against, at_most=GOAL),
        row(_BENCH, f"{what}: processor's time, least of {rounds} rounds", min(each[0] for each in found), ""),
        row(_BENCH, f"{what}: processor's time, most of {rounds} rounds", max(each[0] for each in found), ""),
        row(_BENCH, f"{what}: time by the clock", by_clock, "", against=against),
        row(_BENCH, f"{what}: a job of the sweep", of_sweep, "s"),
        row(_BENCH, f"{what}: a job alone", by_itself, "s"),
    ]


def _warmed(mesh: LocalMesh) -> None:
    """Does one job: what the first one starts, and all later ones share, is no part of either side."""
    sets = _Sets.put(mesh, QUICK[0])
    job = mesh.trainer.fine_tune(minilm_folder().name, _TASK, {"en": sets.train}, dev={"en": sets.dev}, epochs=1)
    _succeeded(mesh.trainer.wait_for_job(job.name))


def _succeeded(job: Job) -> Job:
    if job.state != "succeeded":
        raise SystemExit(f"Expected a job that succeeds, but got {job.state}: {job.reason}")
    return job


def _timed(mesh: LocalMesh, work: Callable[[], set[str]]) -> tuple[float, float, set[str]]:
    """Seconds of the processor that the trainer's jobs took, seconds of the clock, and what the work has made."""
    trainer = mesh.pids["trainer"]
    if trainer is None:
        raise SystemExit("Expected the trainer to run, but it does not")
    before, began = _spent(trainer), time.monotonic()
    made = work()
    return _spent(trainer) - before, time.monotonic() - began, made


def _spent(pid: int) -> float:
    """Seconds of the processor of all that a process has started, whether it has ended or lives."""
    children: dict[int, list[list[str]]] = {}
    for stat in _PARTS.glob("[0-9]*/stat"):
        with suppress(OSError):  # it has just ended
            number, _, rest = stat.read_text().rpartition(")")
            fields = [number.split()[0], *rest.split()]
            children.setdefault(int(fields[2]), []).append(fields)

    def below(parent: int) -> int:
        return sum(sum(map(int, each[12:16])) + below(int(each[0])) for each in children.get(parent, ()))

    ended = sum(map(int, (_PARTS / str(pid) / "stat").read_text().rpartition(")")[2].split()[13:15]))
    return (ended + below(pid)) / _TICKS
