"""Interventions as inputs of a graph.

All edits of one layer together are, at the positions of a text's own tokens and at its special tokens, an affine map
each: h W + b. The graph takes for every layer the rows that are multiplied (often none), a W for either kind of
position, and a b for either kind. What the edits amount to is worked out in float64 and rounded once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.models.spec import Edit

CONTENT: Final = 0
"""Kind of the positions of a text's own tokens."""
SPECIAL: Final = 1
"""Kind of the positions of special tokens, and of padding."""


@dataclass(frozen=True, eq=False)
class LayerEdit:
    """What the edits of one layer do.

    Attributes:
        mapped: For either kind of position, whether its rows are multiplied.
        matrices: [2, d, d] float32, W for either kind.
        shifts: [2, d] float32, b for either kind.
    """

    mapped: tuple[bool, bool]
    matrices: NDArray[np.float32]
    shifts: NDArray[np.float32]


class _Affine:
    """h W + b, composed step by step; W is None for the identity."""

    def __init__(self, size: int) -> None:
        self.matrix: NDArray[np.float64] | None = None
        self.shift = np.zeros(size)

    def add(self, vector: NDArray[np.float64]) -> None:
        self.shift = self.shift + vector

    def multiply(self, matrix: NDArray[np.float64]) -> None:
        self.matrix = matrix if self.matrix is None else self.matrix @ matrix
        self.shift = self.shift @ matrix


def composed(edits: Sequence[Edit], hidden_size: int) -> dict[int, LayerEdit]:
    """What edits do, by layer; layers that they leave alone are not among them.

    Args:
        edits: In the order in which they apply.
        hidden_size: Width of the hidden states, d.
    """
    maps: dict[int, tuple[_Affine, _Affine]] = {}
    for edit in edits:
        if edit.is_identity:
            continue
        both = maps.setdefault(edit.layer, (_Affine(hidden_size), _Affine(hidden_size)))
        # Numbers that overflow become infinite, and the run that meets them says at which layer.
        with np.errstate(over="ignore", invalid="ignore"):
            if edit.vector is not None and edit.alpha != 0.0:
                for affine in both if edit.vector_positions == "all" else both[:1]:
                    affine.add(edit.alpha * edit.vector.astype(np.float64))
            if edit.matrix is not None and not _is_plain(edit):
                for affine in both if edit.matrix_positions == "all" else both[:1]:
                    affine.multiply(edit.matrix.astype(np.float64))
                    if edit.bias is not None:
                        affine.add(edit.bias.astype(np.float64))
    return {layer: _layer_edit(both, hidden_size) for layer, both in maps.items()}


def _is_plain(edit: Edit) -> bool:
    """Whether a map is the identity, which is to change no bit."""
    assert edit.matrix is not None
    same = np.array_equal(edit.matrix, np.eye(len(edit.matrix), dtype=edit.matrix.dtype))
    return bool(same and (edit.bias is None or not edit.bias.any()))


def _layer_edit(both: tuple[_Affine, _Affine], size: int) -> LayerEdit:
    with np.errstate(over="ignore", invalid="ignore"):
        matrices = [np.zeros((size, size)) if affine.matrix is None else affine.matrix for affine in both]
        return LayerEdit(
            mapped=(both[CONTENT].matrix is not None, both[SPECIAL].matrix is not None),
            matrices=np.stack(matrices).astype(np.float32),
            shifts=np.stack([affine.shift for affine in both]).astype(np.float32),
        )
