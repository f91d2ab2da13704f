"""Blocks of activations as messages of a stream, on both sides of the wire. Pure: no call is made here.

Nearly all bytes of a large answer are the `data` of chunks. protobuf copies them when they are set, when the message is
written, when it is read and when they are asked for. Here the encoder copies rows once, to their place in the message,
and the client reads them where they are. The messages are those of the contract: any reader of protobuf takes them, and
chunks that another writer laid out differently are read by protobuf.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any, Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from babelscope.data.activations import EncodedItem
from babelscope.data.tensors import CHUNK_BYTES, bf16_to_f32, check_shape, to_wire, type_name, wire_dtype
from babelscope.errors import TensorError
from babelscope.v1 import encoder_pb2
from babelscope.v1.encoder_pb2 import ActivationChunk, EncodeResponse
from babelscope.v1.tensor_pb2 import DATA_TYPE_BF16, DATA_TYPE_F32, DataType, Tensor

OutputType = Literal["float32", "bfloat16"]
"""Elements of an answer."""

_OUTPUTS: Final[dict[OutputType, "DataType.ValueType"]] = {"float32": DATA_TYPE_F32, "bfloat16": DATA_TYPE_BF16}
_VARINT, _DELIMITED = 0, 2
_CHUNK: Final = EncodeResponse.CHUNK_FIELD_NUMBER << 3 | _DELIMITED
_BLOCK: Final = ActivationChunk.BLOCK_FIELD_NUMBER << 3 | _VARINT
_ITEMS: Final = ActivationChunk.ITEMS_FIELD_NUMBER << 3 | _DELIMITED
_TENSOR: Final = ActivationChunk.TENSOR_FIELD_NUMBER << 3 | _DELIMITED
_OFFSET: Final = ActivationChunk.OFFSET_FIELD_NUMBER << 3 | _VARINT
_DATA: Final = ActivationChunk.DATA_FIELD_NUMBER << 3 | _DELIMITED
_ALIGNMENT: Final = 4
"""Bytes of the widest element."""
_LENGTH_BYTES: Final = 4
"""Bytes in which the length of a chunk is written."""
_MOST_NUMBER_BYTES: Final = 10
"""Bytes of any other number, at most: readers of protobuf take no more."""
_MOST_LENGTH_BYTES: Final = 5
"""Bytes of a length, at most: readers of protobuf take no more."""


class ChunkMessage(NamedTuple):
    """An `EncodeResponse` with a chunk, as it travels.

    Attributes:
        message: All its bytes.
        start: Where `data`, with which it ends, begins: a multiple of 4, where the block's number is below 2^49.
    """

    message: bytes
    start: int

    @property
    def data(self) -> memoryview:
        """The bytes of the rows, not copied."""
        return memoryview(self.message)[self.start :]


def write_chunks(
    number: int, items: Sequence[EncodedItem], arrays: Sequence[NDArray[np.float32]], output: OutputType
) -> Iterator[ChunkMessage]:
    """Lays a block out as messages; the rows are copied once.

    Args:
        number: Number that no other block of the stream has.
        items: The texts; at least one.
        arrays: Their hidden states, [rows, K, d] float32 each: those of a single text, or at most `CHUNK_BYTES` in all.
        output: Elements of the answer; bfloat16 rounds to nearest, ties to even.

    Returns:
        Messages of at most `CHUNK_BYTES` of data each.
    """
    kind = _OUTPUTS[output]
    laid = [_bytes_of(array, kind) for array in arrays]
    described = ActivationChunk(
        items=[
            encoder_pb2.EncodedItem(
                index=item.index,
                id=item.id,
                rows=item.rows,
                tokens=item.tokens,
                truncated=item.truncated,
                empty_rows=item.empty_rows,
            )
            for item in items
        ],
        tensor=Tensor(dtype=kind, shape=(sum(item.rows for item in items), *arrays[0].shape[1:])),
    )
    if len(laid) > 1:
        yield _message(number, described, laid)
        return
    for offset in range(0, len(laid[0]), CHUNK_BYTES):
        head = ActivationChunk(offset=offset) if offset else described
        yield _message(number, head, [laid[0][offset : offset + CHUNK_BYTES]])


def _bytes_of(array: NDArray[np.float32], kind: "DataType.ValueType") -> memoryview:
    flat: Any = to_wire(array, kind)[0].reshape(-1).view(np.uint8)
    return memoryview(flat)


def _message(number: int, head: ActivationChunk, data: Sequence[memoryview]) -> ChunkMessage:
    """A chunk whose data is at its end, where the numbers within begin at a multiple of their size.

    The number of the block is written in up to three bytes more than it needs, which protobuf allows up to ten. Rows
    behind a number that has no room for them are where they are, and are copied by who reads them.

    Args:
        number: Number of the block.
        head: The chunk without its number and its data.
        data: Parts of its data.
    """
    described = head.SerializeToString()
    size = sum(map(len, data))
    tail = bytes((_DATA,)) + _varint(size)
    block = _varint(number)
    fixed = 1 + _LENGTH_BYTES + 1 + len(block) + len(described) + len(tail)
    if (width := len(block) + -fixed % _ALIGNMENT) <= _MOST_NUMBER_BYTES:
        block = _varint(number, width)
    length = 1 + len(block) + len(described) + len(tail) + size
    start = 1 + _LENGTH_BYTES + length - size
    chunk = bytes((_CHUNK,)) + _varint(length, _LENGTH_BYTES)
    return ChunkMessage(b"".join((chunk, bytes((_BLOCK,)), block, described, tail, *data)), start)


class Chunk(NamedTuple):
    """A chunk as it was read.

    Attributes:
        head: The message; its `data` is not there where it was read in place.
        data: Its bytes, a part of the message that came.
    """

    head: ActivationChunk
    data: bytes | memoryview


def read_response(message: bytes) -> EncodeResponse | Chunk:
    """Reads an `EncodeResponse`; the rows of a chunk are not copied.

    Args:
        message: All its bytes.

    Raises:
        DecodeError: They are no such message.
    """
    try:
        found = _find_data(message)
    except IndexError:  # the message ends too early, and protobuf says so
        found = None
    if found is None:
        return EncodeResponse.FromString(message)
    head, stop, data = found
    return Chunk(ActivationChunk.FromString(message[head:stop]), memoryview(message)[data:])


def _find_data(message: bytes) -> tuple[int, int, int] | None:
    """Where a chunk's other fields begin and end, and where its data begins; None where it has no data at its end.

    Raises:
        IndexError: The message ends too early, or a length is written in too many bytes.
    """
    if message[0] != _CHUNK:
        return None
    length, begin = _read_length(message, 1)
    end = len(message)
    if begin + length != end:
        return None
    at = begin
    while at < end:
        tag = message[at]
        if tag in (_BLOCK, _OFFSET):
            at += 1
            while message[at] > 0x7F:
                at += 1
            at += 1
        elif tag in (_ITEMS, _TENSOR):
            length, at = _read_length(message, at + 1)
            at += length
        elif tag == _DATA:
            length, data = _read_length(message, at + 1)
            return (begin, at, data) if data + length == end else None
        else:
            return None
    return None


def _read_length(message: bytes, at: int) -> tuple[int, int]:
    """A length, and the place after it.

    Raises:
        IndexError: The message ends before it does, or it is written in too many bytes.
    """
    length = 0
    for number in range(_MOST_LENGTH_BYTES):
        byte = message[at + number]
        length |= (byte & 0x7F) << 7 * number
        if byte < 0x80:
            return length, at + number + 1
    raise IndexError


def _varint(value: int, width: int = 1) -> bytes:
    """A number of protobuf in at least `width` bytes."""
    found = bytearray()
    while value > 0x7F or len(found) < width - 1:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)


class BlockAssembly:
    """One block in the making.

    The bytes of a chunk go straight to their place in one array; a block of a single chunk is a view of its message,
    unless its numbers lie where the processor does not read them as such.

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
        self.items: Sequence[encoder_pb2.EncodedItem] = list(first.items)
        self._field = field
        self._shape = shape
        self._bf16 = first.tensor.dtype == DATA_TYPE_BF16
        self._wire = wire_dtype(first.tensor.dtype)
        self._size = math.prod(shape) * self._wire.itemsize
        self._array: NDArray[Any] | None = None
        self._received: list[tuple[int, int]] = []
        self._missing = self._size

    def add(self, chunk: Chunk) -> bool:
        """Takes a chunk in; whether the block is whole.

        Raises:
            TensorError: Bytes outside the block, or bytes that came before.
        """
        data = chunk.data
        start, stop = chunk.head.offset, chunk.head.offset + len(data)
        if start == stop:
            raise TensorError(self._field, f"Expected at least one byte at {start}, but got none")
        if start < 0 or stop > self._size:
            raise TensorError(self._field, f"Expected bytes within 0..{self._size}, but got {start}..{stop}")
        if start == 0 and stop == self._size:
            whole = np.frombuffer(data, self._wire).reshape(self._shape)
            self._array = whole if whole.flags.aligned else whole.copy()
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
