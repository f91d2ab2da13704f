"""NumPy arrays to tensors of the contract and back.

Reading makes no copy of its own: the array is a read-only view of the bytes that protobuf hands out. The one exception
is BF16, for which NumPy has no type: it is widened to float32, which loses nothing.
"""

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from babelscope.errors import TensorError
from babelscope.v1.tensor_pb2 import (
    DATA_TYPE_BF16,
    DATA_TYPE_BOOL,
    DATA_TYPE_F16,
    DATA_TYPE_F32,
    DATA_TYPE_F64,
    DATA_TYPE_I8,
    DATA_TYPE_I32,
    DATA_TYPE_I64,
    DATA_TYPE_U8,
    DataType,
    Tensor,
)

CHUNK_BYTES: Final = 1 << 20
"""Largest piece of a tensor in one message of a stream."""

_WIRE: Final[dict[int, np.dtype[Any]]] = {
    DATA_TYPE_F32: np.dtype("<f4"),
    DATA_TYPE_F16: np.dtype("<f2"),
    DATA_TYPE_BF16: np.dtype("<u2"),
    DATA_TYPE_F64: np.dtype("<f8"),
    DATA_TYPE_I32: np.dtype("<i4"),
    DATA_TYPE_I64: np.dtype("<i8"),
    DATA_TYPE_U8: np.dtype("u1"),
    DATA_TYPE_BOOL: np.dtype("?"),
    DATA_TYPE_I8: np.dtype("i1"),
}
_TYPE_OF: Final[dict[np.dtype[Any], "DataType.ValueType"]] = {
    np.dtype(np.float32): DATA_TYPE_F32,
    np.dtype(np.float16): DATA_TYPE_F16,
    np.dtype(np.float64): DATA_TYPE_F64,
    np.dtype(np.int32): DATA_TYPE_I32,
    np.dtype(np.int64): DATA_TYPE_I64,
    np.dtype(np.uint8): DATA_TYPE_U8,
    np.dtype(np.bool_): DATA_TYPE_BOOL,
    np.dtype(np.int8): DATA_TYPE_I8,
}


def type_name(dtype: int) -> str:
    """The short name of an element type: `F32`; the number where there is no such type."""
    names: dict[int, str] = {value: name for name, value in DataType.items()}
    return names.get(dtype, str(dtype)).removeprefix("DATA_TYPE_")


def wire_dtype(dtype: int, *, field: str = "tensor") -> np.dtype[Any]:
    """The little-endian NumPy type that holds an element's bytes; `<u2` for BF16.

    Raises:
        TensorError: `dtype` is not given or not known.
    """
    try:
        return _WIRE[dtype]
    except KeyError:
        allowed = ", ".join(type_name(known) for known in _WIRE)
        raise TensorError(field, f"Expected a dtype of {allowed}, but got {type_name(dtype)}") from None


def bf16_to_f32(bits: NDArray[np.uint16]) -> NDArray[np.float32]:
    """Widens raw bfloat16 bits to float32, exactly.

    Args:
        bits: uint16, any shape.

    Returns:
        float32, the same shape.
    """
    widened: NDArray[np.float32] = np.left_shift(bits, 16, dtype=np.uint32, casting="unsafe").view(np.float32)
    return widened


def f32_to_bf16(values: NDArray[np.float32]) -> NDArray[np.uint16]:
    """Rounds float32 to bfloat16, to the nearest, ties to even; NaN stays NaN.

    Args:
        values: float32, any shape.

    Returns:
        uint16 with the raw bits, the same shape.
    """
    values = np.asarray(values, dtype=np.float32)
    bits = values.view(np.uint32)
    rounded = np.right_shift(bits, 16, out=np.empty_like(bits))
    rounded &= np.uint32(1)
    rounded += np.uint32(0x7FFF)
    rounded += bits
    rounded >>= np.uint32(16)
    result: NDArray[np.uint16] = rounded.astype(np.uint16)
    is_nan = np.isnan(values)
    if is_nan.any():
        # The carry of the rounding would turn some NaN into an infinity or a zero.
        result[is_nan] = (bits[is_nan] >> np.uint32(16)) | np.uint32(0x40)
    return result


def to_wire(
    array: NDArray[Any], dtype: "DataType.ValueType | None" = None
) -> "tuple[NDArray[Any], DataType.ValueType]":
    """Lays an array out as it travels: C order, little-endian.

    Args:
        array: Any shape.
        dtype: Element type wanted; the array's own where None.

    Returns:
        The array in its wire type, copied only where it must be, and the element type.

    Raises:
        TensorError: The array's type has no counterpart in the contract.
    """
    if dtype is None:
        native = array.dtype.newbyteorder("=")
        if native not in _TYPE_OF:
            allowed = ", ".join(str(known) for known in _TYPE_OF)
            raise TensorError("array", f"Expected a dtype of {allowed}, but got {array.dtype}")
        dtype = _TYPE_OF[native]
    wire = wire_dtype(dtype, field="array")
    if dtype == DATA_TYPE_BF16 and array.dtype != np.uint16:
        array = f32_to_bf16(np.asarray(array, dtype=np.float32))
    return np.asarray(array, dtype=wire, order="C"), dtype


def to_proto(array: NDArray[Any], dtype: "DataType.ValueType | None" = None) -> Tensor:
    """Packs an array into one message.

    Args:
        array: Any shape; uint16 with `dtype` BF16 is taken as raw bits.
        dtype: Element type wanted; the array's own where None. BF16 rounds.

    Raises:
        TensorError: The array's type has no counterpart in the contract.
    """
    laid, kind = to_wire(np.asarray(array), dtype)
    return Tensor(dtype=kind, shape=laid.shape, data=laid.tobytes())


MOST_AXES: Final = 32
"""Axes of a tensor, as many as NumPy takes in all its versions."""


def check_shape(shape: Sequence[int], *, field: str = "tensor") -> tuple[int, ...]:
    """The shape as a tuple.

    Raises:
        TensorError: An extent is negative.
    """
    # The product of millions of extents is a number of millions of digits.
    if len(shape) > MOST_AXES:
        raise TensorError(field, f"Expected a shape of at most {MOST_AXES} axes, but got {len(shape)}")
    if any(extent < 0 for extent in shape):
        raise TensorError(field, f"Expected a shape without negative extents, but got {list(shape)}")
    return tuple(shape)


def to_numpy(tensor: Tensor, *, field: str = "tensor") -> NDArray[Any]:
    """Reads a message as a read-only view of its bytes (BF16: widened to float32).

    Args:
        tensor: The message with its data.
        field: Path of the tensor in its request, for the error.

    Raises:
        TensorError: Unknown element type, negative extent, wrong number of bytes, or a BOOL that is neither 0 nor 1.
    """
    wire = wire_dtype(tensor.dtype, field=field)
    shape = check_shape(tensor.shape, field=field)
    data = tensor.data  # protobuf makes a new object of the bytes each time it is asked
    expected = math.prod(shape) * wire.itemsize
    if len(data) != expected:
        described = f"{type_name(tensor.dtype)} {list(shape)}"
        raise TensorError(field, f"Expected {expected} bytes for {described}, but got {len(data)}")
    if tensor.dtype == DATA_TYPE_BOOL and data.strip(b"\x00\x01"):
        raise TensorError(field, f"Expected bytes of 0 or 1 for BOOL, but got {max(data)}")
    array = np.frombuffer(data, wire) if expected else np.empty(0, wire)
    array = array.reshape(shape)
    if tensor.dtype == DATA_TYPE_BF16:
        array = bf16_to_f32(array)
    array.flags.writeable = False
    return array
