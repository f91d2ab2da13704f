"""What Ray takes of a job's time: the same fine-tuning by the runners `process` and `ray`, on real servers.

Time is that of the clock, from when a job is entered to when it has ended, with reading, training, scoring and the
checkpoint; the runners take turns. Ray starts when its first job needs it: that job is not among the medians and stands
in a row of its own.
"""

import statistics
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import babelscope
from babelscope import LocalMesh

from benchmarks.encoder import minilm_folder
from benchmarks.rows import Row, row
from benchmarks.training import tagged

_BENCH = "runners"
_SETS = {"train": 480, "dev": 60, "test": 60}
_QUICK = {"train": 16, "dev": 8, "test": 8}
ROUNDS = 3


def run(quick: bool = False) -> list[Row]:
    """Measures one job at a time under each runner.

    Args:
        quick: Whether to use few sentences and one round.
    """
    found: dict[str, list[float]] = {}
    checkpoints: set[str] = set()
    with ExitStack() as stack:
        jobs = {runner: stack.enter_context(_Jobs(runner, _QUICK if quick else _SETS)) for runner in ("process", "ray")}
        for _ in range(1 + (1 if quick else ROUNDS)):
            for runner, each in jobs.items():
                seconds, checkpoint = each.seconds()
                found.setdefault(runner, []).append(seconds)
                checkpoints.add(checkpoint)
    if len(checkpoints) != 1:
        raise SystemExit(f"Expected one checkpoint of both runners, but got {sorted(checkpoints)}")
    process, ray = (statistics.median(found[runner][1:]) for runner in ("process", "ray"))
    share = statistics.median(
        1 - ours / rays for ours, rays in zip(found["process"][1:], found["ray"][1:], strict=True)
    )
    return [
        row(_BENCH, "a job by the runner `process`", process, "s"),
        row(_BENCH, "the same job by the runner `ray`", ray, "s"),
        row(_BENCH, "Ray's share of the job's time", 100 * share, "%", against="the runner `process`"),
        row(_BENCH, "the first job more than the others by `process`", found["process"][0] - process, "s"),
        row(_BENCH, "the first job more than the others by `ray`, which starts Ray", found["ray"][0] - ray, "s"),
    ]


class _Jobs:
    """Servers with one runner, and a job to enter again and again.

    Args:
        runner: `process` or `ray`.
        sizes: Sentences of the sets.
    """

    def __init__(self, runner: str, sizes: dict[str, int]) -> None:
        self._runner, self._sizes = runner, sizes
        self._stack = ExitStack()

    def __enter__(self) -> "_Jobs":
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="br-")))  # sockets' names are short
            self._mesh: LocalMesh = stack.enter_context(
                babelscope.local(
                    ("metrics", "datagen", "trainer"),
                    store=folder / "store",
                    model_roots=[minilm_folder().parent],
                    env={
                        "BABELSCOPE_HUB": "false",
                        "BABELSCOPE_RUNNER": self._runner,
                        "BABELSCOPE_THREADS": "1",
                        "TMPDIR": str(folder),
                    },
                )
            )
            examples, first, self._names = tagged(sum(self._sizes.values())), 0, {}
            for name, size in self._sizes.items():
                self._names[name] = self._mesh.datagen.put_dataset(examples[first : first + size]).name
                first += size
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()

    def seconds(self) -> tuple[float, str]:
        """Enters the job and waits; seconds, and the checkpoint that it made."""
        began = time.monotonic()
        job = self._mesh.trainer.fine_tune(
            minilm_folder().name,
            "pos",
            {"en": self._names["train"]},
            dev={"en": self._names["dev"]},
            test={"en": self._names["test"]},
            epochs=1.0,
            seed=0,
        )
        done = self._mesh.trainer.wait_for_job(job.name)
        if done.state != "succeeded":
            raise SystemExit(f"Expected a job that succeeds, but got {done.state}: {done.reason}")
        return time.monotonic() - began, str(done.checkpoint)
