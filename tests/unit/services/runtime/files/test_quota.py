"""A store that may hold so many bytes and no more."""

from pathlib import Path

import pytest

from services.runtime.errors import LimitExceeded
from services.runtime.files.quota import COUNT_SECONDS, Quota
from services.runtime.files.store import Store


def test_what_does_not_fit_is_refused_with_figures_and_leaves_nothing(tmp_path: Path) -> None:
    store = Store(str(tmp_path), 1000)
    first = store.put("datasets", bytes(600))
    with pytest.raises(LimitExceeded, match="at most 1000 bytes, but it holds 600 and this needs 500 more") as caught:
        store.put("datasets", b"x" * 500)
    assert (caught.value.subject, caught.value.retry_after) == ("store_bytes", None)
    assert store.list() == [first]
    assert store.put("datasets", bytes(600)) == first, "what is there already needs no room"
    store.put("datasets", b"x" * 400)
    store.delete(first)
    store.put("datasets", b"y" * 600)


def test_a_writer_is_stopped_before_it_has_written_all(tmp_path: Path) -> None:
    store = Store(str(tmp_path), 1 << 20)
    sizes: list[int] = []

    def write() -> None:
        with store.create("datasets") as writer:
            for _ in range(100):
                writer.write(bytes(1 << 18))
                sizes.append(writer.size)

    with pytest.raises(LimitExceeded, match="store_bytes"):
        write()
    assert sizes == [1 << 18, 2 << 18, 3 << 18, 4 << 18]
    assert store.list() == []


def test_what_others_write_is_found_once_a_minute_and_before_a_refusal() -> None:
    now, there = [0.0], [100]
    counts = []

    def count() -> int:
        counts.append(now[0])
        return there[0]

    quota = Quota(1000, count, lambda: now[0])
    quota.check(100)
    quota.added(100)
    there[0] = 990
    quota.check(100)  # not yet known
    now[0] += COUNT_SECONDS + 1
    with pytest.raises(LimitExceeded, match="it holds 990"):
        quota.check(100)
    there[0] = 0
    quota.check(100)
    assert len(counts) <= 4


def test_a_full_store_lets_servers_start(tmp_path: Path) -> None:
    Store(str(tmp_path)).put("datasets", bytes(600))
    full = Store(str(tmp_path), 10)
    full.probe()
    with pytest.raises(LimitExceeded):
        full.put("datasets", b"x")
