"""A loaded model: texts to tokens, tokens to hidden states."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from services.encoder.spec import EncodePlan, ModelInfo, TokenizedText


class Engine:
    """A loaded model. All methods may be called from any thread; `encode` runs one batch at a time.

    Attributes:
        info: What the model is.
        device: Where it runs, `cpu` or `cuda:0`.
    """

    info: ModelInfo
    device: str

    def tokenize(self, texts: Sequence[str], *, max_tokens: int | None = None) -> list[TokenizedText]:
        """Cut texts into tokens, at most `max_tokens` each; `.truncated` and `.full_length` tell what was cut."""
        raise NotImplementedError

    def pieces(self, ids: Sequence[int] | NDArray[np.int64]) -> list[str]:
        """The vocabulary's entries for token ids."""
        raise NotImplementedError

    def validate(self, plan: EncodePlan) -> None:
        """Raise InvalidArgument, naming the field, for a plan that this model cannot run."""
        raise NotImplementedError

    def encode(self, batch: Sequence[TokenizedText], plan: EncodePlan) -> list[NDArray[np.float32]]:
        """Hidden states of a batch: one [rows, K, d] float32 array a text, in order (views into one block)."""
        raise NotImplementedError

    def close(self) -> None:
        """Release the worker threads. The engine cannot be used afterwards."""
        raise NotImplementedError
