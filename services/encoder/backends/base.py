"""What the engine needs of a back end."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from services.models.spec import EncodePlan, Prediction, PredictPlan, TokenizedText
from services.runtime.errors import Unavailable


class NotFinite(ArithmeticError):
    """A hidden state that is not a number, or infinite.

    Args:
        layer: The first layer that has one.
    """

    def __init__(self, layer: int) -> None:
        super().__init__(f"Expected finite hidden states, but layer {layer} has others")
        self.layer = layer


class DeviceLost(Unavailable):
    """A device that computes no more until the process ends: another server may answer."""

    def __init__(self) -> None:
        super().__init__("The device of this server has failed, and the server ends", retry_after=5.0)


def is_device_lost(error: BaseException) -> bool:
    """Whether an error of PyTorch means that the process's GPU context is lost.

    After such an error ("sticky" in CUDA's documentation) every later call fails as well. A lack of memory is none.
    """
    names = {kind.__name__ for kind in type(error).__mro__}
    text = str(error)
    if "OutOfMemoryError" in names or "out of memory" in text:
        return False
    return "AcceleratorError" in names or (isinstance(error, RuntimeError) and "CUDA error" in text)


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

    def close(self) -> None:
        """Release threads and memory."""
