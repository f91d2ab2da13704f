"""Blocks of activations put together from the chunks of a stream. Pure: no call is made here."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from babelscope.data.tensors import bf16_to_f32, check_shape, type_name, wire_dtype
from babelscope.errors import TensorError
from babelscope.v1.encoder_pb2 import ActivationChunk, EncodedItem
from babelscope.v1.tensor_pb2 import DATA_TYPE_BF16, DATA_TYPE_F32


class BlockAssembly:
    """One block in the making.

    The bytes of a chunk go straight to their place in one array; a block of a single chunk is a view of its message.

    Args:
        first: The block's first chunk, with items and shape.
        layers: Layers that the call answers, K.
        width: Width of the hidden states, d.

    Raises:
        TensorError: The shape is not [rows of the items, K, d], or the type is neither F32 nor BF16.
    """

    def __init__(self, first: ActivationChunk, layers: int, width: int) -> None:
        field = f"chunk(block={first.block}).tensor"
        if first.tensor.dtype not in (DATA_TYPE_F32, DATA_TYPE_BF16):
            raise TensorError(field, f"Expected a dtype of F32, BF16, but got {type_name(first.tensor.dtype)}")
        shape = check_shape(first.tensor.shape, field=field)
        expected = (sum(item.rows for item in first.items), layers, width)
        if shape != expected or 0 in shape:
            raise TensorError(field, f"Expected shape {list(expected)} without a 0, but got {list(shape)}")
        self.items: Sequence[EncodedItem] = list(first.items)
        self._field = field
        self._shape = shape
        self._bf16 = first.tensor.dtype == DATA_TYPE_BF16
        self._wire = wire_dtype(first.tensor.dtype)
        self._size = math.prod(shape) * self._wire.itemsize
        self._array: NDArray[Any] | None = None
        self._received: list[tuple[int, int]] = []
        self._missing = self._size

    def add(self, chunk: ActivationChunk) -> bool:
        """Takes a chunk in; whether the block is whole.

        Raises:
            TensorError: Bytes outside the block, or bytes that came before.
        """
        data = chunk.data  # protobuf makes a new object of the bytes each time it is asked
        start, stop = chunk.offset, chunk.offset + len(data)
        if start == stop:
            raise TensorError(self._field, f"Expected at least one byte at {start}, but got none")
        if start < 0 or stop > self._size:
            raise TensorError(self._field, f"Expected bytes within 0..{self._size}, but got {start}..{stop}")
        if start == 0 and stop == self._size:
            self._array = np.frombuffer(data, self._wire).reshape(self._shape)
        else:
            if self._array is None:
                self._array = np.empty(self._shape, self._wire)
            self._array.reshape(-1).view(np.uint8)[start:stop] = np.frombuffer(data, np.uint8)
        self._received.append((start, stop))
        self._missing -= stop - start
        return self._missing <= 0 and self._is_whole()

    def _is_whole(self) -> bool:
        """Whether the bytes received tile the block."""
        self._received.sort()
        position = 0
        for start, stop in self._received:
            if start != position:
                raise TensorError(self._field, f"Expected the bytes from {position} on, but got those from {start} on")
            position = stop
        return position == self._size

    def array(self) -> NDArray[np.float32]:
        """The block's rows, [r, K, d] float32, read-only.

        Raises:
            TensorError: A value is not finite.
        """
        raw = np.empty(self._shape, self._wire) if self._array is None else self._array
        values: NDArray[np.float32] = bf16_to_f32(raw) if self._bf16 else np.asarray(raw, np.float32)
        if not np.isfinite(values).all():
            row = int(np.argwhere(~np.isfinite(values))[0][0])
            raise TensorError(self._field, f"Expected finite values, but got {values[row].min()} in row {row}")
        values.flags.writeable = False
        return values
