"""Scratch: whole or not at all, checked, bounded, the oldest first."""

import os

import numpy as np
import pytest

from services.metrics.rows.scratch import Scratch
from services.runtime.errors import LimitExceeded

ROWS = np.arange(240, dtype=np.float32).reshape(20, 3, 4)


def keep(scratch, key, rows=ROWS, age=0):
    with scratch.create() as writer:
        writer.append(rows)
        writer.publish(key, rows.shape, rows.dtype.str, {"tokens": 7})
    if age:
        folder = scratch._folder / key
        os.utime(folder, (folder.stat().st_mtime - age,) * 2)


def test_what_was_kept_is_found(tmp_path):
    scratch = Scratch(tmp_path, 1 << 20)
    keep(scratch, "a")
    meta, rows = scratch.find("a")
    np.testing.assert_array_equal(rows, ROWS)
    assert meta.facts == {"tokens": 7}
    assert scratch.find("b") is None
    # Another server over the same folder finds it too.
    assert Scratch(tmp_path, 1 << 20).find("a") is not None


def test_rows_may_come_in_any_order(tmp_path):
    scratch = Scratch(tmp_path, 1 << 20)
    order = np.random.default_rng(0).permutation(20)
    with scratch.create() as writer:
        writer.reserve(ROWS.nbytes)
        for part in np.split(order, [3, 4, 11]):
            writer.place(part, ROWS[part])
        np.testing.assert_array_equal(writer.rows(ROWS.shape, "<f4"), ROWS)


def test_what_was_not_published_leaves_nothing(tmp_path):
    scratch = Scratch(tmp_path, 1 << 20)

    def broken():
        with scratch.create() as writer:
            writer.append(ROWS)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        broken()
    assert not list(tmp_path.iterdir())
    assert scratch._open == 0


@pytest.mark.parametrize("harm", ["bit", "cut", "gone", "meta", "no meta"])
def test_damage_is_found_and_removed(tmp_path, harm):
    scratch = Scratch(tmp_path, 1 << 20)
    keep(scratch, "a")
    rows, meta = tmp_path / "a" / "rows", tmp_path / "a" / "meta.json"
    data = rows.read_bytes()
    if harm == "bit":
        rows.write_bytes(bytes([data[0] ^ 1]) + data[1:])
    elif harm == "cut":
        rows.write_bytes(data[:-4])
    elif harm == "gone":
        rows.unlink()
    elif harm == "meta":
        meta.write_text("{")
    else:
        meta.unlink()
    assert scratch.find("a") is None
    keep(scratch, "a")
    assert scratch.find("a") is not None


def test_the_oldest_make_room(tmp_path):
    scratch = Scratch(tmp_path, 3 * ROWS.nbytes)
    for age, key in ((300, "a"), (200, "b")):
        keep(scratch, key, age=age)
    scratch.find("a")  # used again: no longer the oldest
    keep(scratch, "c")
    keep(scratch, "d")
    assert [key for key in "abcd" if scratch.find(key)] == ["a", "c", "d"]


def test_more_than_there_is_room_for(tmp_path):
    scratch = Scratch(tmp_path, 2 * ROWS.nbytes)
    with scratch.create() as first:
        first.append(ROWS)
        with scratch.create() as second:
            second.append(ROWS)
            with pytest.raises(LimitExceeded, match="scratch_bytes") as caught:
                second.append(ROWS)
    assert caught.value.retry_after
    with scratch.create() as alone, pytest.raises(LimitExceeded) as caught:
        alone.reserve(3 * ROWS.nbytes)
    assert caught.value.retry_after is None


def test_a_reader_keeps_its_bytes_when_its_entry_goes(tmp_path):
    scratch = Scratch(tmp_path, ROWS.nbytes)
    keep(scratch, "a")
    _, rows = scratch.find("a")
    keep(scratch, "b", ROWS + 1)
    assert scratch.find("a") is None
    np.testing.assert_array_equal(rows, ROWS)
