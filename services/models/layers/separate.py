"""Parts of a model of which each language has its own (Conneau, Wu et al. 2020, section 4.3).

All texts of a pack are of one language, which its layout names: a part of several languages is the part of that one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

from services.models.layers.blocks import Block, Layout
from services.models.layers.dropout import Dropout
from services.models.layers.heads import MaskedHead
from services.models.layers.linear import Linear

Part = TypeVar("Part")


def of_language(parts: Sequence[Part], language: int | None) -> Part:
    """The part of a language.

    Raises:
        ValueError: The texts have no language, or several.
    """
    if language is None:
        raise ValueError("Expected texts of one language that is told, but got none or several")
    return parts[language]


@dataclass(frozen=True, eq=False)
class SeparateBlock:
    """A block of which each language has its own.

    Attributes:
        parts: The block of each language, by what the model takes for it.
    """

    parts: tuple[Block, ...]

    def linears(self) -> tuple[Linear, ...]:
        """The affine layers of all languages."""
        return tuple(linear for part in self.parts for linear in part.linears())

    def with_dropout(self, dropout: Dropout) -> "SeparateBlock":
        """The same weights with dropout, for training."""
        return SeparateBlock(tuple(part.with_dropout(dropout) for part in self.parts))

    def __call__(self, hidden_TD: Tensor, layout: Layout, dtype: torch.dtype) -> Tensor:
        """Apply the block of the layout's language to [T, d] float32 rows."""
        return of_language(self.parts, layout.language)(hidden_TD, layout, dtype)


@dataclass(frozen=True, eq=False)
class SeparateHead:
    """A masked-language-model head of which each language has its own.

    Attributes:
        parts: The head of each language, by what the model takes for it.
    """

    parts: tuple[MaskedHead, ...]

    @property
    def vocabulary_size(self) -> int:
        """Tokens that each of them scores, V."""
        return self.parts[0].vocabulary_size

    def of(self, language: int | None) -> MaskedHead:
        """The head of a language."""
        return of_language(self.parts, language)

    def prepare(self, dtype: torch.dtype) -> None:
        """Make ready for an arithmetic; cheap when they are already."""
        for part in self.parts:
            part.prepare(dtype)

    def with_tables(self, words: Sequence[Tensor]) -> "SeparateHead":
        """The heads over other word tables, of which there is one for each of them where they are tied."""
        if not self.parts[0].output.tied:
            return self
        return SeparateHead(tuple(part.with_tables([word]) for part, word in zip(self.parts, words, strict=True)))
