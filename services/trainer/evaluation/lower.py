"""The layers of a model that are not trained: what they make of a batch is the same in all jobs that start from them.

RANDOM-INIT of upper layers over frozen lower ones, or several learning rates: jobs of one seed have the same batches,
and the lower layers give the same hidden states. They are computed by the same call either way, so a hidden state that
was kept has the bits of one that is computed anew. Dropout within the layers draws from torch's generator: the
generator's state is then part of what determines them, and is set to what it was when they had been computed.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from services.models.layers.blocks import Layout
from services.models.layers.dropout import NO_DROPOUT, Dropout
from services.models.spec import ComputeType
from services.trainer.kept import KEPT


@dataclass(frozen=True)
class Lower:
    """The embeddings and the first blocks of a model, all frozen.

    Attributes:
        layers: Number of blocks, at least one.
        digest: Digest of the model's files and of these layers' weights.
        dropout: Dropout within them.
    """

    layers: int
    digest: str
    dropout: Dropout = NO_DROPOUT

    def dropping(self, dropout: Dropout) -> "Lower":
        """The same layers with dropout."""
        return replace(self, dropout=dropout)

    def hidden(self, layout: Layout, dtype: ComputeType, compute: Callable[[], Tensor]) -> Tensor:
        """Their hidden state for a batch: [T, d] float32, owned by the caller.

        Args:
            layout: Layout of the texts within the rows.
            dtype: Arithmetic of the blocks.
            compute: Computes it.
        """
        if not KEPT:
            return compute()
        device = layout.ids.device
        draws = any((self.dropout.embeddings, self.dropout.attention, self.dropout.attended))
        draws = draws or any((self.dropout.inner, self.dropout.outer))
        key = (
            "lower",
            self,
            dtype,
            str(device),
            torch.get_num_threads(),
            torch.is_inference_mode_enabled(),
            _contents(layout),
            _digest(_random(device)) if draws else b"",
        )
        hidden_TD, after = KEPT.once(
            key, lambda: (compute().cpu(), _random(device) if draws else None), lambda made: _size(*made)
        )
        if after is not None:
            _set_random(after, device)
        # Blocks may add to their argument in place.
        return hidden_TD.clone() if device.type == "cpu" else hidden_TD.to(device)


def _size(hidden_TD: Tensor, after: Tensor | None) -> int:
    return hidden_TD.nbytes + (0 if after is None else after.nbytes)


def _contents(layout: Layout) -> bytes:
    """Digest of the tokens of a batch and of where they lie."""
    digest = hashlib.sha256(f"{layout.language}".encode())
    for tensor in (layout.ids, layout.positions, layout.starts, layout.segments):
        if tensor is not None:
            digest.update(b"%d:" % len(tensor))
            digest.update(tensor.cpu().numpy().tobytes())
    return digest.digest()


def _digest(state: Tensor) -> bytes:
    return hashlib.sha256(state.numpy().tobytes()).digest()


def _random(device: torch.device) -> Tensor:
    return torch.get_rng_state() if device.type == "cpu" else torch.cuda.get_rng_state(device)


def _set_random(state: Tensor, device: torch.device) -> None:
    if device.type == "cpu":
        torch.set_rng_state(state)
    else:
        torch.cuda.set_rng_state(state, device)
