"""Natural-language inference."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np
import torch
from babelscope.data.examples import Example, TextPair
from torch import Tensor
from torch.nn import functional

from services.models.spec import TokenizedText
from services.runtime.options import option
from services.trainer.data.batches import Batch
from services.trainer.data.pairs import pair_within
from services.trainer.data.pieces import NO_TARGET, Counts, Ints, Piece, bare
from services.trainer.data.words import NO_LIMIT
from services.trainer.tasks.base import Answer, Cutting, Head, Labels, affine, content, generator, indices


@dataclass(frozen=True)
class NliOptions:
    """What of a pair is read."""

    read: Literal["first", "means"] = option(
        "first: the first token's hidden state; means: those of each text's tokens, their difference and product, as "
        "static vectors need",
        default="first",
    )


class Nli:
    """A label for a pair of texts; of a long pair, the longer text loses its end.

    It is read at the first token (Devlin et al. 2019), or from the means u and v over the tokens of the two texts, as
    (u, v, |u - v|, u v) (Conneau et al. 2017, section 3.1).
    """

    name: ClassVar[str] = "nli"
    summary: ClassVar[str] = "Label of a pair of texts; examples are premises and hypotheses with their label."
    Options: ClassVar[type[NliOptions]] = NliOptions
    score: ClassVar[str] = "nli"
    main: ClassVar[str] = "accuracy"

    def __init__(self, options: NliOptions) -> None:
        self._by_means = options.read == "means"

    def score_options(self) -> Mapping[str, str]:
        """None."""
        return {}

    def detail_options(self) -> Mapping[str, str]:
        """Further options of the score: its figures have no labels but those that are always given."""
        return {}

    def labels(self, examples: Sequence[Example]) -> Labels:
        """All labels of the examples."""
        return {"label": tuple(sorted({_label(content(each, TextPair, self.name)) for each in examples} - {""}))}

    def cut(self, examples: Sequence[Example], first: int, cutting: Cutting, counts: Counts) -> list[Piece]:
        """One piece a pair."""
        known, frame = indices(cutting.labels["label"]), cutting.tokenizer.frame(2)
        pairs = [content(example, TextPair, self.name) for example in examples]
        premises = cutting.tokenizer.tokenize([pair.premise for pair in pairs], NO_LIMIT)
        hypotheses = cutting.tokenizer.tokenize([pair.hypothesis for pair in pairs], NO_LIMIT)
        pieces: list[Piece] = []
        for place, (pair, premise, hypothesis) in enumerate(zip(pairs, premises, hypotheses, strict=True)):
            text, segments = pair_within(bare(premise), bare(hypothesis), frame, cutting.max_tokens)
            rows = items = np.zeros(1, dtype=np.int64)
            if self._by_means:
                rows, items = _parts(text)
            label = _label(pair)
            target = known.get(label, NO_TARGET)
            counts.examples += 1
            counts.cut += text.truncated
            counts.unlabelled += not label
            if label and label not in known:
                counts.unknown.add(label)
            pieces.append(
                Piece(
                    example=first + place,
                    text=text,
                    segments=segments,
                    rows=rows,
                    items=items,
                    targets={"label": np.array([target], dtype=np.int64)},
                    count=int(target != NO_TARGET),
                )
            )
        return pieces

    def head(self, labels: Labels, width: int, seed: int) -> Head:
        """A hidden layer and a linear one."""
        kind = MeansHead if self._by_means else PairHead
        return kind(width, len(labels["label"]), seed)

    def decode(self, example: Example, said: Sequence[tuple[Piece, Answer]], labels: Labels) -> Example:
        """The pair with its predicted label."""
        [(_, answer)] = said
        return replace(
            example, content=replace(content(example, TextPair, self.name), label=labels["label"][answer["label"][0]])
        )

    def scored(self, example: Example) -> bool:
        """Whether the pair has a gold label."""
        return bool(_label(content(example, TextPair, self.name)))


def _label(pair: TextPair) -> str:
    """The label; empty where annotators did not agree on one, which SNLI and MultiNLI write as `-`."""
    label = pair.label.strip()
    return "" if label == "-" else label


class PairHead(Head):
    """A classifier of the first token with one hidden layer (Liu et al. 2019, RoBERTa).

    Args:
        width: Width of the hidden states.
        labels: Number of labels.
        seed: Seed of the weights.
    """

    features = 1
    """Numbers that are read of a pair, in widths of the hidden states."""

    def __init__(self, width: int, labels: int, seed: int) -> None:
        super().__init__()
        draws = generator(seed)
        self.dense = affine(width, self.features * width, draws)
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
        return [{"label": label} for label in best.cpu().numpy()[:, None]]

    def _logits(self, hidden_TD: Tensor, batch: Batch) -> Tensor:
        return self.classifier(self.dense(self._read(hidden_TD, batch)).tanh())  # type: ignore[no-any-return]

    def _read(self, hidden_TD: Tensor, batch: Batch) -> Tensor:
        """[n, d]: what is read of each pair."""
        return hidden_TD[batch.rows]


class MeansHead(PairHead):
    """A classifier of the means of both texts, their absolute difference and their product."""

    features = 4

    def _read(self, hidden_TD: Tensor, batch: Batch) -> Tensor:
        """[n, 4 d]: what is read of each pair; the mean of a text without tokens is zero."""
        counts = torch.from_numpy(batch.counts).to(hidden_TD.device)
        items = torch.from_numpy(np.concatenate([piece.items for piece in batch.pieces])).to(hidden_TD.device)
        owners = 2 * torch.repeat_interleave(torch.arange(len(counts), device=hidden_TD.device), counts) + items
        zeros = hidden_TD.new_zeros((2 * len(counts), hidden_TD.shape[1]))
        sizes = torch.bincount(owners, minlength=2 * len(counts)).clamp(min=1)[:, None]
        means = zeros.index_add(0, owners, hidden_TD[batch.rows]) / sizes
        u, v = means[0::2], means[1::2]
        return torch.cat([u, v, (u - v).abs(), u * v], dim=1)


def _parts(text: TokenizedText) -> tuple[Ints, Ints]:
    """The tokens of both texts of a pair, and which of the two each belongs to: 0 or 1."""
    rows = np.flatnonzero(~text.special)
    # Special tokens stand between the texts.
    runs = np.cumsum(np.diff(rows, prepend=rows[:1]) > 1)
    return rows, runs.clip(max=1)
