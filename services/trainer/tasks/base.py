"""What a task must say of itself: examples to pieces, the head with its loss, answers to examples, and the score.

A task is one file beside this one and one line in the registry. The loss of a batch is a sum; the loop divides it by
the number of terms of all batches of the step, so that neither accumulation nor packing changes what a term counts.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any, ClassVar, Final, Protocol, TypeVar

import numpy as np
import torch
from babelscope.data.examples import Example, Question, Sentence, TextPair
from numpy.typing import NDArray
from torch import Tensor, nn

from services.models.general.languages import Languages
from services.models.tokens.tokenization import Tokenizer
from services.runtime.errors import InvalidArgument
from services.trainer.data.batches import Batch
from services.trainer.data.pieces import Counts, Piece

Labels = Mapping[str, tuple[str, ...]]
"""Labels of a head by kind, in order: `{"upos": ("ADJ", "ADP", ...)}`."""

Answer = Mapping[str, NDArray[Any]]
"""What a head says of one piece."""

Kind = TypeVar("Kind")

_KINDS: Final[Mapping[type[Any], str]] = {str: "text", Sentence: "sentence", TextPair: "pair", Question: "question"}
"""Kinds of examples, as a dataset's column `kind` calls them."""


@dataclass(frozen=True)
class Cutting:
    """How examples are cut.

    Attributes:
        tokenizer: The model's.
        max_tokens: Longest input, special tokens included.
        labels: Labels of the head.
        languages: The languages that the model must be told; None where it needs none.
        known: What determines the tokens and the task's options; a set that was cut so is not cut again by the next job
            of a sweep. Empty where it is not known.
    """

    tokenizer: Tokenizer
    max_tokens: int
    labels: Labels
    languages: Languages | None = None
    known: str = ""


class Head(nn.Module):
    """The part of a model that a task puts on the encoder, with parameters in float32."""

    def loss(self, hidden_TD: Tensor, batch: Batch) -> Tensor:
        """Sum of the loss over the batch's targets."""
        raise NotImplementedError

    def answers(self, hidden_TD: Tensor, batch: Batch) -> list[Answer]:
        """What is said of each piece, in the order of the batch; no gradients."""
        raise NotImplementedError


class Task(Protocol):
    """A task with its options.

    `name` and `summary` describe it, `Options` is the dataclass of its options; `score` is the score of the metrics
    service that measures its predictions, and `main` the figure of it that chooses the best checkpoint.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    Options: ClassVar[type[Any]]
    score: ClassVar[str]
    main: ClassVar[str]

    def __init__(self, options: Any) -> None:
        """Takes an instance of `Options`."""

    def score_options(self) -> Mapping[str, str]:
        """Options of the score."""

    def detail_options(self) -> Mapping[str, str]:
        """Further options of the score for figures of single labels and confusions."""

    def labels(self, examples: Sequence[Example]) -> Labels:
        """All labels of the training examples, sorted.

        Raises:
            InvalidArgument: An example is of another kind.
        """

    def cut(self, examples: Sequence[Example], first: int, cutting: Cutting, counts: Counts) -> list[Piece]:
        """The pieces of some examples of a set.

        Args:
            examples: The examples.
            first: Place of the first of them in its set.
            cutting: How examples are cut into pieces.
            counts: Takes in what is split, cut, lost or not known.

        Raises:
            InvalidArgument: An example is of another kind.
        """

    def head(self, labels: Labels, width: int, seed: int) -> Head:
        """A head with fresh weights.

        Args:
            labels: Its labels.
            width: Width of the hidden states.
            seed: Seed of the weights.
        """

    def decode(self, example: Example, said: Sequence[tuple[Piece, Answer]], labels: Labels) -> Example:
        """The example with the model's answers in place of the gold ones.

        Args:
            example: The example.
            said: All its pieces in order, with what the head says of each; none where nothing of it fits.
            labels: Labels of the head.
        """

    def scored(self, example: Example) -> bool:
        """Whether the example has a whole gold answer, as the score takes it."""


def content(example: Example, kind: type[Kind], task: str) -> Kind:
    """The content of an example, of the kind that a task takes.

    Raises:
        InvalidArgument: It is of another kind.
    """
    if not isinstance(example.content, kind):
        raise InvalidArgument(
            "examples",
            f"Expected examples of kind {_KINDS[kind]} for task {task}, but {example.id[:60]!r} is of kind "
            f"{_KINDS[type(example.content)]}",
        )
    return example.content


def indices(labels: Sequence[str]) -> dict[str, int]:
    """Labels to their places."""
    return {label: place for place, label in enumerate(labels)}


def generator(seed: int) -> torch.Generator:
    """The source of a head's weights."""
    return torch.Generator().manual_seed(seed % (1 << 63))


def cut_by_language(
    cut: Callable[[Sequence[Example], int, Cutting], Iterable[Piece]],
    cutting: Cutting,
    examples: Sequence[Example],
    language: str,
    dataset: str,
) -> Iterator[Piece]:
    """The pieces of examples with their language, whose texts name it where the model must be told it.

    Args:
        cut: Cuts examples of one language: they, the place of the first one, and how.
        cutting: How examples are cut.
        examples: The examples.
        language: Language tag; each example's own where empty.
        dataset: Name of the dataset; empty for examples of a request.

    Raises:
        InvalidArgument: The model must be told the language and does not have it.
    """
    place, languages = 0, cutting.languages
    for tag, run in groupby(examples, lambda example: language or example.language):
        some = list(run)
        if languages is None:
            yield from (replace(piece, language=tag) for piece in cut(some, place, cutting))
        else:
            code = languages.code(tag, f"dataset {dataset}.language" if dataset else "example.language", "")
            for piece in cut(some, place, replace(cutting, tokenizer=cutting.tokenizer.of(code))):
                yield replace(piece, language=tag, text=languages.told(piece.text, code))
        place += len(some)


def affine(outputs: int, inputs: int, draws: torch.Generator, std: float | None = None) -> nn.Linear:
    """A linear layer with normal weights and no bias at first.

    Args:
        outputs: Width of the result.
        inputs: Width of the argument.
        draws: Source of the weights.
        std: Standard deviation; Glorot and Bengio's (2010) where None.
    """
    layer = nn.Linear(inputs, outputs, device="meta").to_empty(device="cpu")
    with torch.no_grad():
        layer.weight.normal_(0.0, (2.0 / (inputs + outputs)) ** 0.5 if std is None else std, generator=draws)
        layer.bias.zero_()
    return layer


def per_piece(values: Tensor, batch: Batch) -> list[NDArray[Any]]:
    """Values of all rows that the head read, shared out to the pieces."""
    return np.split(values.detach().cpu().numpy(), np.cumsum(batch.counts)[:-1])
