"""How many rows a back end computes at a time, and what it does where its device has too little memory for them."""

import logging
from collections.abc import Callable
from typing import Final, TypeVar

import torch

from services.runtime.devices import is_out_of_memory

log = logging.getLogger(__name__)

Found = TypeVar("Found")

SMALLEST_SHARE: Final = 16
"""A budget never falls below this part of what it began with: what does not fit then is not the rows of a chunk."""


class Budget:
    """Rows at a time, for one batch after the other.

    Attributes:
        rows: Rows of a chunk that is computed next.

    Args:
        rows: Rows to begin with.
        device: `cpu`, `cuda:0`.
    """

    def __init__(self, rows: int, device: str) -> None:
        self.rows = rows
        self._fewest = rows // SMALLEST_SHARE
        self._device = device

    def run(self, attempt: Callable[[int], Found]) -> Found:
        """Compute a batch; where memory does not suffice, once more with half as many rows at a time.

        The budget stays at half for the batches that follow, and the log says so.

        Args:
            attempt: Computes the whole batch with so many rows at a time.

        Raises:
            Exception: That of the attempt; the second one's where memory did not suffice for the first.
        """
        rows = self.rows
        try:
            return attempt(rows)
        except Exception as error:  # ONNX Runtime's errors have no common base
            if rows // 2 < self._fewest or not is_out_of_memory(error):
                raise
        # The error is gone by now, and with it its frames, which hold what was computed.
        self.rows = rows // 2
        log.warning(
            "too little memory: the batch is computed once more, with fewer rows at a time",
            extra={"device": self._device, "rows": self.rows, "rows_before": rows},
        )
        if torch.device(self._device).type == "cuda":
            torch.cuda.empty_cache()
        return attempt(self.rows)
