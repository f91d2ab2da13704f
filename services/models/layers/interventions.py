"""Edits of hidden states on their way through the blocks.

The shift is that of Liu et al. 2020, section 4: h + alpha D. The linear map is h W + b, rows from the left. Within one
edit the shift comes first; several edits of one layer apply in the order given.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from services.models.layers.blocks import Layout
from services.models.spec import Edit, Positions
from services.runtime.errors import InvalidArgument


def check_layer(layer: int, field: str, layers: int, model: str) -> None:
    """Refuse an edit of a layer that a model does not have.

    Raises:
        InvalidArgument: Names the field, the layers that exist and the one asked for.
    """
    if not 0 <= layer <= layers:
        raise InvalidArgument(
            f"{field}.layer", f"Expected a layer within 0..{layers} for model {model}, but got {layer}"
        )


def check(edit: Edit, field: str, layers: int, hidden_size: int, model: str, *, digest: str) -> None:
    """Refuse an edit that does not fit a model.

    Args:
        edit: The edit.
        field: Its path in the request, `spec.interventions[0]`.
        layers: L of the model.
        hidden_size: d of the model.
        model: Its name, for the message.
        digest: Its digest.

    Raises:
        InvalidArgument: Names the field, what was expected and what was got.
    """
    for origin in edit.origins:
        if origin.digest != digest:
            other = f"{origin.model}, digest {origin.digest[:12]}" if origin.model else f"digest {origin.digest[:12]}"
            raise InvalidArgument(
                f"{field}.{origin.array}",
                f"Expected an array that was computed with model {model}, digest {digest[:12]}, but got one of another "
                f"model ({other}); set `allow_other_model` to apply it all the same",
            )
    check_layer(edit.layer, field, layers, model)
    if edit.vector is None and edit.matrix is None:
        raise InvalidArgument(field, "Expected a shift, a linear map, or both, but got neither")
    if not np.isfinite(edit.alpha):
        raise InvalidArgument(f"{field}.shift.alpha", f"Expected a finite number, but got {edit.alpha}")
    if edit.bias is not None and edit.matrix is None:
        raise InvalidArgument(f"{field}.linear_map.matrix", "Expected a matrix with the bias, but got none")
    expected = (
        ("shift.vector", edit.vector, (hidden_size,)),
        ("linear_map.matrix", edit.matrix, (hidden_size, hidden_size)),
        ("linear_map.bias", edit.bias, (hidden_size,)),
    )
    for name, array, shape in expected:
        if array is None:
            continue
        if array.shape != shape:
            raise InvalidArgument(
                f"{field}.{name}", f"Expected shape {list(shape)} for model {model}, but got {list(array.shape)}"
            )
        if not np.isfinite(array).all():
            raise InvalidArgument(
                f"{field}.{name}", f"Expected finite numbers, but {int((~np.isfinite(array)).sum())} are not"
            )
    if edit.vector is not None and not np.isfinite(_scaled(edit)).all():
        raise InvalidArgument(
            f"{field}.shift.alpha", f"Expected alpha * vector within float32, but alpha is {edit.alpha}"
        )


def _scaled(edit: Edit) -> NDArray[np.float32]:
    """`alpha * vector`, rounded once."""
    if edit.vector is None:
        raise ValueError("Expected an edit with a shift")
    with np.errstate(over="ignore"):
        return np.asarray(edit.alpha * edit.vector.astype(np.float64), dtype=np.float32)


class Interventions:
    """The edits of one plan, on the model's device, by layer.

    Args:
        edits: In order.
        device: Device of the hidden states.
    """

    def __init__(self, edits: Sequence[Edit], device: str) -> None:
        self._steps: dict[int, list[_Step]] = {}
        self._keys: dict[int, tuple[str, ...]] = {}
        for edit in edits:
            if edit.is_identity:
                continue
            self._keys[edit.layer] = (*self._keys.get(edit.layer, ()), edit.digest)
            steps = self._steps.setdefault(edit.layer, [])
            if edit.vector is not None and edit.alpha != 0.0:
                steps.append(_Shift(torch.from_numpy(_scaled(edit)).to(device), edit.vector_positions))
            if edit.matrix is not None:
                matrix = torch.from_numpy(np.array(edit.matrix, dtype=np.float32)).to(device)
                bias = None if edit.bias is None else torch.from_numpy(np.array(edit.bias, dtype=np.float32)).to(device)
                steps.append(_Map(matrix, bias, edit.matrix_positions))

    def key(self, layer: int) -> tuple[str, ...]:
        """What is done at a layer: equal keys, equal edits; empty where nothing is."""
        return self._keys.get(layer, ())

    def touches(self, layer: int) -> bool:
        """Whether a layer has edits."""
        return bool(self._steps.get(layer))

    def apply(self, layer: int, hidden_TD: Tensor, layout: Layout) -> Tensor:
        """The hidden states of a layer after its edits: [T, d]; the argument itself where there are none."""
        for step in self._steps.get(layer, ()):
            hidden_TD = step(hidden_TD, layout)
        return hidden_TD

    def apply_to_content(self, layer: int, rows_TD: Tensor) -> Tensor:
        """Rows of a layer that belong to no special token, after its edits: [T, d]."""
        for step in self._steps.get(layer, ()):
            rows_TD = step.edited(rows_TD)
        return rows_TD


class _Step:
    """One edit at some positions."""

    def __init__(self, positions: Positions) -> None:
        self.everywhere = positions == "all"

    def __call__(self, hidden_TD: Tensor, layout: Layout) -> Tensor:
        if self.everywhere:
            return self.edited(hidden_TD)
        changed = hidden_TD.clone()
        changed[layout.content] = self.edited(hidden_TD[layout.content])
        return changed

    def edited(self, rows: Tensor) -> Tensor:
        """The edit of some rows, as a new tensor."""
        raise NotImplementedError


class _Shift(_Step):
    def __init__(self, shift: Tensor, positions: Positions) -> None:
        super().__init__(positions)
        self.shift = shift

    def edited(self, rows: Tensor) -> Tensor:
        """`h + alpha D`."""
        return rows + self.shift


class _Map(_Step):
    def __init__(self, matrix: Tensor, bias: Tensor | None, positions: Positions) -> None:
        super().__init__(positions)
        self.matrix, self.bias = matrix, bias

    def edited(self, rows: Tensor) -> Tensor:
        """`h W + b`."""
        return rows @ self.matrix if self.bias is None else torch.addmm(self.bias, rows, self.matrix)
