"""Packing loses nothing, mixes nothing, and shares the work out evenly."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.models.families.base import count_positions
from services.models.layers.packing import LengthGroup, pack, split
from services.models.spec import TokenizedText

SIZES = st.lists(st.integers(1, 300), max_size=60)


def _text(size: int, first: int = 0, special: tuple[int, ...] = (0, -1)) -> TokenizedText:
    mask = np.zeros(size, dtype=bool)
    mask[list(special)] = True
    nowhere = np.zeros(size, dtype=np.int32)
    return TokenizedText(np.arange(first, first + size), mask, nowhere, nowhere, False, size)


@given(SIZES, st.integers(1, 700), st.integers(1, 4))
def test_every_text_is_in_exactly_one_chunk(sizes: list[int], rows: int, workers: int) -> None:
    chunks = split(sizes, rows, workers)
    assert sorted(np.concatenate([*chunks, np.zeros(0, dtype=np.int64)]).tolist()) == list(range(len(sizes)))
    assert all(chunk.size > 0 for chunk in chunks)


@given(SIZES, st.integers(1, 700), st.integers(1, 4))
def test_chunks_are_near_the_target_and_sorted(sizes: list[int], rows: int, workers: int) -> None:
    longest = max(sizes, default=0)
    lengths = [[sizes[place] for place in chunk] for chunk in split(sizes, rows, workers)]
    assert all(sum(chunk) <= rows + 2 * longest for chunk in lengths)
    flat = [size for chunk in lengths for size in chunk]
    assert flat == sorted(flat, reverse=True)


def test_two_workers_get_two_even_chunks() -> None:
    chunks = split([30] * 40, 1000, 2)
    assert [chunk.size for chunk in chunks] == [20, 20]


def test_a_single_text_is_a_single_chunk() -> None:
    assert [chunk.tolist() for chunk in split([7], 1000, 2)] == [[0]]


def test_pack_lays_texts_side_by_side() -> None:
    batch = [_text(3), _text(5, 10), _text(3, 20), _text(1, 30, special=(0,))]
    packed = pack(batch, np.array([1, 0, 2, 3]), count_positions)
    assert packed.ids[:12].tolist() == [10, 11, 12, 13, 14, 0, 1, 2, 20, 21, 22, 30]
    assert packed.positions[:12].tolist() == [0, 1, 2, 3, 4, 0, 1, 2, 0, 1, 2, 0]
    assert packed.starts.tolist() == [0, 5, 8, 11]
    assert packed.groups == (LengthGroup(0, 1, 5), LengthGroup(5, 2, 3), LengthGroup(11, 1, 1))
    assert packed.content.tolist() == [1, 2, 3, 6, 9]
    assert packed.rows == 12
    assert [group.stop for group in packed.groups] == [5, 11, 12]


@pytest.mark.parametrize(("length", "rows"), [(3, 16), (16, 16), (17, 32)])
def test_the_number_of_rows_is_one_of_few(length: int, rows: int) -> None:
    packed = pack([_text(length, 5)], np.array([0]), count_positions)
    assert len(packed.ids) == len(packed.positions) == rows
    assert packed.rows == length
    assert packed.content.max() < length
    assert set(packed.ids[length:].tolist()) <= {5}
