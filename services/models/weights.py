"""The tensors of an encoder: what each is called, its shape, how the model's authors draw it, and where it comes from.

A family describes its tensors once, as slots. A *source* fills slots: the checkpoint's files, or a random generator.
So a re-initialised block is built by the very code that loads one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor

from services.models.layers.blocks import AnyNorm, Block, Layout, Norm, RmsNorm
from services.models.layers.dropout import drop
from services.models.layers.heads import LanguageHeads
from services.models.layers.linear import Linear
from services.models.layers.lookup import looked_up
from services.models.layers.separate import of_language

Rule = Literal["matrix", "bias", "scale", "offset", "table", "sinusoid"]


@dataclass(frozen=True)
class Slot:
    """One tensor of an encoder.

    Attributes:
        name: Its name in the checkpoint, without the model's prefix.
        shape: Its shape.
        rule: What it is, which decides how it is drawn: the weight or bias of an affine layer, the scale or offset of
            a norm, an embedding table, or fixed sinusoids.
        std: Standard deviation of the model's own draw, for matrices and tables.
        cutoff: The draw is cut at this many standard deviations; None for a plain normal one.
        inputs: Inputs of the affine layer; PyTorch's default bounds are 1 / sqrt(inputs).
        padding: Row of a table that is drawn as zero.
    """

    name: str
    shape: tuple[int, ...]
    rule: Rule
    std: float = 0.0
    cutoff: float | None = None
    inputs: int = 0
    padding: int | None = None


class Source(Protocol):
    """Where tensors come from."""

    def tensor(self, slot: Slot) -> Tensor:
        """The tensor of a slot: float32, on the model's device, owned by the caller."""


@dataclass(frozen=True, eq=False)
class Embeddings:
    """Token ids and positions to hidden state 0.

    Attributes:
        word: [V, e] float32.
        position: [P, e] float32; None where positions enter elsewhere.
        segment: [S, e] float32, of which row 0 is used where the layout names no others; None where the model has none.
        norm: Normalisation; None where the first block begins with one, or the model has none.
        project: [d, e], where e is not d.
        dropout: After the norm; None in serving.
    """

    word: Tensor
    position: Tensor | None
    segment: Tensor | None
    norm: AnyNorm | None
    project: Linear | None
    dropout: float | None = None

    @property
    def words(self) -> tuple[Tensor, ...]:
        """The word table, as the only one."""
        return (self.word,)

    def __call__(self, layout: Layout) -> Tensor:
        """Hidden state 0: [T, d] float32. The terms are added in the order in which transformers adds them."""
        summed_TD = looked_up(self.word, layout.ids)
        if self.segment is not None:
            segments = layout.segments
            summed_TD += self.segment[0] if segments is None else torch.index_select(self.segment, 0, segments)
        if self.position is not None:
            summed_TD += torch.index_select(self.position, 0, layout.positions)
        normed_TD = drop(summed_TD if self.norm is None else self.norm(summed_TD), self.dropout)
        return normed_TD if self.project is None else self.project(normed_TD)


@dataclass(frozen=True, eq=False)
class SeparateEmbeddings:
    """Embeddings of which each language has its own.

    Attributes:
        parts: The embeddings of each language, by what the model takes for it; all of one size.
        dropout: After the norm; None in serving.
    """

    parts: tuple[Embeddings, ...]
    dropout: float | None = None

    @property
    def word(self) -> Tensor:
        """The first language's word table, [V, e], whose shape all have."""
        return self.parts[0].word

    @property
    def words(self) -> tuple[Tensor, ...]:
        """The word table of each language."""
        return tuple(part.word for part in self.parts)

    @property
    def project(self) -> Linear | None:
        """The first language's projection, whose shape all have; None where the tables are as wide as the blocks."""
        return self.parts[0].project

    def __call__(self, layout: Layout) -> Tensor:
        """Hidden state 0: [T, d] float32."""
        return drop(of_language(self.parts, layout.language)(layout), self.dropout)


@dataclass(frozen=True, eq=False)
class Encoder:
    """All weights of an encoder. Variants share the parts that they do not replace.

    Attributes:
        embeddings: Hidden state 0.
        blocks: L blocks.
        final_norm: Applied to the last hidden state, where the model has it.
        parameters: Numbers in all tensors.
        head: The masked-language-model head that the checkpoint carries beside them; None where there is none.
        headless: Why there is none; empty where there is one.
    """

    embeddings: Embeddings | SeparateEmbeddings
    blocks: tuple[Block, ...]
    final_norm: AnyNorm | None
    parameters: int
    head: LanguageHeads | None = None
    headless: str = ""

    @property
    def hidden_size(self) -> int:
        """Width of the hidden states, d."""
        embeddings = self.embeddings
        return int(embeddings.word.shape[1]) if embeddings.project is None else embeddings.project.shape[0]

    def prepare(self, dtype: torch.dtype) -> None:
        """Make the blocks ready for an arithmetic."""
        for block in self.blocks:
            for linear in block.linears():
                linear.prepare(dtype)


def read_affine(
    source: Source,
    name: str,
    shape: tuple[int, int],
    std: float,
    *,
    bias: bool = True,
    cutoff: float | None = None,
) -> tuple[Tensor, Tensor | None]:
    """Weight and bias of one affine layer of the checkpoint.

    Args:
        source: Source of the tensors.
        name: Checkpoint name without `.weight`.
        shape: (outputs, inputs).
        std: Standard deviation of the model's own draw.
        bias: Whether it has a bias.
        cutoff: Cutoff of the model's own draw.
    """
    weight = source.tensor(Slot(f"{name}.weight", shape, "matrix", std=std, cutoff=cutoff, inputs=shape[1]))
    if not bias:
        return weight, None
    return weight, source.tensor(Slot(f"{name}.bias", shape[:1], "bias", inputs=shape[1]))


def read_linear(source: Source, names: Sequence[str], shape: tuple[int, int], std: float) -> Linear:
    """One layer from one or several checkpoint layers with biases, stacked by output; see `read_affine`."""
    return stacked([read_affine(source, name, shape, std) for name in names])


def stacked(parts: Sequence[tuple[Tensor, Tensor | None]]) -> Linear:
    """One layer from weights and biases of several, by output; all have a bias or none has."""
    if len(parts) == 1:
        return Linear(*parts[0])
    biases = [bias for _, bias in parts if bias is not None]
    return Linear(_joined([weight for weight, _ in parts]), _joined(biases) if biases else None)


def _joined(parts: Sequence[Tensor]) -> Tensor:
    """Tensors below one another; of tensors without numbers, one without numbers.

    Joining those is left to Python in torch, which imports its compiler for it: a second or two of every process.
    """
    if any(not part.is_meta for part in parts):
        return torch.cat(list(parts))
    return parts[0].new_empty((sum(len(part) for part in parts), *parts[0].shape[1:]))


def read_norm(source: Source, name: str, size: int, eps: float, *, bias: bool = True) -> Norm:
    """A layer normalisation."""
    return Norm(
        weight=source.tensor(Slot(f"{name}.weight", (size,), "scale")),
        bias=source.tensor(Slot(f"{name}.bias", (size,), "offset")) if bias else None,
        eps=eps,
    )


def read_rms_norm(source: Source, name: str, size: int, eps: float) -> RmsNorm:
    """A root mean square normalisation."""
    return RmsNorm(source.tensor(Slot(f"{name}.weight", (size,), "scale")), eps)
