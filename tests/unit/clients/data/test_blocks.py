"""Blocks of activations put together from chunks."""

import itertools

import numpy as np
import pytest
from babelscope.data import activations
from babelscope.data.blocks import BlockAssembly, Chunk, OutputType, read_response, write_chunks
from babelscope.data.tensors import CHUNK_BYTES, bf16_to_f32, f32_to_bf16
from babelscope.errors import TensorError
from babelscope.v1.encoder_pb2 import ActivationChunk, EncodedItem, EncodeFinished, EncodeResponse, EncodeStarted
from babelscope.v1.tensor_pb2 import DATA_TYPE_BF16, DATA_TYPE_F32, DATA_TYPE_F64, DataType, Tensor
from google.protobuf.message import DecodeError
from hypothesis import example, given
from hypothesis import strategies as st

ARRAY = np.arange(12, dtype=np.float32).reshape(2, 3, 2)
DATA = ARRAY.tobytes()


def _first(dtype: "DataType.ValueType" = DATA_TYPE_F32, shape: tuple[int, ...] = (2, 3, 2)) -> ActivationChunk:
    items = [EncodedItem(index=0, id="a", rows=1), EncodedItem(index=1, id="b", rows=1)]
    return ActivationChunk(block=7, items=items, tensor=Tensor(dtype=dtype, shape=shape))


def _part(start: int, stop: int, data: bytes = DATA) -> Chunk:
    return _chunk(start, data[start:stop])


def _chunk(offset: int, data: bytes) -> Chunk:
    return Chunk(ActivationChunk(block=7, offset=offset), data)


@pytest.mark.parametrize("order", list(itertools.permutations([(0, 5), (5, 24), (24, 48)])))
def test_chunks_may_come_in_any_order(order: list[tuple[int, int]]) -> None:
    block = BlockAssembly(_first(), 3, 2)
    assert [block.add(_part(*part)) for part in order] == [False, False, True]
    assert np.array_equal(block.array(), ARRAY)
    assert not block.array().flags.writeable


def test_a_block_of_one_chunk_is_not_copied() -> None:
    block = BlockAssembly(_first(), 3, 2)
    assert block.add(_part(0, 48))
    array = block.array()
    while isinstance(array, np.ndarray):
        array = array.base
    assert isinstance(array, bytes)


def test_bf16_is_widened() -> None:
    data = f32_to_bf16(ARRAY).tobytes()
    block = BlockAssembly(_first(DATA_TYPE_BF16), 3, 2)
    assert not block.add(_part(0, 7, data))
    assert block.add(_part(7, 24, data))
    assert np.array_equal(block.array(), ARRAY)


@pytest.mark.parametrize(
    ("first", "problem"),
    [
        (_first(DATA_TYPE_F64), "Expected a dtype of F32, BF16, but got F64"),
        (_first(shape=(3, 3, 2)), "Expected shape [2, 3, 2] without a 0, but got [3, 3, 2]"),
        (_first(shape=(2, 4, 2)), "but got [2, 4, 2]"),
        (_first(shape=(2, 3)), "but got [2, 3]"),
        (_first(shape=(2, -3, -2)), "Expected a shape without negative extents"),
    ],
)
def test_a_block_that_does_not_fit_the_call_is_refused(first: ActivationChunk, problem: str) -> None:
    with pytest.raises(TensorError) as caught:
        BlockAssembly(first, 3, 2)
    assert problem in caught.value.problem
    assert caught.value.field == "chunk(block=7).tensor"


@pytest.mark.parametrize(
    ("parts", "problem"),
    [
        ([_part(0, 24), _part(0, 24)], "Expected the bytes from 24 on, but got those from 0 on"),
        ([_chunk(40, bytes(9))], "Expected bytes within 0..48, but got 40..49"),
        ([_chunk(-1, bytes(9))], "but got -1..8"),
        ([_chunk(4, b"")], "Expected at least one byte at 4, but got none"),
    ],
)
def test_bytes_out_of_place_are_refused(parts: list[Chunk], problem: str) -> None:
    block = BlockAssembly(_first(), 3, 2)
    for part in parts[:-1]:
        block.add(part)
    with pytest.raises(TensorError) as caught:
        block.add(parts[-1])
    assert problem in caught.value.problem


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused(value: float) -> None:
    bad = ARRAY.copy()
    bad[1, 2, 0] = value
    block = BlockAssembly(_first(), 3, 2)
    block.add(_part(0, 48, bad.tobytes()))
    with pytest.raises(TensorError, match="in row 1"):
        block.array()


NUMBERS = st.integers(0, 2**63 - 1)
ROWS = st.lists(st.integers(1, 5), min_size=1, max_size=6)
OUTPUTS = st.sampled_from(["float32", "bfloat16"])


def _items(rows: list[int], names: str) -> list[activations.EncodedItem]:
    return [
        activations.EncodedItem(place, f"{names}{place}", count, 7 * count, place % 2 == 1, tuple(range(place % count)))
        for place, count in enumerate(rows)
    ]


def _sent(array: np.ndarray, output: OutputType) -> bytes:
    return array.tobytes() if output == "float32" else f32_to_bf16(array).tobytes()


@given(NUMBERS, ROWS, st.integers(1, 5), st.text(max_size=70), OUTPUTS)
@example(2**63 - 1, [1], 1, "", "float32")
@example(2**56, [1], 1, "000000", "float32")
def test_a_written_block_is_what_protobuf_would_write(
    number: int, rows: list[int], width: int, names: str, output: OutputType
) -> None:
    whole = np.random.default_rng(number).standard_normal((sum(rows), 3, width), dtype=np.float32)
    arrays = np.split(whole, np.cumsum(rows)[:-1])
    items = _items(rows, names)
    [found] = write_chunks(number, items, arrays, output)
    expected = ActivationChunk(
        block=number,
        items=[
            EncodedItem(
                index=each.index,
                id=each.id,
                rows=each.rows,
                tokens=each.tokens,
                truncated=each.truncated,
                empty_rows=each.empty_rows,
            )
            for each in items
        ],
        tensor=Tensor(dtype=DATA_TYPE_F32 if output == "float32" else DATA_TYPE_BF16, shape=whole.shape),
        data=_sent(whole, output),
    )
    assert EncodeResponse.FromString(found.message) == EncodeResponse(chunk=expected)
    assert found.start % 4 == 0 or number >= 2**49
    assert found.data == expected.data


@given(st.integers(0, 2**49 - 1), ROWS, st.integers(1, 5), st.text(max_size=70), OUTPUTS)
def test_a_block_that_fits_its_message_is_read_in_place(
    number: int, rows: list[int], width: int, names: str, output: OutputType
) -> None:
    whole = np.random.default_rng(number).standard_normal((sum(rows), 2, width), dtype=np.float32)
    [written] = write_chunks(number, _items(rows, names), np.split(whole, np.cumsum(rows)[:-1]), output)
    chunk = read_response(written.message)
    assert isinstance(chunk, Chunk)
    block = BlockAssembly(chunk.head, 2, width)
    assert block.add(chunk)
    found = block.array()
    assert found.flags.aligned
    assert not found.flags.writeable
    assert found.tobytes() == (whole if output == "float32" else bf16_to_f32(f32_to_bf16(whole))).tobytes()
    if output == "float32":
        assert np.shares_memory(found, np.frombuffer(written.message, np.uint8))


@pytest.mark.parametrize("output", ["float32", "bfloat16"])
@pytest.mark.parametrize("extra", [-1, 0, 1, CHUNK_BYTES // 4 + 3])
def test_a_long_text_is_cut_and_put_together(extra: int, output: OutputType) -> None:
    rows = CHUNK_BYTES // 4 + extra
    whole = np.random.default_rng(0).standard_normal((rows, 1, 1), dtype=np.float32)
    written = list(write_chunks(3, _items([rows], "t"), [whole], output))
    sent = _sent(whole, output)
    assert [len(each.data) for each in written[:-1]] == [CHUNK_BYTES] * ((len(sent) - 1) // CHUNK_BYTES)
    chunks = [read_response(each.message) for each in written]
    assert isinstance(chunks[0], Chunk)
    block = BlockAssembly(chunks[0].head, 1, 1)
    assert [block.add(each) for each in chunks if isinstance(each, Chunk)] == [False] * (len(written) - 1) + [True]
    assert block.array().tobytes() == (whole if output == "float32" else bf16_to_f32(f32_to_bf16(whole))).tobytes()


def test_rows_in_a_view_of_another_order_are_written_in_theirs() -> None:
    whole = np.asfortranarray(np.arange(24, dtype=np.float32).reshape(4, 3, 2))
    [written] = write_chunks(0, _items([4], "t"), [whole], "float32")
    assert written.data == whole.tobytes()


@pytest.mark.parametrize("shift", [0, 1, 2, 3])
def test_numbers_out_of_place_are_copied(shift: int) -> None:
    data = memoryview(bytes(shift) + DATA)[shift:]
    block = BlockAssembly(_first(), 3, 2)
    assert block.add(Chunk(ActivationChunk(block=7), data))
    assert block.array().flags.aligned
    assert block.array().tobytes() == DATA


def _number(value: int, width: int = 1) -> bytes:
    """A number of protobuf, in more bytes than it needs where they are wanted."""
    found: list[int] = []
    while value > 0x7F or len(found) < width - 1:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])


def _delimited(tag: int, content: bytes, width: int = 1) -> bytes:
    return bytes([tag]) + _number(len(content), width) + content


ITEM = EncodedItem(index=3, id="n\u00e4me", rows=2, empty_rows=[1]).SerializeToString()
WIDTHS = st.integers(1, 6)
FIELDS = st.one_of(
    st.builds(lambda value, width: b"\x08" + _number(value, width), NUMBERS, st.integers(1, 11)),
    st.builds(lambda content, width: _delimited(0x12, content, width), st.sampled_from([ITEM, b"", b"\xff"]), WIDTHS),
    st.builds(lambda width: _delimited(0x1A, _first().tensor.SerializeToString(), width), WIDTHS),
    st.builds(lambda value: b"\x20" + _number(value), NUMBERS),
    st.builds(lambda data, width: _delimited(0x2A, data, width), st.binary(max_size=9), WIDTHS),
    # Fields that the contract does not have: a number, bytes, four bytes, a group, and one of a tag of two bytes.
    st.sampled_from([b"\x30\x05", b"\x3a\x02ab", b"\x3dabcd", b"\x43\x08\x01\x44", b"\x82\x01\x01a", b"\x00"]),
)
CHUNKS = st.builds(
    lambda fields, width: _delimited(0x12, b"".join(fields), width), st.lists(FIELDS, max_size=6), WIDTHS
)
OTHERS = st.sampled_from(
    [
        b"",
        EncodeResponse(started=EncodeStarted(device="cpu", layers=[0, 1])).SerializeToString(),
        EncodeResponse(finished=EncodeFinished(texts=3)).SerializeToString(),
        b"\x2a\x01a",
    ]
)


def _spoil(message: bytes, place: int, byte: int, cut: int) -> bytes:
    """A message with a byte changed, and an end cut off."""
    changed = bytearray(message)
    if changed and byte >= 0:
        changed[place % len(changed)] = byte
    return bytes(changed[: len(changed) - cut])


MESSAGES = st.lists(st.one_of(CHUNKS, CHUNKS, CHUNKS, OTHERS), min_size=1, max_size=2).map(b"".join)
SPOILT = st.builds(_spoil, MESSAGES, st.integers(0, 200), st.integers(0, 255), st.integers(0, 3))


@given(st.one_of(MESSAGES, SPOILT, st.binary(max_size=40)))
def test_any_message_is_read_as_protobuf_reads_it(message: bytes) -> None:
    try:
        expected = EncodeResponse.FromString(message)
    except DecodeError:
        with pytest.raises(DecodeError):
            read_response(message)
        return
    found = read_response(message)
    if isinstance(found, Chunk):
        found.head.data = bytes(found.data)
        found = EncodeResponse(chunk=found.head)
    assert found.SerializeToString(deterministic=True) == expected.SerializeToString(deterministic=True)


@given(NUMBERS, ROWS, st.binary(min_size=1, max_size=9))
def test_chunks_that_protobuf_writes_are_read_in_place(number: int, rows: list[int], data: bytes) -> None:
    items = [EncodedItem(index=place, id=f"t{place}", rows=count) for place, count in enumerate(rows)]
    chunk = ActivationChunk(block=number, items=items, offset=number // 2, data=data)
    found = read_response(EncodeResponse(chunk=chunk).SerializeToString())
    assert isinstance(found, Chunk)
    assert bytes(found.data) == data
    assert not found.head.data
