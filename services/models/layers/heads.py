"""Hidden states to scores of the vocabulary: the masked-language-model head that BERT and its relatives share."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from services.models.layers.best_words import Norms, best_words
from services.models.layers.blocks import Norm
from services.models.layers.linear import Activation, Linear, has_fast_bfloat16


class Head(Protocol):
    """What a back end needs of a head."""

    @property
    def vocabulary_size(self) -> int:
        """Tokens that it scores, V."""

    def prepare(self, dtype: torch.dtype) -> None:
        """Make ready for an arithmetic; cheap when it is already."""

    def __call__(self, hidden_TD: Tensor, dtype: torch.dtype) -> Tensor:
        """Logits, [T, V] float32, of rows [T, d] float32."""

    def best(self, hidden_TD: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """The likeliest token of each row, [T] int64, the lowest of equal ones; and about its logit, [T] float32."""


class LanguageHeads(Protocol):
    """The heads of a model's languages, or the one that all share."""

    def of(self, language: int | None) -> "MaskedHead":
        """The head of a language: itself where all languages share it."""

    def with_tables(self, words: Sequence[Tensor]) -> "LanguageHeads":
        """The heads over other word tables [V, e]; itself where its output layer is not tied to a table."""

    @property
    def vocabulary_size(self) -> int:
        """Tokens that each of them scores, V."""

    def prepare(self, dtype: torch.dtype) -> None:
        """Make ready for an arithmetic; cheap when they are already."""


class OutputLayer:
    """The last layer of a head, whose weight is most often the word table itself.

    Its weight is brought into the layout of the fastest product when it is first needed: a server that predicts no
    tokens holds no copy of the word table.

    Args:
        weight: [V, e] float32.
        bias: [V] float32, or None.
        tied: Whether `weight` is the word table.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None, *, tied: bool) -> None:
        self.weight, self.bias, self.tied = weight, bias, tied
        self._lock = threading.Lock()
        self._linear: Linear | None = None
        self._norms: Norms | None = None

    def prepare(self, dtype: torch.dtype) -> None:
        """Make ready for an arithmetic; cheap when it is already."""
        with self._lock:
            if self._linear is None:
                self._linear = Linear(self.weight, self.bias)
        self._linear.prepare(dtype)

    def __call__(self, rows_TE: Tensor) -> Tensor:
        """[T, V] of rows [T, e], of a type that is prepared."""
        if self._linear is None:
            raise RuntimeError("Expected `prepare` to be called before the output layer is applied")
        return self._linear(rows_TE)

    @property
    def certifies(self) -> bool:
        """Whether `best` is faster here than all logits: where products in bfloat16 are, on a processor."""
        return self._linear is not None and self._linear.blocked and has_fast_bfloat16()

    def best(self, rows_TE: Tensor) -> tuple[Tensor, Tensor]:
        """The word of the largest logit of each row, and about that logit: see `best_words`.

        Args:
            rows_TE: [T, e] float32, finite; float32 is prepared.
        """
        self.prepare(torch.bfloat16)
        with self._lock:
            if self._norms is None:
                self._norms = Norms.of(self.weight, self.bias)
        return best_words(self.weight, self.bias, self._norms, self, rows_TE)


@dataclass(frozen=True, eq=False)
class MaskedHead:
    """Affine layer, activation, norm, output layer (Devlin et al. 2019, appendix A.2, as published in code).

    Attributes:
        dense: [e, d]; None where the output layer stands alone.
        activation: After `dense`.
        norm: After the activation; None where the output layer stands alone.
        output: [V, e].
    """

    dense: Linear | None
    activation: Activation
    norm: Norm | None
    output: OutputLayer

    @property
    def vocabulary_size(self) -> int:
        """Tokens that it scores, V."""
        return int(self.output.weight.shape[0])

    def prepare(self, dtype: torch.dtype) -> None:
        """Make ready for an arithmetic; cheap when it is already."""
        if self.dense is not None:
            self.dense.prepare(dtype)
        self.output.prepare(dtype)

    def of(self, language: int | None) -> "MaskedHead":
        """Itself: all languages share it."""
        return self

    def with_tables(self, words: Sequence[Tensor]) -> "MaskedHead":
        """The head over another word table [V, e]; itself where its output layer is not tied to the table."""
        if not self.output.tied:
            return self
        [word] = words
        return replace(self, output=OutputLayer(word, self.output.bias, tied=True))

    def __call__(self, hidden_TD: Tensor, dtype: torch.dtype) -> Tensor:
        """Logits, [T, V] float32, of rows [T, d] float32."""
        return self.output(self.transformed(hidden_TD, dtype).to(dtype)).float()

    def transformed(self, hidden_TD: Tensor, dtype: torch.dtype) -> Tensor:
        """What the output layer is applied to, [T, e] float32."""
        if self.dense is None or self.norm is None:
            return hidden_TD
        return self.norm(self.dense(hidden_TD.to(dtype), self.activation).float())

    def best(self, hidden_TD: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """The likeliest token of each row, and about its logit: see `Head`."""
        rows_TE = self.transformed(hidden_TD, dtype)
        if dtype == torch.float32 and self.output.certifies and bool(torch.isfinite(rows_TE).all()):
            return self.output.best(rows_TE)
        return largest(self.output(rows_TE.to(dtype)).float())


def largest(logits_TV: Tensor) -> tuple[Tensor, Tensor]:
    """The first of the largest logits of each row, and that logit."""
    # Unlike max, argmax names the first of equal values.
    ids = logits_TV.argmax(dim=-1)
    return ids, logits_TV.gather(1, ids[:, None])[:, 0]
