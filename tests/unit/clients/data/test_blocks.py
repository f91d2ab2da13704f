"""Blocks of activations put together from chunks."""

import itertools

import numpy as np
import pytest
from babelscope.data.blocks import BlockAssembly
from babelscope.data.tensors import f32_to_bf16
from babelscope.errors import TensorError
from babelscope.v1.encoder_pb2 import ActivationChunk, EncodedItem
from babelscope.v1.tensor_pb2 import DATA_TYPE_BF16, DATA_TYPE_F32, DATA_TYPE_F64, DataType, Tensor

ARRAY = np.arange(12, dtype=np.float32).reshape(2, 3, 2)
DATA = ARRAY.tobytes()


def _first(dtype: "DataType.ValueType" = DATA_TYPE_F32, shape: tuple[int, ...] = (2, 3, 2)) -> ActivationChunk:
    items = [EncodedItem(index=0, id="a", rows=1), EncodedItem(index=1, id="b", rows=1)]
    return ActivationChunk(block=7, items=items, tensor=Tensor(dtype=dtype, shape=shape))


def _part(start: int, stop: int, data: bytes = DATA) -> ActivationChunk:
    return ActivationChunk(block=7, offset=start, data=data[start:stop])


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
        ([ActivationChunk(block=7, offset=40, data=bytes(9))], "Expected bytes within 0..48, but got 40..49"),
        ([ActivationChunk(block=7, offset=-1, data=bytes(9))], "but got -1..8"),
        ([ActivationChunk(block=7, offset=4)], "Expected at least one byte at 4, but got none"),
    ],
)
def test_bytes_out_of_place_are_refused(parts: list[ActivationChunk], problem: str) -> None:
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
