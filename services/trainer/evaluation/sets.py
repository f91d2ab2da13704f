"""Sets of examples, read and cut for a model and a task."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from babelscope.data.examples import Example

from services.runtime.errors import FailedPrecondition, InvalidArgument
from services.trainer.data.pieces import Counts, Piece
from services.trainer.kept import KEPT, weight
from services.trainer.tasks.base import Cutting, Task, cut_by_language

_CHUNK = 1024


@dataclass(frozen=True, eq=False)
class PreparedSet:
    """A set, ready for the model.

    Attributes:
        language: Language tag under which it is reported.
        dataset: Name of the dataset.
        examples: The examples, in order.
        pieces: Their pieces, in order.
        counts: What became of the examples.
    """

    language: str
    dataset: str
    examples: tuple[Example, ...]
    pieces: tuple[Piece, ...]
    counts: Counts

    @property
    def tokens(self) -> int:
        """Tokens of all pieces."""
        return sum(len(piece.text) for piece in self.pieces)

    @property
    def targets(self) -> int:
        """Terms of the loss."""
        return sum(piece.count for piece in self.pieces)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a reader of the figures must know of the set."""
        counts, name = self.counts, self.dataset
        found = []
        if counts.cut:
            found.append(
                f"{counts.cut} of {counts.examples} examples of {name} are longer than the limit and lose a part"
            )
        if counts.lost:
            found.append(
                f"{counts.lost} words, labels or answers of {name} have no place in the input: they count as errors"
            )
        if counts.unlabelled:
            found.append(f"{counts.unlabelled} of {counts.examples} examples of {name} have no label")
        if counts.unknown:
            found.append(f"No training example has these labels of {name}: {', '.join(sorted(counts.unknown))}")
        return tuple(found)


def read(examples: Iterable[Example], dataset: str) -> tuple[Example, ...]:
    """All examples of a set.

    Raises:
        FailedPrecondition: There are none.
    """
    found = tuple(examples)
    if not found:
        raise FailedPrecondition(f"dataset {dataset}", "Expected at least one example, but it is empty")
    return found


def check_scored(task: Task, examples: Iterable[Example], dataset: str) -> None:
    """Refuse a set that cannot be scored, before anything is computed for it.

    Raises:
        FailedPrecondition: It is empty, or no example has a whole gold answer.
        InvalidArgument: An example is of another kind than the task takes.
    """
    found = read(examples, dataset)
    with of_dataset(dataset):
        scored = sum(task.scored(example) for example in found)
    if not scored:
        raise nothing_to_score(task, dataset, len(found))


@contextmanager
def of_dataset(dataset: str) -> Iterator[None]:
    """Names the set in an error about its examples; that of a request is named by its field."""
    try:
        yield
    except InvalidArgument as error:
        if not dataset or error.field != "examples":
            raise
        raise InvalidArgument(f"dataset {dataset}", error.problem) from error


def nothing_to_score(task: Task, dataset: str, examples: int) -> FailedPrecondition:
    """The refusal of a set in which no example has a gold answer."""
    return FailedPrecondition(
        f"dataset {dataset}",
        f"Expected examples with whole gold answers for task {task.name}, by which predictions are scored, but none of "
        f"{examples} has one",
    )


def known_as(base: str, options: Mapping[str, str]) -> str:
    """What determines how a set is cut besides the task, the labels and the limit; see `Cutting.known`.

    Args:
        base: Digest of the model's files; empty where it is not known.
        options: Options of the task.
    """
    return json.dumps([base, dict(options)], sort_keys=True) if base else ""


def prepare(task: Task, cutting: Cutting, examples: Sequence[Example], language: str, dataset: str) -> PreparedSet:
    """Cut a set.

    Args:
        task: The task.
        cutting: How examples are cut into pieces.
        examples: The examples, at least one.
        language: Language tag; that of the first example where empty.
        dataset: Name of the dataset; empty for examples of a request.

    Raises:
        InvalidArgument: An example is of another kind than the task takes, or the model must be told its language and
            does not have it.
    """
    if not (cutting.known and dataset):
        with of_dataset(dataset):
            return _prepare(task, cutting, examples, language, dataset)
    with of_dataset(dataset):
        return _kept(task, cutting, examples, language, dataset)


def _kept(task: Task, cutting: Cutting, examples: Sequence[Example], language: str, dataset: str) -> PreparedSet:
    """A set that another job of a sweep may have cut before."""
    labels = tuple((kind, tuple(names)) for kind, names in sorted(cutting.labels.items()))
    key = ("set", task.name, cutting.known, cutting.max_tokens, labels, language, dataset)
    return KEPT.once(
        key,
        lambda: _prepare(task, cutting, examples, language, dataset),
        lambda made: weight(made.pieces) + weight(made.examples),
    )


def _prepare(task: Task, cutting: Cutting, examples: Sequence[Example], language: str, dataset: str) -> PreparedSet:
    counts, pieces = Counts(), list[Piece]()
    for first in range(0, len(examples), _CHUNK):

        def cut(some: Sequence[Example], place: int, how: Cutting, first: int = first) -> Iterable[Piece]:
            return task.cut(some, first + place, how, counts)

        pieces.extend(cut_by_language(cut, cutting, examples[first : first + _CHUNK], language, dataset))
    return PreparedSet(language or examples[0].language, dataset, tuple(examples), tuple(pieces), counts)
