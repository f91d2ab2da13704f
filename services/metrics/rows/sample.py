"""A random sample of rows that does not depend on their order and merges: the ids of smallest hash (Cohen 1997)."""

from collections.abc import Sequence
from hashlib import blake2b
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.metrics.arrays import Floats

SAMPLE_ROWS: Final = 512
"""Rows of the sample: a standard error from them is within about 3 % (one standard deviation, normal data)."""


def hashes(ids: Sequence[str], seed: int | None = None) -> NDArray[np.uint64]:
    """[n] 64-bit hashes of ids, the same on every machine; other ones with a seed."""
    key = b"" if seed is None else seed.to_bytes(8, "little", signed=True)
    digests = b"".join(blake2b(one.encode(), digest_size=8, key=key).digest() for one in ids)
    return np.frombuffer(digests, dtype="<u8")


class RowSample:
    """The rows of smallest hash among those seen, of several nodes in step.

    Args:
        nodes: Number of arrays a row has.
        size: Rows kept.
    """

    def __init__(self, nodes: int, size: int = SAMPLE_ROWS) -> None:
        self.size = size
        self._keys: NDArray[np.uint64] = np.empty(0, np.uint64)
        self._rows: list[Floats | None] = [None] * nodes

    def add(self, keys: NDArray[np.uint64], rows: Sequence[Floats]) -> None:
        """Takes rows into consideration.

        Args:
            keys: [m] hashes of their ids.
            rows: One [m, d] a node.
        """
        if len(self._keys) == self.size:
            chosen = np.flatnonzero(keys < self._keys[-1])
            if not len(chosen):
                return
            keys, rows = keys[chosen], [node[chosen] for node in rows]
        keys = np.concatenate([self._keys, keys])
        order = np.argsort(keys, kind="stable")[: self.size]
        self._keys = keys[order]
        for index, (old, new) in enumerate(zip(self._rows, rows, strict=True)):
            self._rows[index] = (new if old is None else np.concatenate([old, new]))[order]

    def merge(self, other: "RowSample") -> None:
        """Takes the rows of another sample into consideration."""
        if len(other._keys):
            self.add(other._keys, [other.rows(node) for node in range(len(self._rows))])

    def rows(self, node: int) -> Floats:
        """[m, d]: the sampled rows of one node, in the order of their hashes."""
        rows = self._rows[node]
        assert rows is not None
        return rows
