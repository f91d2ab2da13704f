"""Tensors on the wire: bits survive, and what does not fit is refused with what was expected."""

import numpy as np
import pytest
from babelscope.data.tensors import bf16_to_f32, f32_to_bf16, to_numpy, to_proto, to_wire, type_name
from babelscope.errors import TensorError
from babelscope.v1.tensor_pb2 import DATA_TYPE_BF16, DATA_TYPE_BOOL, DATA_TYPE_F32, DataType, Tensor
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

TYPES = [np.float32, np.float16, np.float64, np.int32, np.int64, np.uint8, np.bool_]


@given(st.data(), st.sampled_from(TYPES), npst.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5))
def test_every_type_and_shape_survives(data: st.DataObject, dtype: type, shape: tuple[int, ...]) -> None:
    array = data.draw(npst.arrays(dtype, shape))
    message = Tensor.FromString(to_proto(array).SerializeToString())
    back = to_numpy(message)
    assert back.shape == array.shape
    assert back.dtype == array.dtype
    assert back.tobytes() == array.tobytes()
    assert not back.flags.writeable


def test_reading_is_a_view_of_bytes() -> None:
    array = to_numpy(to_proto(np.arange(6, dtype=np.float32)))
    while isinstance(array, np.ndarray):
        array = array.base
    assert isinstance(array, bytes)


def test_bytes_are_little_endian_and_in_c_order() -> None:
    array = np.asfortranarray(np.array([[1, 2], [3, 4]], ">i4"))
    assert to_proto(array).data == b"".join(value.to_bytes(4, "little") for value in (1, 2, 3, 4))


# float32 bits, bfloat16 bits: exact, ties to even, above the tie, carry into the exponent, infinities, zeros.
@pytest.mark.parametrize(
    ("bits", "rounded"),
    [
        (0x3F800000, 0x3F80),
        (0x3F808000, 0x3F80),
        (0x3F818000, 0x3F82),
        (0x3F808001, 0x3F81),
        (0x3FFFFFFF, 0x4000),
        (0x7F7FFFFF, 0x7F80),
        (0x7F800000, 0x7F80),
        (0xFF800000, 0xFF80),
        (0x80000000, 0x8000),
        (0x00000001, 0x0000),
    ],
)
def test_bf16_rounds_to_nearest_even(bits: int, rounded: int) -> None:
    value = np.array([bits], np.uint32).view(np.float32)
    assert f32_to_bf16(value).tolist() == [rounded]


@pytest.mark.parametrize("bits", [0x7FC00000, 0x7F800001, 0x7FFFFFFF, 0xFF800001, 0xFFFFFFFF])
def test_bf16_keeps_nan_a_nan(bits: int) -> None:
    assert np.isnan(bf16_to_f32(f32_to_bf16(np.array([bits], np.uint32).view(np.float32)))).all()


@given(npst.arrays(np.uint16, 8))
def test_bf16_widens_exactly_and_back(bits: np.ndarray) -> None:
    wide = bf16_to_f32(bits)
    finite = ~np.isnan(wide)
    assert np.array_equal(f32_to_bf16(wide)[finite], bits[finite])


@given(npst.arrays(np.float32, 8, elements=st.floats(-(2.0**100), 2.0**100, width=32)))
def test_bf16_is_within_half_a_step(values: np.ndarray) -> None:
    back = bf16_to_f32(f32_to_bf16(values))
    assert (np.abs(back - values) <= np.maximum(np.abs(values) * 2.0**-8, 2.0**-126)).all()


def test_bf16_travels_as_bits_and_reads_as_float32() -> None:
    message = to_proto(np.array([1.0, -2.5], np.float32), DATA_TYPE_BF16)
    assert len(message.data) == 4
    assert to_numpy(message).tolist() == [1.0, -2.5]
    assert to_wire(np.array([0x3F80], np.uint16), DATA_TYPE_BF16)[0].tolist() == [0x3F80]


@pytest.mark.parametrize(
    ("message", "problem"),
    [
        (Tensor(dtype=DATA_TYPE_F32, shape=[2, 3], data=bytes(23)), "Expected 24 bytes for F32 [2, 3], but got 23"),
        (Tensor(dtype=DATA_TYPE_F32, shape=[-1], data=b""), "Expected a shape without negative extents, but got [-1]"),
        (Tensor(shape=[1], data=bytes(4)), "but got UNSPECIFIED"),
        (Tensor(dtype=DATA_TYPE_BOOL, shape=[3], data=b"\x00\x02\x01"), "Expected bytes of 0 or 1 for BOOL, but got 2"),
    ],
)
def test_what_does_not_fit_is_refused(message: Tensor, problem: str) -> None:
    with pytest.raises(TensorError) as caught:
        to_numpy(message, field="activations.tensor")
    assert caught.value.field == "activations.tensor"
    assert problem in caught.value.problem
    assert str(caught.value).startswith("activations.tensor: ")


def test_an_unknown_type_keeps_its_number() -> None:
    assert type_name(99) == "99"
    assert [type_name(value) for value in DataType.values()][:3] == ["UNSPECIFIED", "F32", "F16"]


@pytest.mark.parametrize("array", [np.array(["a"]), np.array([1 + 2j]), np.array([None])])
def test_a_type_without_counterpart_is_refused(array: np.ndarray) -> None:
    with pytest.raises(TensorError, match="Expected a dtype of float32"):
        to_proto(array)


@pytest.mark.parametrize("extent", [0, 1, 32, 2**62])
def test_a_shape_of_too_many_axes_is_refused_at_once(extent: int) -> None:
    with pytest.raises(TensorError, match="at most 32 axes, but got 3000000"):
        to_numpy(Tensor(dtype=DATA_TYPE_F32, shape=[extent] * 3_000_000, data=bytes(4)))
