"""Scratch: whole or not at all, checked, bounded, the oldest first."""

import os
import subprocess
import sys
import textwrap

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


@pytest.mark.parametrize("dropped", [[], [0], [19], [0, 1, 2], [3, 4, 11, 19], list(range(1, 20))])
def test_rows_can_be_taken_out_again(tmp_path, monkeypatch, dropped):
    monkeypatch.setattr("services.metrics.rows.scratch._PIECE", 100)
    scratch = Scratch(tmp_path, 1 << 20)
    kept = np.delete(ROWS, dropped, 0)
    with scratch.create() as writer:
        writer.reserve(ROWS.nbytes)
        writer.place(np.arange(20), ROWS)
        writer.drop(dropped, ROWS.shape, "<f4")
        np.testing.assert_array_equal(writer.rows(kept.shape, "<f4"), kept)
        writer.publish("a", kept.shape, "<f4", {})
    np.testing.assert_array_equal(scratch.find("a")[1], kept)


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


@pytest.mark.parametrize("harm", ["bit", "cut", "gone", "meta", "no meta", "facts", "shape", "dtype", "huge", "deep"])
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
    elif harm == "deep":
        meta.write_text("[" * 100_000)
    elif harm != "no meta":
        # Of the same length and type, so that nothing but the digest can tell.
        before, after = {
            "facts": ('"tokens": 7', '"tokens": 8'),
            "shape": ("[20, 3, 4]", "[20, 4, 3]"),
            "dtype": ("<f4", "<i4"),
            "huge": ("[20, 3, 4]", f"[{2**62}, 3, 4]"),
        }[harm]
        text = meta.read_text()
        assert before in text
        meta.write_text(text.replace(before, after))
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


def test_a_write_that_the_system_cuts_is_gone_on_with(tmp_path, monkeypatch):
    """The system may take fewer bytes than it is given, without an error."""
    whole = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda number, data, offset: whole(number, bytes(data)[:7], offset))
    scratch = Scratch(tmp_path, 1 << 20)
    keep(scratch, "a")
    with scratch.create() as writer:
        writer.reserve(ROWS.nbytes)
        writer.place(np.arange(20)[::-1], ROWS)
        writer.publish("b", ROWS.shape, ROWS.dtype.str, {})
    np.testing.assert_array_equal(scratch.find("a")[1], ROWS)
    np.testing.assert_array_equal(scratch.find("b")[1], ROWS[::-1])


@pytest.mark.parametrize("way", ["append", "place"])
def test_a_full_disk_is_a_limit_and_nothing_is_published(tmp_path, way):
    """A process whose files may not grow beyond 100,000 bytes gets fewer bytes than it asks for, then an error."""
    script = textwrap.dedent(f"""
        import resource, signal, sys
        from pathlib import Path
        import numpy as np
        from services.metrics.rows.scratch import Scratch
        from services.runtime.errors import LimitExceeded
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        rows = np.ones((1000, 1, 60), np.float32)
        scratch = Scratch(Path(sys.argv[1]), 1 << 30)
        try:
            with scratch.create() as writer:
                writer.reserve(rows.nbytes)
                writer.append(rows) if {way == "append"} else writer.place(np.arange(1000), rows)
                writer.publish("a", rows.shape, rows.dtype.str, {{}})
        except LimitExceeded as error:
            print(error.subject, error)
        print(scratch.find("a"), list(Path(sys.argv[1]).iterdir()))
    """)
    ran = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True)
    assert ran.stdout.startswith("scratch_bytes "), ran.stdout
    assert "Expected room for 240000 bytes" in ran.stdout
    assert ran.stdout.endswith("None []\n")


def test_an_entry_of_another_length_is_never_published(tmp_path):
    scratch = Scratch(tmp_path, 1 << 20)
    with scratch.create() as writer:
        writer.append(ROWS[:10])
        with pytest.raises(RuntimeError, match="Expected an entry of 960 bytes, but 480"):
            writer.publish("a", ROWS.shape, ROWS.dtype.str, {})
    assert scratch.find("a") is None
