"""Transforms one after the other, as generators: nothing is held but what a transform itself holds."""

import contextlib
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from babelscope.data.atomic import partial_folder
from babelscope.data.examples import Example

from services.datagen.counts import StepReport
from services.datagen.datasets import parquet
from services.datagen.randomness import seed_of
from services.datagen.text.bounds import check_length
from services.datagen.transforms.base import Resources, Transform
from services.datagen.transforms.registry import create
from services.runtime.errors import LimitExceeded


@dataclass(frozen=True, slots=True)
class Step:
    """One step as a request names it."""

    name: str
    options: Mapping[str, str]


class Pipeline:
    """A list of transforms, built once and run once.

    Args:
        steps: In order.
        resources: What transforms may ask for.
        seed: All randomness comes from it, the examples' ids, and which of the steps with one transform a step is.
        scratch: Folder for what is read twice.

    Raises:
        InvalidArgument: A step is unknown, or an option is unknown, missing or wrong.
        NotFound: A dictionary or a dataset is not there.
    """

    def __init__(self, steps: Sequence[Step], resources: Resources, seed: int, scratch: Path) -> None:
        self._steps: list[tuple[Transform, StepReport]] = []
        before: Counter[str] = Counter()
        for number, step in enumerate(steps):
            own = seed_of(seed, before[step.name])
            before[step.name] += 1
            self._steps.append((create(step.name, step.options, resources, own, step=number), StepReport(step.name)))
        self._scratch = scratch

    @property
    def reports(self) -> tuple[StepReport, ...]:
        """What each step has done so far."""
        return tuple(report for _, report in self._steps)

    def run(
        self, examples: Iterable[Example], check: Callable[[], None] = lambda: None
    ) -> Generator[Example, None, None]:
        """Runs the steps.

        Args:
            examples: The source; one that is no iterator may be read several times.
            check: Called for every example between two steps; what it raises ends the work.

        Yields:
            What the last step gives.

        Raises:
            LimitExceeded: A step made a text that is too long.
        """
        with contextlib.ExitStack() as keep:
            stream = examples
            for transform, report in self._steps:
                if transform.passes > 1 and isinstance(stream, Iterator):
                    stream = keep.enter_context(_spooled(stream, self._scratch))
                stream = transform.apply(
                    _Watched(stream, check) if not isinstance(stream, Iterator) else _watch(stream, check), report
                )
            yield from stream


class _Watched:
    """Examples that can be read several times, each time watched.

    Args:
        examples: Can be read several times.
        check: Called for every example.
    """

    def __init__(self, examples: Iterable[Example], check: Callable[[], None]) -> None:
        self._examples, self._check = examples, check

    def __iter__(self) -> Iterator[Example]:
        return _watch(self._examples, self._check)


def _watch(examples: Iterable[Example], check: Callable[[], None]) -> Iterator[Example]:
    for example in examples:
        check()
        check_length(parquet.length(example))
        yield example


class _Bounded:
    """A file on a disk that may be full. Every write is flushed, so that its own failure is told."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def write(self, data: bytes | bytearray | memoryview) -> int:
        """Adds bytes.

        Raises:
            LimitExceeded: The disk is full.
        """
        try:
            self._file.write(data)
            self._file.flush()
        except OSError as error:
            raise LimitExceeded(
                "scratch_dir",
                f"Expected room for {memoryview(data).nbytes} bytes in the scratch folder, but got: "
                f"{error.strerror or error}",
            ) from error
        return memoryview(data).nbytes


class _Spool:
    """A file of examples that is written when it is first read, and read from then on."""

    def __init__(self, examples: Iterator[Example], path: Path) -> None:
        self._examples, self._path = examples, path
        self._written = False

    def __iter__(self) -> Iterator[Example]:
        if not self._written:
            with self._path.open("wb") as file:
                parquet.write(_Bounded(file), self._examples)
            self._written = True
        with self._path.open("rb") as file:
            yield from parquet.read(file, "the spooled examples")


@contextlib.contextmanager
def _spooled(examples: Iterator[Example], scratch: Path) -> Iterator[_Spool]:
    scratch.mkdir(parents=True, exist_ok=True)
    with partial_folder(scratch, "pipeline") as folder:
        yield _Spool(examples, folder / "examples.parquet")
