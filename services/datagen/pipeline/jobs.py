"""The service's work as generators: examples in portions, then the report. They know no messages and no gRPC."""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from babelscope.data.examples import Example

from services.datagen.counts import StepReport
from services.datagen.datasets import parquet
from services.datagen.datasets.stored import DatasetInfo, Datasets
from services.datagen.pipeline.resources import StoredDataset
from services.datagen.pipeline.steps import Pipeline

_PORTION_EXAMPLES = 512
_PORTION_CHARACTERS = 128 << 10
_PORTION_WEIGHT = 512 << 10

Check = Callable[[], None]


@dataclass
class Tally:
    """How far a job is: written by its thread, read by others."""

    read: int = 0
    written: int = 0
    total: int = 0


@dataclass(frozen=True, slots=True)
class Done:
    """The end of a job.

    Attributes:
        steps: What each step did.
        dataset: What was stored, where something was.
    """

    steps: tuple[StepReport, ...] = ()
    dataset: DatasetInfo | None = None


Item = list[Example] | Done


def stored(datasets: Datasets, name: str, check: Check) -> Iterator[list[Example]]:
    """Yields the examples of a dataset in portions."""
    with datasets.open(name) as examples:
        for portion in portions(examples):
            check()
            yield portion


def transform(
    pipeline: Pipeline, source: Iterable[Example], store_as: str, datasets: Datasets, *, tally: Tally, check: Check
) -> Iterator[Item]:
    """Runs a pipeline: yields what it gives in portions, or stores it; then its end."""
    if isinstance(source, StoredDataset):
        tally.total = source.info.examples
    feed: Iterable[Example] = _Source(source, tally) if isinstance(source, StoredDataset) else _counted(source, tally)
    with contextlib.closing(pipeline.run(feed, check)) as made:
        dataset = None
        if store_as:
            dataset = datasets.put(_told(made, tally), store_as, empty="spec.steps")
        else:
            yield from portions(_told(made, tally))
    yield Done(pipeline.reports, dataset)


def generate(
    made: Iterator[Example], total: int, store_as: str, datasets: Datasets, *, tally: Tally, check: Check
) -> Iterator[Item]:
    """Yields what a grammar makes in portions, or stores it; then the end."""
    tally.total = total

    def watched() -> Iterator[Example]:
        for example in made:
            check()
            tally.read += 1
            tally.written += 1
            yield example

    if store_as:
        yield Done(dataset=datasets.put(watched(), store_as))
    else:
        yield from portions(watched())
        yield Done()


def portions(examples: Iterable[Example]) -> Iterator[list[Example]]:
    """Cuts a stream into what fits a message."""
    held: list[Example] = []
    size = heavy = 0
    for example in examples:
        length, weight = parquet.length(example), parquet.weight(example)
        full = size + length > _PORTION_CHARACTERS or heavy + weight > _PORTION_WEIGHT
        if held and (full or len(held) >= _PORTION_EXAMPLES):
            yield held
            held, size, heavy = [], 0, 0
        held.append(example)
        size += length
        heavy += weight
    if held:
        yield held


class _Source:
    """A source that can be read several times; counts what is read of it, each time anew."""

    def __init__(self, examples: Iterable[Example], tally: Tally) -> None:
        self._examples, self._tally = examples, tally

    def __iter__(self) -> Iterator[Example]:
        self._tally.read = 0
        return _counted(self._examples, self._tally)


def _counted(examples: Iterable[Example], tally: Tally) -> Iterator[Example]:
    for example in examples:
        tally.read += 1
        yield example


def _told(examples: Iterable[Example], tally: Tally) -> Iterator[Example]:
    for example in examples:
        tally.written += 1
        yield example
