"""The answer of a batch, which fills up chunk by chunk as its layers are computed.

On a processor the rows of a layer go straight to their places. From an accelerator each such copy would wait for all
that was asked of it, layer after layer. There the rows of a chunk, and whether they are finite, stay where they were
computed until the last layer, and come back in one copy through page-locked memory while the next chunk is computed.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Final, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from services.encoder.backends.base import NotFinite
from services.encoder.backends.decoding import finite
from services.encoder.backends.places import answer_places
from services.encoder.backends.workers import Workers
from services.models.row_groups import row_count
from services.models.spec import EncodePlan, TokenizedText

RETURNED_BYTES: Final = 256 << 20
"""Rows that come back together, at most, unless a single text has more. Two such blocks are held on the device, and two
in page-locked memory."""


class Chunk(Protocol):
    """The rows of some texts of a batch."""

    def put(self, layer: int, rows_ND: Tensor) -> None:
        """Takes the rows of one layer, [N, d] float32 in the order of the texts.

        Raises:
            NotFinite: One of their numbers is not finite, as far as that is known already.
        """

    def send(self) -> None:
        """Says that all layers have been taken; waits for nothing."""

    def finish(self) -> None:
        """Waits until the rows are in the answer.

        Raises:
            NotFinite: One of their numbers is not finite.
        """


class Answer:
    """The rows of a batch, [R, K, d] float32 on the processor.

    Args:
        batch: Texts of the batch.
        plan: Layers and pooling.
        width: d.
        device: Where the layers are computed.
        deferred: Whether the rows of a chunk come back together; None for what suits the device.
    """

    def __init__(
        self,
        batch: Sequence[TokenizedText],
        plan: EncodePlan,
        width: int,
        device: str,
        *,
        deferred: bool | None = None,
    ) -> None:
        self.offsets = np.cumsum([0, *(row_count(text, plan.pooling) for text in batch)])
        self.rows = torch.empty((int(self.offsets[-1]), len(plan.layers), width), dtype=torch.float32)
        self.columns: dict[int, list[int]] = {}
        for column, layer in enumerate(plan.layers):
            self.columns.setdefault(layer, []).append(column)
        self._tokens = sum(map(len, batch))
        self._device = device
        self._deferred = device != "cpu" if deferred is None else deferred

    def at_once(self, tokens: int) -> int:
        """Tokens of a chunk whose rows can come back together.

        Args:
            tokens: What the device would compute at a time.
        """
        if not self._deferred:
            return tokens
        each = self.rows.numel() * self.rows.element_size() / self._tokens
        return max(1, min(tokens, int(RETURNED_BYTES / each))) if each else tokens

    def chunk(self, members: NDArray[np.int64]) -> Chunk:
        """Where the rows of some texts go.

        Args:
            members: [n] places of the texts in the batch.
        """
        places = torch.from_numpy(answer_places(members, self.offsets))
        return _Deferred(self, places, self._device) if self._deferred else _Direct(self, places)

    def fill(
        self,
        compute: Callable[[NDArray[np.int64]], Chunk],
        chunks: Sequence[NDArray[np.int64]],
        workers: Workers,
    ) -> list[NDArray[np.float32]]:
        """Compute all chunks.

        Args:
            compute: Puts all layers of some texts into their chunk, and sends it.
            chunks: Places of the texts of each.
            workers: Threads that compute: a chunk each on a processor, one for all on an accelerator.

        Returns:
            [rows, K, d] of each text, in order; views into one block.

        Raises:
            NotFinite: A hidden state is not finite.
        """
        if self._deferred:
            workers.run(lambda all_chunks: _in_turn(compute, all_chunks), [chunks])
        else:
            workers.run(lambda members: compute(members).finish(), chunks)
        block = self.rows.numpy()
        return [block[first:last] for first, last in pairwise(self.offsets.tolist())]


class _Direct:
    """Rows that are put into the answer layer by layer."""

    def __init__(self, answer: Answer, places: Tensor) -> None:
        self._answer, self._places = answer, places

    def put(self, layer: int, rows_ND: Tensor) -> None:
        for column in self._answer.columns[layer]:
            self._answer.rows[:, column].index_copy_(0, self._places, finite(rows_ND, layer))

    def send(self) -> None:
        pass

    def finish(self) -> None:
        pass


class _Deferred:
    """Rows that stay on their device until the last layer, and come back together."""

    def __init__(self, answer: Answer, places: Tensor, device: str) -> None:
        self._answer, self._places = answer, places
        self._rows_NKD = torch.empty((len(places), *answer.rows.shape[1:]), device=device)
        self._finite: dict[int, Tensor] = {}
        self._sent: tuple[Tensor, Tensor, torch.cuda.Event | None] | None = None

    def put(self, layer: int, rows_ND: Tensor) -> None:
        self._finite[layer] = torch.isfinite(rows_ND).all()
        for column in self._answer.columns[layer]:
            self._rows_NKD[:, column] = rows_ND

    def send(self) -> None:
        rows_NKD, sound = _towards_processor(self._rows_NKD), _towards_processor(torch.stack([*self._finite.values()]))
        event = None
        if self._rows_NKD.is_cuda:
            event = torch.cuda.Event()  # type: ignore[no-untyped-call]
            event.record(torch.cuda.current_stream(self._rows_NKD.device))
        self._sent = (rows_NKD, sound, event)

    def finish(self) -> None:
        if self._sent is None:
            raise ValueError("Expected a chunk that was sent")
        rows_NKD, sound, event = self._sent
        if event is not None:
            event.synchronize()
        for layer, is_finite in zip(self._finite, sound.tolist(), strict=True):
            if not is_finite:
                raise NotFinite(layer)
        self._answer.rows.index_copy_(0, self._places, rows_NKD)


def _towards_processor(found: Tensor) -> Tensor:
    """A copy in page-locked memory, which is complete once the stream has come this far; itself on a processor."""
    if not found.is_cuda:
        return found
    return torch.empty(found.shape, dtype=found.dtype, pin_memory=True).copy_(found, non_blocking=True)


def _in_turn(compute: Callable[[NDArray[np.int64]], Chunk], chunks: Sequence[NDArray[np.int64]]) -> None:
    """Lays a chunk out, and asks for it, while the device computes the one before it; two are held at a time."""
    before: Chunk | None = None
    for members in chunks:
        asked = compute(members)
        if before is not None:
            before.finish()
        before = asked
    if before is not None:
        before.finish()
