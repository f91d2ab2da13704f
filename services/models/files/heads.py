"""The masked-language-model head of a checkpoint, or why it has none.

A head never keeps a model from being served: one that is missing or not understood is a reason, not an error.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import torch
from torch import Tensor

from services.models.families.base import ACTIVATIONS, activation_refusal
from services.models.families.heads import HeadLayout
from services.models.layers.heads import LanguageHeads, MaskedHead, OutputLayer
from services.models.layers.linear import Linear
from services.models.layers.separate import SeparateHead
from services.models.weights import Slot, read_affine, read_norm
from services.runtime.errors import FailedPrecondition

_OTHERS: Final[Mapping[str, str]] = {
    "discriminator_predictions.": "it is an ELECTRA discriminator, which tells replaced tokens from others",
    "classifier.": "its head is that of a classifier",
    "qa_outputs.": "its head is that of a reader of questions",
    "score.": "its head is that of a classifier",
}
"""Beginnings of the names of other heads' tensors, and what such a checkpoint is."""


class Headless(Exception):
    """A checkpoint without a head that can be served; its text is the reason."""


class HeadTensors(Protocol):
    """Tensors by their whole names: those of a `Checkpoint` that is finished, or of a head that is trained."""

    def shape(self, name: str) -> tuple[int, ...] | None:
        """The shape of a tensor; None where there is none."""

    def has_any(self, beginning: str) -> bool:
        """Whether the name of a tensor begins so."""

    def numbers(self, name: str) -> Tensor:
        """A tensor in float32."""


@dataclass(frozen=True)
class _Beside:
    """A source of the tensors that stand beside the encoder."""

    checkpoint: HeadTensors

    def tensor(self, slot: Slot) -> Tensor:
        """The tensor of a slot in float32.

        Raises:
            Headless: It is not there, or does not fit the configuration.
        """
        shape = self.checkpoint.shape(slot.name)
        if shape is None:
            raise Headless(f"its masked-language-model head lacks the tensor {slot.name}")
        if shape != slot.shape:
            raise Headless(f"its tensor {slot.name} has shape {list(shape)}, where config.json asks {list(slot.shape)}")
        try:
            return self.checkpoint.numbers(slot.name)
        except FailedPrecondition as error:
            raise Headless(error.reason) from error


def read_head(
    checkpoint: HeadTensors, layout: HeadLayout, words: Sequence[Tensor], hidden_size: int, *, tied: bool
) -> LanguageHeads:
    """The head of a checkpoint whose encoder has been read, or the heads of its languages.

    The output layer is the word table where the configuration ties the two, unless the checkpoint holds one of its own
    that differs: as in transformers, the tensors are believed more than the configuration.

    Args:
        checkpoint: Tensors of the checkpoint.
        layout: Names and sizes of the head.
        words: The word table, [V, e], or that of each language.
        hidden_size: d.
        tied: Whether the configuration has the output layer share the word table.

    Raises:
        Headless: There is none, or it is not understood.
    """
    heads = tuple(
        _read_one(checkpoint, each, words[place if len(words) > 1 else 0], hidden_size, tied=tied)
        for place, each in enumerate(layout.single())
    )
    return heads[0] if len(heads) == 1 else SeparateHead(heads)


def _read_one(checkpoint: HeadTensors, layout: HeadLayout, word: Tensor, hidden_size: int, *, tied: bool) -> MaskedHead:
    """One head."""
    if not _is_there(checkpoint, layout):
        found = next((what for start, what in _OTHERS.items() if checkpoint.has_any(start)), "")
        raise Headless("its checkpoint has no masked-language-model head" + (f": {found}" if found else ""))
    refused = activation_refusal("the activation of its head", layout.activation) if layout.dense else ""
    if refused:
        raise Headless(refused)
    source, std = _Beside(checkpoint), 0.0
    dense, norm = None, None
    if layout.dense:
        dense = Linear(*read_affine(source, layout.dense, (layout.width, hidden_size), std, bias=layout.dense_bias))
        norm = read_norm(source, layout.norm, layout.width, layout.eps, bias=layout.norm_bias)
    vocabulary = int(word.shape[0])
    own = f"{layout.output}.weight"
    if tied and checkpoint.shape(own) is None:
        weight = word
    else:
        weight = source.tensor(Slot(own, (vocabulary, layout.width), "matrix"))
        if tied and torch.equal(weight, word):
            weight = word
    if weight.shape[1] != layout.width:
        raise Headless(f"its word table has width {weight.shape[1]}, where its head gives {layout.width} numbers")
    bias = None
    if layout.biases:
        name = next((each for each in layout.biases if checkpoint.shape(each) is not None), layout.biases[-1])
        bias = source.tensor(Slot(name, (vocabulary,), "bias"))
    output = OutputLayer(weight, bias, tied=weight is word)
    return MaskedHead(dense, ACTIVATIONS[layout.activation] if layout.dense else "none", norm, output)


def head_numbers(checkpoint: HeadTensors, layout: HeadLayout, *, tied: bool) -> int:
    """Numbers that the head of a checkpoint has of its own, by their shapes alone; 0 where there is none.

    Args:
        checkpoint: The checkpoint.
        layout: Names and sizes of the head.
        tied: Whether the configuration has the output layer share the word table, which then counts once.
    """
    return sum(_numbers(checkpoint, each, tied=tied) for each in layout.single())


def _numbers(checkpoint: HeadTensors, layout: HeadLayout, *, tied: bool) -> int:
    """Numbers of one head."""
    if not _is_there(checkpoint, layout):
        return 0
    names = [f"{part}.{kind}" for part in (layout.dense, layout.norm) if part for kind in ("weight", "bias")]
    names += [] if tied else [f"{layout.output}.weight"]
    names += [each for each in layout.biases if checkpoint.shape(each) is not None][:1]
    return sum(math.prod(checkpoint.shape(name) or (0,)) for name in names)


def _is_there(checkpoint: HeadTensors, layout: HeadLayout) -> bool:
    """Whether a checkpoint has a masked-language-model head."""
    if checkpoint.shape("classifier.weight") is not None:
        return False
    return layout.implied or checkpoint.shape(f"{layout.dense or layout.output}.weight") is not None
