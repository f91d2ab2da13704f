"""Messages that name models and interventions to domain values: what the doors of encoder and trainer share."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from babelscope.data.tensors import to_numpy, type_name
from babelscope.v1 import model_pb2, tensor_pb2
from numpy.typing import NDArray

from services.models.artifacts import Artifact, Objects, read_array
from services.models.spec import ArrayOrigin, Edit, ModelSpec, Positions, Reinit, Scheme
from services.runtime.errors import InvalidArgument, LimitExceeded
from services.runtime.memory import hold_here

MOST_DRAWS: Final = 256
"""Draws of one model: one a layer, and some more."""
MOST_LAYERS: Final = 1024
"""Layers of one draw."""
MOST_EDITS: Final = 64
"""Interventions of one request, where no setting says otherwise."""

_SCHEMES: Final[dict[int, Scheme]] = {
    model_pb2.REINIT_SCHEME_UNSPECIFIED: "model",
    model_pb2.REINIT_SCHEME_MODEL: "model",
    model_pb2.REINIT_SCHEME_TORCH_DEFAULT: "torch_default",
}
_POSITIONS: Final[dict[int, Positions]] = {
    model_pb2.POSITIONS_NON_SPECIAL: "non_special",
    model_pb2.POSITIONS_ALL: "all",
}


def read_model(ref: model_pb2.ModelRef, field: str) -> ModelSpec:
    """Reads a ModelRef.

    Args:
        ref: The message.
        field: Its path in the request.

    Raises:
        InvalidArgument: No name, no such scheme, or a draw of nothing.
        LimitExceeded: More than `MOST_DRAWS` draws, or `MOST_LAYERS` layers in one.
    """
    if not ref.name:
        raise InvalidArgument(f"{field}.name", "Expected the name of a model, but got none")
    if len(ref.reinit) > MOST_DRAWS:
        raise LimitExceeded(
            f"{field}.reinit", f"Expected at most {MOST_DRAWS} draws of a model, but got {len(ref.reinit)}"
        )
    reinit = []
    for number, draw in enumerate(ref.reinit):
        path = f"{field}.reinit[{number}]"
        if not draw.layers and not draw.embeddings:
            raise InvalidArgument(f"{path}.layers", "Expected layers to draw anew, or `embeddings`, but got neither")
        if len(draw.layers) > MOST_LAYERS:
            raise LimitExceeded(
                f"{path}.layers", f"Expected at most {MOST_LAYERS} layers a draw, but got {len(draw.layers)}"
            )
        scheme = one_of(_SCHEMES, draw.scheme, f"{path}.scheme", model_pb2.ReinitScheme)
        reinit.append(Reinit(tuple(draw.layers), draw.embeddings, draw.seed, scheme))
    return ModelSpec(ref.name, ref.revision, tuple(reinit))


def one_of(table: dict[Any, Any], value: int, field: str, enum: Any) -> Any:
    """Looks an enum's value up, or names those that are offered."""
    if value in table:
        return table[value]
    got = enum.Name(value) if value in enum.values() else str(value)
    offered = ", ".join(enum.Name(each) for each in table if not enum.Name(each).endswith("_UNSPECIFIED"))
    raise InvalidArgument(field, f"Expected one of {offered}, but got {got}")


def read_edits(
    edits: Sequence[model_pb2.Intervention], store: Objects, field: str, most: int = MOST_EDITS
) -> tuple[Edit, ...]:
    """Reads interventions, in order. Reads the store: call it in a thread.

    Args:
        edits: The messages.
        store: Store that holds named arrays.
        field: Path of their list in the request.
        most: How many there may be.

    Raises:
        LimitExceeded: There are more.
        ServiceError: As `read_edit`.
    """
    check_edits(edits, most)
    return tuple(read_edit(edit, store, f"{field}[{number}]") for number, edit in enumerate(edits))


def check_edits(edits: Sequence[model_pb2.Intervention], most: int = MOST_EDITS) -> None:
    """Refuses more interventions than a request may have; each may name an array of any size.

    Raises:
        LimitExceeded: There are more than `most`.
    """
    if len(edits) > most:
        raise LimitExceeded(
            "max_interventions", f"Expected at most {most} interventions a request, but got {len(edits)}"
        )


def read_edit(edit: model_pb2.Intervention, store: Objects, field: str) -> Edit:
    """Reads an Intervention. Reads the store: call it in a thread.

    Args:
        edit: The message.
        store: Store that holds named arrays.
        field: Path of the message in the request.

    Raises:
        InvalidArgument: A field is wrong.
        ServiceError: What the store raises.
    """
    if not edit.HasField("shift") and not edit.HasField("linear_map"):
        raise InvalidArgument(field, "Expected a `shift` or a `linear_map`, but got neither")
    vector = matrix = bias = None
    arrays = _Arrays(store, edit.layer, field)
    if edit.HasField("shift"):
        if not np.isfinite(edit.shift.alpha):
            raise InvalidArgument(f"{field}.shift.alpha", f"Expected a finite number, but got {edit.shift.alpha}")
        vector = _shift(edit.shift, arrays)
    if edit.HasField("linear_map"):
        matrix = _finite(*arrays.read(edit.linear_map.matrix, "matrix", "linear_map.matrix"))
        if edit.linear_map.HasField("bias"):
            bias = _finite(*arrays.read(edit.linear_map.bias, "bias", "linear_map.bias"))
    origins = () if edit.allow_other_model else tuple(arrays.origins)
    for origin in origins:
        if origin.digest != origins[0].digest:
            raise InvalidArgument(
                f"{field}.{origin.array}",
                f"Expected arrays that were computed with one model, but this one was with digest {origin.digest[:12]} "
                f"and `{origins[0].array}` with {origins[0].digest[:12]}; set `allow_other_model` to apply them all "
                "the same",
            )
    return Edit(
        layer=edit.layer,
        vector=vector,
        alpha=edit.shift.alpha,
        vector_positions=_positions(edit.shift.positions, "non_special", f"{field}.shift.positions"),
        matrix=matrix,
        bias=bias,
        matrix_positions=_positions(edit.linear_map.positions, "all", f"{field}.linear_map.positions"),
        origins=origins,
    )


def _positions(positions: int, default: Positions, field: str) -> Positions:
    if positions == model_pb2.POSITIONS_UNSPECIFIED:
        return default
    chosen: Positions = one_of(_POSITIONS, positions, field, model_pb2.Positions)
    return chosen


class _Arrays:
    """Reads the arrays of one edit.

    Args:
        store: Store that holds named arrays.
        layer: Layer of the edit.
        field: Path of the edit in the request.

    Attributes:
        origins: Models that the arrays read so far were computed with, as far as they are known.
    """

    def __init__(self, store: Objects, layer: int, field: str) -> None:
        self._store = store
        self._layer = layer
        self._field = field
        self.origins: list[ArrayOrigin] = []

    def read(self, ref: model_pb2.ArrayRef, role: str, place: str) -> tuple[NDArray[Any], str]:
        """Reads an ArrayRef at some place of the edit; the array, and the path of its source."""
        field, source = f"{self._field}.{place}", ref.WhichOneof("source")
        if source is None:
            raise InvalidArgument(field, "Expected `inline` or `artifact`, but got neither")
        path = f"{field}.{source}"
        if source == "inline":
            found = Artifact(_inline(ref.inline, path))
        else:
            found = read_array(self._store, ref.artifact, role, path, self._layer)
        hold_here(2 * found.array.nbytes)
        if digest := found.digest or ref.model_digest:
            self.origins.append(ArrayOrigin(place, digest, found.model))
        return found.array, path


def _shift(shift: model_pb2.Shift, arrays: _Arrays) -> NDArray[np.float32]:
    """`vector - origin`, subtracted in float64: the two are often much alike."""
    vector, path = arrays.read(shift.vector, "vector", "shift.vector")
    if not shift.HasField("origin"):
        return _finite(vector, path)
    origin, other = arrays.read(shift.origin, "vector", "shift.origin")
    if origin.shape != vector.shape:
        raise InvalidArgument(
            other, f"Expected the shape of `vector`, {list(vector.shape)}, but got {list(origin.shape)}"
        )
    for array, place in ((vector, path), (origin, other)):
        _finite(array, place)
    return _finite(vector.astype(np.float64) - origin.astype(np.float64), path)


def _inline(tensor: tensor_pb2.Tensor, field: str) -> NDArray[Any]:
    if tensor.dtype not in {tensor_pb2.DATA_TYPE_F32, tensor_pb2.DATA_TYPE_F64}:
        raise InvalidArgument(f"{field}.dtype", f"Expected a dtype of F32, F64, but got {type_name(tensor.dtype)}")
    return to_numpy(tensor, field=field)


def _finite(array: NDArray[Any], field: str) -> NDArray[np.float32]:
    if array.dtype.kind != "f":
        raise InvalidArgument(field, f"Expected floating-point numbers, but got {array.dtype}")
    with np.errstate(over="ignore"):
        narrowed = np.ascontiguousarray(array, dtype=np.float32)
    wrong = np.flatnonzero(~np.isfinite(narrowed))
    if wrong.size:
        place = ", ".join(str(axis) for axis in np.unravel_index(wrong[0], array.shape))
        raise InvalidArgument(
            field, f"Expected finite float32 numbers, but got {array.flat[wrong[0]]} at [{place}] ({wrong.size} in all)"
        )
    return narrowed
