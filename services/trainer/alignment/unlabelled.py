"""Texts of target languages without answers: the second stream of data of adversarial training."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from babelscope.data.examples import Example

from services.runtime.errors import FailedPrecondition
from services.trainer.data.order import Order
from services.trainer.data.pieces import Counts, Ints, Piece, bare, framed, part
from services.trainer.tasks.base import Cutting, Task, cut_by_language


def unlabelled_pieces(
    task: Task, cutting: Cutting, examples: Sequence[Example], language: str, dataset: str
) -> tuple[Piece, ...]:
    """Texts as the model sees them in the task; what they say of the task's answers is not looked at.

    Examples of the task's own kind are cut as in training, so that a discriminator cannot tell them by their form.
    Running text, one an example, is cut to the longest input.

    Args:
        task: The task.
        cutting: How examples are cut.
        examples: Examples of the task's kind, or running text.
        language: Language tag; each example's own where empty.
        dataset: Name of the dataset, for errors.

    Raises:
        InvalidArgument: An example is of another kind, or the model must be told its language and does not have it.
        FailedPrecondition: No example has a token.
    """
    running = all(isinstance(example.content, str) for example in examples)

    def cut(some: Sequence[Example], first: int, how: Cutting) -> Iterable[Piece]:
        return _running(how, some, first) if running else task.cut(some, first, how, Counts())

    found = tuple(
        piece for piece in cut_by_language(cut, cutting, examples, language, dataset) if not piece.text.special.all()
    )
    if not found:
        raise FailedPrecondition(f"dataset {dataset}", "Expected texts with at least one token, but got none")
    return found


def _running(cutting: Cutting, examples: Sequence[Example], first: int) -> Iterator[Piece]:
    frame, none = cutting.tokenizer.frame(1), np.zeros(0, dtype=np.int64)
    room = cutting.max_tokens - frame.tokens
    texts = [str(example.content) for example in examples]
    for place, text in enumerate(cutting.tokenizer.tokenize(texts, cutting.max_tokens), start=first):
        tokens, segments, _ = framed(frame, [part(bare(text), 0, room)])
        yield Piece(place, tokens, segments, none, none, {}, 0)


@dataclass(frozen=True, eq=False)
class Stream:
    """Batches of pieces without end, shuffled anew in each pass; a batch follows from the seed and its number alone.

    Attributes:
        pieces: The pieces.
        batch_tokens: Most tokens of a batch.
        seed: Seed of the order.
    """

    pieces: tuple[Piece, ...]
    batch_tokens: int
    seed: int
    _begins: list[int] = field(default_factory=lambda: [0], repr=False)
    _passes: dict[int, list[Ints]] = field(default_factory=dict, repr=False)

    def batch(self, number: int) -> list[Piece]:
        """The pieces of a batch, from 0."""
        while self._begins[-1] <= number:
            self._begins.append(self._begins[-1] + len(self._pass(len(self._begins) - 1)))
        current = int(np.searchsorted(self._begins, number, side="right")) - 1
        return [self.pieces[place] for place in self._pass(current)[number - self._begins[current]]]

    def _pass(self, number: int) -> list[Ints]:
        """All batches of a pass; those of the last one that was asked for are kept."""
        if number not in self._passes:
            order = Order(tuple(len(piece.text) for piece in self.pieces), self.batch_tokens, 1, self.seed)
            self._passes.clear()
            self._passes[number] = [step[0] for step in order.epoch(number)]
        return self._passes[number]
