"""The way through an encoder: a batch to its hidden state of a layer, the last one where none is named."""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from services.models.layers.blocks import Layout
from services.models.layers.dropout import NO_DROPOUT, Dropout
from services.models.layers.packing import PositionRule
from services.models.spec import ComputeType
from services.models.weights import Encoder
from services.trainer.alignment.edits import LayerEdits
from services.trainer.data.batches import Batch, Batching, Packing
from services.trainer.evaluation.lower import Lower

TYPES: dict[ComputeType, torch.dtype] = {"float32": torch.float32, "bfloat16": torch.bfloat16}
"""Names of the arithmetic to torch's types."""


class Forward(Protocol):
    """An encoder with the weights of some moment, in training with its dropout."""

    @property
    def batching(self) -> Batching:
        """How pieces become its batches."""

    def __call__(
        self, batch: Batch, edits: LayerEdits, upto: int | None = None, *, lower: Lower | None = None
    ) -> Tensor:
        """The hidden state of a layer: [T, d] float32, its rows in the order of the batch's layout.

        Args:
            batch: Pieces that `batching` gave.
            edits: Edits of the hidden states; a layer's edits are seen by all layers above it.
            upto: Layer whose hidden state is wanted; the last where None, after the final norm where there is one.
            lower: Layers whose hidden state may be known from before, as no edit touches them; None for none.
        """


@dataclass(frozen=True, eq=False)
class PackedForward:
    """A forward of blocks of our own, on packed texts.

    Attributes:
        encoder: Weights, prepared for the arithmetic.
        positions: The model's rule for position ids.
        dtype: Arithmetic of the blocks.
        dropout: Dropout that the weights were built with.
    """

    encoder: Encoder
    positions: PositionRule
    dtype: ComputeType
    dropout: Dropout = NO_DROPOUT

    @property
    def batching(self) -> Packing:
        """Texts of any lengths one after the other."""
        return Packing(self.positions)

    def __call__(
        self, batch: Batch, edits: LayerEdits, upto: int | None = None, *, lower: Lower | None = None
    ) -> Tensor:
        """As `Forward` says."""
        known = None if lower is None else lower.dropping(self.dropout)
        return last_hidden_state(self.encoder, batch.layout, self.dtype, edits, upto, lower=known)


def last_hidden_state(
    encoder: Encoder,
    layout: Layout,
    dtype: ComputeType,
    interventions: LayerEdits,
    upto: int | None = None,
    *,
    lower: Lower | None = None,
) -> Tensor:
    """The last hidden state, which is after the final norm where the model has one, or that of a lower layer.

    Args:
        encoder: Weights, prepared for the arithmetic.
        layout: Layout of the texts within the rows.
        dtype: Arithmetic of the blocks; the embeddings are computed in float32.
        interventions: Edits of the hidden states; a layer's edits are seen by all layers above it.
        upto: Layer whose hidden state is wanted; the last where None.
        lower: Layers whose hidden state may be known from before, where no intervention touches them; None for none.

    Returns:
        [T, d] float32.
    """
    below = 0 if lower is None else lower.layers
    if lower is None:
        hidden_TD = interventions.apply(0, encoder.embeddings(layout), layout)
    else:
        hidden_TD = lower.hidden(layout, dtype, lambda: _through(encoder, layout, dtype, below))
    for layer, block in enumerate(encoder.blocks[:upto], start=1):
        hidden_TD = hidden_TD if layer <= below else block(hidden_TD, layout, TYPES[dtype])
        if layer == len(encoder.blocks) and encoder.final_norm is not None:
            hidden_TD = encoder.final_norm(hidden_TD)
        hidden_TD = interventions.apply(layer, hidden_TD, layout)
    return hidden_TD


def _through(encoder: Encoder, layout: Layout, dtype: ComputeType, layers: int) -> Tensor:
    """The hidden state of a layer, without interventions and without the final norm: [T, d] float32."""
    hidden_TD = encoder.embeddings(layout)
    for block in encoder.blocks[:layers]:
        hidden_TD = block(hidden_TD, layout, TYPES[dtype])
    return hidden_TD
