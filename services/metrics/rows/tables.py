"""The rows of one view, wherever they lie: all layers of all its items, read a layer and some rows at a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.metrics.arrays import Floats
from services.metrics.errors import Degenerate
from services.metrics.rows.reports import ViewReport
from services.metrics.rows.treatments import Preprocessing, Spread, Treatment
from services.runtime.errors import InvalidArgument

CHUNK_ROWS = 2048


@dataclass(frozen=True, eq=False)
class RowTable:
    """The rows of one view.

    Args:
        ids: One a row.
        layers: In the order of axis 1.
        rows: [n, K, d] float32 or float64, possibly mapped from a file.
        report: What the answer says of the view.
    """

    ids: tuple[str, ...]
    layers: tuple[int, ...]
    rows: NDArray[Any]
    report: ViewReport

    @property
    def d(self) -> int:
        """Dimensions of a row."""
        return int(self.rows.shape[2])

    def read(self, layer: int, part: slice | NDArray[np.intp]) -> Floats:
        """[m, d]: some rows of one layer, in memory."""
        position = self.layers.index(layer)
        # One index array, not two: a slice keeps the order of the axes.
        return np.ascontiguousarray(
            self.rows[part][:, position] if isinstance(part, slice) else self.rows[part, position]
        )


def part_of(rows: NDArray[np.intp] | None, start: int, stop: int) -> slice | NDArray[np.intp]:
    """Items start..stop of a group as rows of a view."""
    return slice(start, stop) if rows is None else rows[start:stop]


def check_finite(rows: NDArray[Any], ids: Sequence[str], layers: Sequence[int], name: str, field: str) -> None:
    """Refuses NaN and infinities.

    Args:
        rows: [m, K, d].
        ids: One a row.
        layers: In the order of axis 1.
        name: Name of the view.
        field: Path of the rows in the request.

    Raises:
        InvalidArgument: Naming view, id and layer.
    """
    # A sum is finite only if all its terms are, and costs a fraction of looking at each; overflow is looked at closely.
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(rows.sum(dtype=np.float64)):
            return
    bad = np.argwhere(~np.isfinite(rows))
    if not len(bad):
        return
    row, layer, dimension = (int(index) for index in bad[0])
    raise InvalidArgument(
        field,
        f"Expected finite numbers, but got {rows[row, layer, dimension]} in view {name!r} at id {ids[row]!r}, "
        f"layer {layers[layer]}, dimension {dimension}",
    )


def treat(
    table: RowTable, layer: int, rows: NDArray[np.intp] | None, n: int, preprocessing: Preprocessing
) -> Treatment:
    """Finds the treatment of one node from its column variances, in one pass of its own.

    Args:
        table: The view.
        layer: Layer to treat.
        rows: Rows of the items; None for all rows in order.
        n: Items.
        preprocessing: The treatment: centring and scaling.

    Raises:
        InvalidArgument: Nothing would be left.
    """
    count, mean, squares = 0, np.zeros(table.d), np.zeros(table.d)
    for start in range(0, n, CHUNK_ROWS):
        block = table.read(layer, part_of(rows, start, min(start + CHUNK_ROWS, n))).astype(np.float64)
        # Chan, Golub and LeVeque (1983): exact updates of means and squares, block by block.
        delta = block.mean(axis=0) - mean
        total = count + len(block)
        squares += ((block - block.mean(axis=0)) ** 2).sum(axis=0) + delta**2 * (count * len(block) / total)
        mean += delta * (len(block) / total)
        count = total
    try:
        return Treatment.by(preprocessing, Spread(n, mean, np.sqrt(squares)))
    except Degenerate as error:
        raise InvalidArgument(
            "spec.preprocessing", f"{error.cause}; view {table.report.name!r} at layer {layer}"
        ) from error
