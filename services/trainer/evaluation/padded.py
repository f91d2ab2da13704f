"""The way through an encoder of transformers: its own modules with hooks, on batches that are padded on the right."""

from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from services.models.general.loading import Base, arguments
from services.models.general.padding import Rows
from services.models.general.taps import Taps
from services.models.spec import ComputeType
from services.trainer.alignment.edits import LayerEdits
from services.trainer.data.batches import Batch, Padding
from services.trainer.evaluation.lower import Lower


@dataclass(frozen=True, eq=False)
class PaddedForward:
    """A forward of transformers' own modules.

    Attributes:
        base: The model.
        taps: Its modules, hooked; in training they drop numbers themselves.
        dtype: Arithmetic of linear layers; all else is float32.
    """

    base: Base
    taps: Taps
    dtype: ComputeType

    @property
    def batching(self) -> Padding:
        """Texts of similar length."""
        return Padding(self.base.padded)

    def __call__(
        self, batch: Batch, edits: LayerEdits, upto: int | None = None, *, lower: Lower | None = None
    ) -> Tensor:
        """As `Forward` says. A module cannot be entered in the middle: all layers are computed, whatever is known."""
        base, last = self.base, self.taps.layers if upto is None else upto
        texts = [piece.text for piece in batch.pieces]
        lengths = np.array([len(text) for text in texts], dtype=np.int64)
        filler = len(batch.layout.ids) - int(lengths.sum())
        rows = Rows(lengths, int(lengths.max()), filler, base.device)
        found: list[Tensor] = []

        def edited(layer: int, rows_TD: Tensor) -> Tensor:
            rows_TD = edits.apply(layer, rows_TD, batch.layout)
            if layer == last:
                found.append(rows_TD)
            return rows_TD

        def visit(layer: int, hidden_BTD: Tensor) -> Tensor:
            if layer < last and not edits.touches(layer):
                return hidden_BTD
            return rows.changed(hidden_BTD, partial(edited, layer))

        inputs = arguments(texts, base.languages, base.padding, base.device)
        if base.segments > 1:
            inputs["token_type_ids"] = _segments(batch, inputs["input_ids"])
        self.taps.run(inputs, visit, last, rounded=self.dtype == "bfloat16")
        return found[0]


def _segments(batch: Batch, ids_BT: Tensor) -> Tensor:
    """The segment of each token of a padded batch, [B, T] int64."""
    segments = np.zeros(tuple(ids_BT.shape), dtype=np.int64)
    for row, piece in enumerate(batch.pieces):
        if piece.segments is not None:
            segments[row, : len(piece.text)] = piece.segments
    return torch.from_numpy(segments).to(ids_BT.device)
