"""What the engine needs of a back end."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from services.models.spec import Edit, EncodePlan, Prediction, PredictPlan, TokenizedText


class NotFinite(ArithmeticError):
    """A hidden state that is not a number, or infinite.

    Args:
        layer: The first layer that has one.
    """

    def __init__(self, layer: int) -> None:
        super().__init__(f"Expected finite hidden states, but layer {layer} has others")
        self.layer = layer


class Backend(Protocol):
    """A model on a device."""

    device: str
    """`cpu` or `cuda:0`."""

    def run(self, batch: Sequence[TokenizedText], plan: EncodePlan) -> list[NDArray[np.float32]]:
        """One [rows, K, d] float32 array a text, in order. The plan fits the model; the batch is not empty.

        Raises:
            NotFinite: The model, or an edit, drives the hidden states out of the finite numbers.
        """

    def predict(self, batch: Sequence[TokenizedText], plan: PredictPlan) -> list[Prediction]:
        """What the masked-language-model head says at every position of each text, in order.

        Called only where the model's `info.predicts_tokens` is true. What settings have in common up to some layer
        is to be computed once, and the logits of a few rows held at a time.

        Raises:
            NotFinite: The model, or an edit, drives the hidden states or the logits out of the finite numbers.
        """

    def table_rows(self, ids: NDArray[np.int64], language: int | None, edits: Sequence[Edit]) -> NDArray[np.float32]:
        """Rows of the word embedding table, [n, e], after the edits of layer 0.

        Args:
            ids: [n], within the vocabulary.
            language: What the model takes for the language, where each has a table of its own.
            edits: Fit the table's width.

        Raises:
            NotFinite: The table, or an edit, has numbers that are not finite.
        """

    def close(self) -> None:
        """Release threads and memory."""
