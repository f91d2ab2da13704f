"""A tag for each word, read at its first sub-word: what tagging parts of speech and entities share."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from babelscope.data.examples import Example, Sentence, Word
from torch import Tensor
from torch.nn import functional

from services.trainer.data.batches import Batch
from services.trainer.data.pieces import NO_TARGET, Counts, Piece
from services.trainer.data.words import cut_sentences
from services.trainer.tasks.base import Answer, Cutting, Head, Labels, affine, content, generator, indices, per_piece

STD = 0.02
"""Standard deviation of a classifier's weights at first, as transformers has it."""


class WordTags:
    """Tags of words; a subclass says which.

    A sentence of too many tokens is split between words. A word without tokens gets no tag, which counts as an error.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    Options: ClassVar[type[Any]]
    score: ClassVar[str]
    main: ClassVar[str]
    tag: ClassVar[Literal["upos", "ner"]]
    """Field of a word."""

    def score_options(self) -> Mapping[str, str]:
        """Options of the score."""
        raise NotImplementedError

    def detail_options(self) -> Mapping[str, str]:
        """Further options of the score for figures of single labels and confusions."""
        return {"confusion": "true"} if self.score == "tagging" else {"types": "true"}

    def labels(self, examples: Sequence[Example]) -> Labels:
        """All tags of the examples."""
        found = {self._tag(word) for example in examples for word in content(example, Sentence, self.name).words}
        return {self.tag: tuple(sorted(found - {""}))}

    def cut(self, examples: Sequence[Example], first: int, cutting: Cutting, counts: Counts) -> list[Piece]:
        """One piece a sentence; several where it is split."""
        known = indices(cutting.labels[self.tag])
        sentences = [content(example, Sentence, self.name).words for example in examples]
        forms = [[word.form for word in words] for words in sentences]
        pieces: list[Piece] = []
        for place, cut in enumerate(cut_sentences(forms, cutting.tokenizer, cutting.max_tokens, split=True)):
            words = sentences[place]
            counts.examples += 1
            counts.split += cut.over_long
            counts.lost += cut.lost
            counts.unknown.update(self._tag(word) for word in words if self._tag(word) and self._tag(word) not in known)
            for window in cut.windows:
                targets = np.array([known.get(self._tag(words[word]), NO_TARGET) for word in window.words])
                pieces.append(
                    Piece(
                        example=first + place,
                        text=window.text,
                        segments=None,
                        rows=window.rows,
                        items=window.words,
                        targets={"tags": targets},
                        count=int((targets != NO_TARGET).sum()),
                    )
                )
        return pieces

    def head(self, labels: Labels, width: int, seed: int) -> Head:
        """One linear layer."""
        return TagHead(width, len(labels[self.tag]), seed)

    def decode(self, example: Example, said: Sequence[tuple[Piece, Answer]], labels: Labels) -> Example:
        """The sentence with predicted tags; words without tokens have none."""
        sentence = content(example, Sentence, self.name)
        found = [""] * len(sentence.words)
        for piece, answer in said:
            for word, tag in zip(piece.items.tolist(), answer["tags"].tolist(), strict=True):
                found[word] = labels[self.tag][tag]
        words = tuple(self._tagged(word, tag) for word, tag in zip(sentence.words, found, strict=True))
        return replace(example, content=Sentence(words, sentence.text))

    def scored(self, example: Example) -> bool:
        """Whether the sentence has words, and each of them a tag."""
        words = content(example, Sentence, self.name).words
        return bool(words) and all(self._tag(word) for word in words)

    def _tag(self, word: Word) -> str:
        return str(getattr(word, self.tag))

    def _tagged(self, word: Word, tag: str) -> Word:
        """A word with nothing but its form and the predicted tag."""
        plain = Word(word.form, space_after=word.space_after)
        return replace(plain, upos=tag) if self.tag == "upos" else replace(plain, ner=tag)


class TagHead(Head):
    """A linear classifier of words (Devlin et al. 2019, section 5.3).

    Args:
        width: Width of the hidden states.
        labels: Number of tags.
        seed: Seed of the weights.
    """

    def __init__(self, width: int, labels: int, seed: int) -> None:
        super().__init__()
        self.classifier = affine(labels, width, generator(seed), STD)

    def loss(self, hidden_TD: Tensor, batch: Batch) -> Tensor:
        """Sum of the cross-entropies of words that have a tag."""
        return functional.cross_entropy(
            self.classifier(hidden_TD[batch.rows]), batch.targets("tags"), ignore_index=NO_TARGET, reduction="sum"
        )

    @torch.no_grad()
    def answers(self, hidden_TD: Tensor, batch: Batch) -> list[Answer]:
        """The most probable tag of each word."""
        best = self.classifier(hidden_TD[batch.rows]).argmax(dim=-1)
        return [{"tags": tags} for tags in per_piece(best, batch)]
