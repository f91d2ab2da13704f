"""Natural-language inference."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import ClassVar

import numpy as np
import torch
from babelscope.data.examples import Example, TextPair
from torch import Tensor
from torch.nn import functional

from services.runtime.options import NoOptions
from services.trainer.data.batches import Batch
from services.trainer.data.pairs import pair_within
from services.trainer.data.pieces import NO_TARGET, Counts, Piece, bare
from services.trainer.data.words import NO_LIMIT
from services.trainer.tasks.base import Answer, Cutting, Head, Labels, affine, content, generator, indices, per_piece


class Nli:
    """A label for a pair of texts, read at the first token; of a long pair, the longer text loses its end."""

    name: ClassVar[str] = "nli"
    summary: ClassVar[str] = "Label of a pair of texts; examples are premises and hypotheses with their label."
    Options: ClassVar[type[NoOptions]] = NoOptions
    score: ClassVar[str] = "nli"
    main: ClassVar[str] = "accuracy"

    def __init__(self, options: NoOptions) -> None:
        pass

    def score_options(self) -> Mapping[str, str]:
        """None."""
        return {}

    def detail_options(self) -> Mapping[str, str]:
        """Further options of the score: its figures have no labels but those that are always given."""
        return {}

    def labels(self, examples: Sequence[Example]) -> Labels:
        """All labels of the examples."""
        return {"label": tuple(sorted({content(each, TextPair, self.name).label.strip() for each in examples} - {""}))}

    def cut(self, examples: Sequence[Example], first: int, cutting: Cutting, counts: Counts) -> list[Piece]:
        """One piece a pair."""
        known, frame = indices(cutting.labels["label"]), cutting.tokenizer.frame(2)
        pairs = [content(example, TextPair, self.name) for example in examples]
        premises = cutting.tokenizer.tokenize([pair.premise for pair in pairs], NO_LIMIT)
        hypotheses = cutting.tokenizer.tokenize([pair.hypothesis for pair in pairs], NO_LIMIT)
        pieces: list[Piece] = []
        for place, (pair, premise, hypothesis) in enumerate(zip(pairs, premises, hypotheses, strict=True)):
            text, segments = pair_within(bare(premise), bare(hypothesis), frame, cutting.max_tokens)
            label = pair.label.strip()
            target = known.get(label, NO_TARGET)
            counts.examples += 1
            counts.cut += text.truncated
            counts.lost += not label
            if label and label not in known:
                counts.unknown.add(label)
            pieces.append(
                Piece(
                    example=first + place,
                    text=text,
                    segments=segments,
                    rows=np.zeros(1, dtype=np.int64),
                    items=np.zeros(1, dtype=np.int64),
                    targets={"label": np.array([target], dtype=np.int64)},
                    count=int(target != NO_TARGET),
                )
            )
        return pieces

    def head(self, labels: Labels, width: int, seed: int) -> Head:
        """A hidden layer and a linear one."""
        return PairHead(width, len(labels["label"]), seed)

    def decode(self, example: Example, said: Sequence[tuple[Piece, Answer]], labels: Labels) -> Example:
        """The pair with its predicted label."""
        [(_, answer)] = said
        return replace(
            example, content=replace(content(example, TextPair, self.name), label=labels["label"][answer["label"][0]])
        )

    def scored(self, example: Example) -> bool:
        """Whether the pair has a gold label."""
        return bool(content(example, TextPair, self.name).label.strip())


class PairHead(Head):
    """A classifier of the first token with one hidden layer (Liu et al. 2019, RoBERTa).

    Args:
        width: Width of the hidden states.
        labels: Number of labels.
        seed: Seed of the weights.
    """

    def __init__(self, width: int, labels: int, seed: int) -> None:
        super().__init__()
        draws = generator(seed)
        self.dense = affine(width, width, draws)
        self.classifier = affine(labels, width, draws)

    def loss(self, hidden_TD: Tensor, batch: Batch) -> Tensor:
        """Sum of the cross-entropies of labelled pairs."""
        return functional.cross_entropy(
            self._logits(hidden_TD, batch), batch.targets("label"), ignore_index=NO_TARGET, reduction="sum"
        )

    @torch.no_grad()
    def answers(self, hidden_TD: Tensor, batch: Batch) -> list[Answer]:
        """The most probable label of each pair."""
        best = self._logits(hidden_TD, batch).argmax(dim=-1)
        return [{"label": label} for label in per_piece(best, batch)]

    def _logits(self, hidden_TD: Tensor, batch: Batch) -> Tensor:
        return self.classifier(self.dense(hidden_TD[batch.rows]).tanh())  # type: ignore[no-any-return]
