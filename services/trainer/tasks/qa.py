"""Extractive question answering."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import torch
from babelscope.data.examples import Answer as Span
from babelscope.data.examples import Example, Question
from torch import Tensor
from torch.nn import functional

from services.models.spec import TokenizedText
from services.runtime.options import option
from services.trainer.data.batches import Batch
from services.trainer.data.pairs import windows
from services.trainer.data.pieces import NO_TARGET, Counts, Piece, bare, framed, part
from services.trainer.data.words import NO_LIMIT
from services.trainer.tasks.base import (
    Answer,
    Cutting,
    Head,
    Labels,
    affine,
    content,
    generator,
    per_piece,
)
from services.trainer.tasks.spans import best_span


@dataclass(frozen=True)
class QaOptions:
    """Options of the task."""

    overlap: int = option(
        "Tokens that consecutive windows of a long context share, at most half a window.", default=128, minimum=0
    )
    question_tokens: int = option(
        "Largest number of tokens of a question, which loses its end beyond them.", default=64, minimum=1
    )
    answer_tokens: int = option("Largest number of tokens of a predicted answer.", default=30, minimum=1)
    unanswerable: bool = option(
        "Whether a question may be left without an answer, where no span scores better.", default=False
    )
    normaliser: str = option(
        "Normaliser of the score: `squad`, `mlqa`, `char` or `korquad`; by language where empty.", default=""
    )


class Qa:
    """The span of a context that answers a question (Devlin et al. 2019, section 4.2), measured by F1 and EM.

    A long context is read in windows that overlap; in a window without the answer the right span is the first token.
    Answers are cut out of the context by the characters of their tokens.
    """

    name: ClassVar[str] = "qa"
    summary: ClassVar[str] = "Answer span in a context; examples are questions with their context and gold answers."
    Options: ClassVar[type[QaOptions]] = QaOptions
    score: ClassVar[str] = "qa"
    main: ClassVar[str] = "f1"

    def __init__(self, options: QaOptions) -> None:
        self._overlap = options.overlap
        self._question_tokens = options.question_tokens
        self._answer_tokens = options.answer_tokens
        self._may_abstain = options.unanswerable
        self._normaliser = options.normaliser

    def score_options(self) -> Mapping[str, str]:
        """Options of the score."""
        return {"normaliser": self._normaliser} if self._normaliser else {}

    def detail_options(self) -> Mapping[str, str]:
        """Further options of the score: its figures have no labels but those that are always given."""
        return {}

    def labels(self, examples: Sequence[Example]) -> Labels:
        """None."""
        for example in examples:
            content(example, Question, self.name)
        return {}

    def cut(self, examples: Sequence[Example], first: int, cutting: Cutting, counts: Counts) -> list[Piece]:
        """One piece a window."""
        frame = cutting.tokenizer.frame(2)
        asked = [content(example, Question, self.name) for example in examples]
        questions = cutting.tokenizer.tokenize([each.question for each in asked], NO_LIMIT)
        contexts = cutting.tokenizer.tokenize([each.context for each in asked], NO_LIMIT)
        most = min(self._question_tokens, (cutting.max_tokens - frame.tokens) // 2)
        pieces: list[Piece] = []
        for place, given in enumerate(asked):
            whole, context = bare(questions[place]), bare(contexts[place])
            question = part(whole, 0, most)
            room = cutting.max_tokens - frame.tokens - len(question)
            counts.examples += 1
            counts.cut += question.truncated
            counts.split += len(context) > room
            right = gold_span(given, context)
            lost = bool(given.answers) and right is None
            counts.lost += lost
            for begin, end in windows(len(context), room, self._overlap):
                text, segments, [_, row] = framed(frame, [question, part(context, begin, end)])
                inside = right is not None and begin <= right[0] and right[1] < end
                # Row 0 is the first token: no answer here.
                start, last = (right[0] - begin + 1, right[1] - begin + 1) if right and inside else (0, 0)
                target = (NO_TARGET, NO_TARGET) if lost else (start, last)
                pieces.append(
                    Piece(
                        example=first + place,
                        text=text,
                        segments=segments,
                        rows=np.concatenate(([0], row + np.arange(end - begin))),
                        items=np.arange(begin - 1, end),
                        targets={
                            "start": np.array(target[:1], dtype=np.int64),
                            "end": np.array(target[1:], dtype=np.int64),
                        },
                        count=0 if lost else 1,
                    )
                )
        return pieces

    def head(self, labels: Labels, width: int, seed: int) -> Head:
        """One linear layer with two outputs."""
        return SpanHead(width, seed)

    def decode(self, example: Example, said: Sequence[tuple[Piece, Answer]], labels: Labels) -> Example:
        """The question with its predicted answer; none where there is no context, or nothing scores better."""
        question = content(example, Question, self.name)
        best: tuple[float, int, int] | None = None
        nothing = np.inf
        for piece, answer in said:
            starts, ends = answer["starts"], answer["ends"]
            nothing = min(nothing, float(starts[0]) + float(ends[0]))
            if len(starts) < 2:
                continue
            first, last, score = best_span(starts[1:], ends[1:], self._answer_tokens)
            if best is None or score > best[0]:
                rows = piece.rows[1:]
                best = (score, int(piece.text.starts[rows[first]]), int(piece.text.ends[rows[last]]))
        answers: tuple[Span, ...] = ()
        if best is not None and not (self._may_abstain and nothing > best[0]):
            found = question.context[best[1] : best[2]]
            # A tokenizer may count the space before a word among its characters.
            start = best[1] + len(found) - len(found.lstrip())
            answers = (Span(found.strip(), start),)
        return replace(example, content=replace(question, answers=answers))

    def scored(self, example: Example) -> bool:
        """Whether the question has a gold answer with text, or none at all where a question may have none."""
        answers = content(example, Question, self.name).answers
        return any(answer.text.strip() for answer in answers) or (self._may_abstain and not answers)


class SpanHead(Head):
    """Scores of tokens as first and as last of the answer.

    Args:
        width: Width of the hidden states.
        seed: Seed of the weights.
    """

    def __init__(self, width: int, seed: int) -> None:
        super().__init__()
        self.outputs = affine(2, width, generator(seed), 0.02)

    def loss(self, hidden_TD: Tensor, batch: Batch) -> Tensor:
        """Sum over windows of the mean cross-entropy of first and last token."""
        places, there = batch.padded()
        scores = self.outputs(hidden_TD[batch.rows])[places].masked_fill(~there[..., None], -torch.inf)
        losses = [
            functional.cross_entropy(scores[..., side], batch.targets(name), ignore_index=NO_TARGET, reduction="sum")
            for side, name in enumerate(("start", "end"))
        ]
        return (losses[0] + losses[1]) / 2

    @torch.no_grad()
    def answers(self, hidden_TD: Tensor, batch: Batch) -> list[Answer]:
        """Both scores of each token."""
        scores = per_piece(self.outputs(hidden_TD[batch.rows]), batch)
        return [{"starts": each[:, 0], "ends": each[:, 1]} for each in scores]


def gold_span(question: Question, context: TokenizedText) -> tuple[int, int] | None:
    """First and last token of the first gold answer; None where there is none, or not where it says, or no token."""
    for answer in question.answers[:1]:
        start, stop = answer.start, answer.start + len(answer.text)
        if not answer.text.strip() or question.context[start:stop] != answer.text:
            return None
        inside = np.flatnonzero((context.ends > start) & (context.starts < stop) & (context.ends > context.starts))
        if len(inside):
            return int(inside[0]), int(inside[-1])
    return None
