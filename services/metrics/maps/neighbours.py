"""Running k nearest of each row while scores come in tiles."""

import numpy as np
from numpy.typing import NDArray


class NearestRows:
    """The k largest scores of each row seen so far, with their columns.

    Args:
        n: Rows.
        k: Neighbours kept.
    """

    def __init__(self, n: int, k: int) -> None:
        self.values = np.full((n, k), -np.inf, np.float32)
        self.indices = np.full((n, k), -1, np.intp)

    def see(self, tile: NDArray[np.float32], top: int, start: int) -> None:
        """Takes a tile of scores into account.

        Args:
            tile: [rows, columns]; either axis may be the contiguous one.
            top: First row of the tile.
            start: First column of the tile.
        """
        rows = slice(top, top + len(tile))
        # The least of the k kept is a bound: after the first tiles hardly a score passes it.
        bound = self.values[rows].min(axis=1)
        if bound[0] == -np.inf:
            bound = np.maximum(bound, _lower_bound(tile, self.values.shape[1]))
        row, column = _where(tile >= bound[:, None])
        if not len(row):
            return
        touched, position = np.unique(row, return_inverse=True)
        counts = np.bincount(position)
        k = self.values.shape[1]
        width = int(counts.max())
        order = np.argsort(position, kind="stable")
        place = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
        values = np.full((len(touched), k + width), -np.inf, np.float32)
        indices = np.full((len(touched), k + width), -1, np.intp)
        values[:, :k], indices[:, :k] = self.values[top + touched], self.indices[top + touched]
        values[position[order], k + place] = tile[row[order], column[order]]
        indices[position[order], k + place] = column[order] + start
        best = np.argpartition(-values, k - 1, axis=1)[:, :k]
        self.values[top + touched] = np.take_along_axis(values, best, axis=1)
        self.indices[top + touched] = np.take_along_axis(indices, best, axis=1)


def _lower_bound(tile: NDArray[np.float32], k: int) -> NDArray[np.float32]:
    """A value that the k-th largest of each row does not fall below: the k-th largest of the maxima of groups."""
    columns = tile.shape[1]
    if columns < 4 * k:
        return np.full(len(tile), -np.inf, np.float32)
    groups = min(columns // 2, 8 * k)
    edges = np.linspace(0, columns, groups, endpoint=False).astype(np.intp)
    maxima = np.maximum.reduceat(tile, edges, axis=1)
    return np.asarray(np.partition(maxima, groups - k, axis=1)[:, groups - k], dtype=np.float32)


def _where(mask: NDArray[np.bool_]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows and columns of the trues, in order of memory, which is much the faster where columns are contiguous."""
    if mask.flags.c_contiguous:
        row, column = np.divmod(np.flatnonzero(mask), mask.shape[1])
    else:
        column, row = np.divmod(np.flatnonzero(mask.T), mask.shape[0])
    return row, column
