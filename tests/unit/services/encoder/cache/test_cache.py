"""Kept rows: what is put is found at any layers that are kept, by any server, and what is damaged is computed again."""

import multiprocessing
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from babelscope.store.places import open_place
from babelscope.store.pruning import judge
from babelscope.store.references import references
from hypothesis import given, settings
from hypothesis import strategies as st

from services.encoder.cache.cache import Cache
from services.encoder.cache.keys import Keys
from services.encoder.cache.shards import Card, Kept, Line, pack, unpack
from services.encoder.cache.shelf import Event
from services.runtime.errors import LimitExceeded
from services.runtime.files.store import Store

D = 4
LIMIT = 512
ALL = tuple(range(13))


def keys_of(number: int) -> Keys:
    """Two keys that no other number has."""
    return Keys(number.to_bytes(32, "little"), (number + 10**6).to_bytes(32, "little"))


def rows_of(number: int, layers: tuple[int, ...] = ALL, rows: int = 1) -> Kept:
    """Rows that number and layer determine."""
    values = 1000.0 * number + np.asarray(layers)[:, None] + np.linspace(0, 0.5, D)
    array = np.tile(values.astype(np.float32), (rows, 1, 1))
    return Kept(array, rows + 2, rows, False, (0,) if rows > 1 else ())


class Counts:
    """What a cache told."""

    def __init__(self) -> None:
        self.of = dict.fromkeys(Event, 0)

    def __call__(self, event: Event, amount: int) -> None:
        self.of[event] += amount


@contextmanager
def opened(folder: Path, capacity: int = 1 << 24, counts: Counts | None = None) -> Iterator[Cache]:
    """A server's cache."""
    cache = Cache(Store(str(folder)), capacity, observe=counts or Counts(), refresh_seconds=0.0, linger_seconds=0.0)
    try:
        cache.refresh()
        yield cache
    finally:
        cache.close()


def loaded(cache: Cache, number: int, layers: tuple[int, ...] = ALL, limit: int = LIMIT) -> Kept | None:
    """The rows that a cache has."""
    [found] = cache.find([keys_of(number)], layers, limit, cut=False)
    return cache.load(found) if found else None


def write(folder: Path, numbers: range, at_once: int = 100) -> None:
    """A server that keeps rows, in one shard where all come at once, and ends."""
    with opened(folder) as cache:
        for start in numbers[::at_once]:
            some = range(start, min(start + at_once, numbers.stop))
            cache.keep([(keys_of(number), rows_of(number)) for number in some], ALL)


@settings(deadline=None, max_examples=25)
@given(
    kept=st.lists(st.lists(st.sampled_from(ALL), min_size=1, unique=True), min_size=1, max_size=3),
    asked=st.lists(st.sampled_from(ALL), min_size=1, unique=True),
    rows=st.integers(1, 3),
    restarts=st.booleans(),
)
def test_any_layers_are_served_that_any_requests_left(
    kept: list[list[int]], asked: list[int], rows: int, restarts: bool
) -> None:
    with TemporaryDirectory() as folder:
        path, layers = Path(folder), tuple(asked)
        with opened(path) as cache:
            for each in kept:
                cache.keep([(keys_of(7), rows_of(7, tuple(each), rows))], tuple(each))
                if restarts:
                    with opened(path) as other:
                        other.keep([(keys_of(7), rows_of(7, tuple(each), rows))], tuple(each))
            memory = loaded(cache, 7, layers)
        with opened(path) as cache:
            stored = loaded(cache, 7, layers)
            assert loaded(cache, 8, layers) is None
        if not set(asked) <= {layer for each in kept for layer in each}:
            assert memory is None
            assert stored is None
            return
        expected = rows_of(7, layers, rows)
        for found in (memory, stored):
            assert found is not None
            np.testing.assert_array_equal(found.rows, expected.rows)
            assert (found.tokens, found.content, found.truncated, found.empty) == (
                expected.tokens,
                expected.content,
                expected.truncated,
                expected.empty,
            )


def test_a_limit_matters_only_to_texts_that_it_cuts(tmp_path: Path) -> None:
    cut = Kept(rows_of(2).rows, 5, 3, True)
    with opened(tmp_path) as cache:
        cache.keep([(keys_of(1), rows_of(1)), (keys_of(2), cut)], ALL)
        assert loaded(cache, 1, limit=3) is not None
        assert loaded(cache, 1, limit=2) is None
        assert loaded(cache, 2) is None
        [found] = cache.find([keys_of(2)], ALL, 5, cut=True)
        assert found is not None
        kept = cache.load(found)
        assert kept is not None
        assert kept.truncated


def test_shards_and_cards_are_read_as_they_were_written() -> None:
    texts = [(keys_of(number).whole, rows_of(number, rows=number)) for number in (1, 3)]
    shard = unpack(pack(texts, ALL))
    assert pack(texts, ALL) == pack(texts, ALL)
    assert shard.layers == ALL
    for number, (key, kept) in enumerate(texts):
        found = shard.text(number, key)
        assert found is not None
        np.testing.assert_array_equal(found.rows, kept.rows)
        assert (found.tokens, found.content, found.empty) == (kept.tokens, kept.content, kept.empty)
    assert shard.text(0, texts[1][0]) is None
    assert shard.text(2, texts[1][0]) is None
    card = Card(f"rows/{'a' * 64}.safetensors", ALL, (Line(texts[0][0], 1, 3),))
    assert Card.from_bytes(card.to_bytes()) == card


@pytest.mark.parametrize("data", [b"", b"{}", b'{"shard": "x", "layers": 3, "texts": []}', b"\x00\xff"])
def test_what_is_no_card_or_shard_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="card of a shard"):
        Card.from_bytes(data)
    with pytest.raises(ValueError, match="shard of rows"):
        unpack(data)


@pytest.mark.parametrize("kind", ["rows", "rows-cards"])
@pytest.mark.parametrize("harm", ["flip", "cut", "remove"])
def test_what_is_damaged_or_gone_is_computed_again(tmp_path: Path, kind: str, harm: str) -> None:
    write(tmp_path, range(3))
    [path] = (tmp_path / kind).rglob("*.*")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    match harm:
        case "flip":
            path.write_bytes(data)
        case "cut":
            path.write_bytes(data[: len(data) // 2])
        case _:
            path.unlink()
    counts = Counts()
    with opened(tmp_path, counts=counts) as cache:
        assert loaded(cache, 1) is None
        assert loaded(cache, 1) is None
        assert counts.of[Event.DAMAGED] == (harm != "remove")
        cache.keep([(keys_of(1), rows_of(1))], ALL)
    with opened(tmp_path) as cache:
        kept = loaded(cache, 1)
        assert kept is not None
        np.testing.assert_array_equal(kept.rows, rows_of(1).rows)


def test_a_shard_without_a_card_is_not_looked_at_and_the_next_to_go(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    orphan = store.put("rows", pack([(keys_of(1).whole, rows_of(1))], ALL), suffix=".safetensors")
    with opened(tmp_path) as cache:
        assert loaded(cache, 1) is None
    with opened(tmp_path, 1500) as cache:
        cache.keep([(keys_of(2), rows_of(2))], ALL)
    assert not store.exists(orphan)
    assert len(store.list("rows/")) == 1


def test_the_shards_unused_for_longest_make_room(tmp_path: Path) -> None:
    for number in range(4):
        write(tmp_path, range(number, number + 1))
    store, shards = Store(str(tmp_path)), {}
    for card in store.list("rows-cards/"):
        about = Card.from_bytes(store.get(card))
        shards[int.from_bytes(about.texts[0].key, "little")] = about.shard
    for number, name in shards.items():
        [path] = tmp_path.rglob(name.removeprefix("rows/"))
        os.utime(path, (number + 1, number + 1))
    size = sum(state.bytes for kind in ("rows", "rows-cards") for state in store.states(kind))
    counts = Counts()
    with opened(tmp_path, size, counts) as cache:
        assert loaded(cache, 0) is not None  # used now: the second is the oldest
        cache.keep([(keys_of(9), rows_of(9))], ALL)
    with opened(tmp_path) as cache:
        assert [loaded(cache, number) is not None for number in (0, 1, 2, 3, 9)] == [True, False, True, True, True]
    assert sum(state.bytes for kind in ("rows", "rows-cards") for state in store.states(kind)) <= size
    assert counts.of[Event.EVICTED] > 0


def test_rows_that_the_store_refuses_are_counted_and_nothing_is_raised(tmp_path: Path) -> None:
    class Full(Store):
        def put(self, *args: object, **kwargs: object) -> str:
            raise LimitExceeded("store", "Expected room in the store, but it is full")

    counts = Counts()
    for store, capacity in ((Full(str(tmp_path)), 1 << 20), (Store(str(tmp_path)), 10)):
        cache = Cache(store, capacity, observe=counts, linger_seconds=0.0)
        cache.keep([(keys_of(1), rows_of(1))], ALL)
        cache.close()
        assert loaded(cache, 1) is None
    assert counts.of[Event.DROPPED] == 2
    assert not Store(str(tmp_path)).list()


def test_threads_keep_and_find_at_once(tmp_path: Path) -> None:
    wrong: list[int] = []
    with opened(tmp_path) as cache:

        def work(first: int) -> None:
            for number in range(first, first + 40):
                cache.keep([(keys_of(number), rows_of(number))], ALL)
                cache.refresh()
                kept = loaded(cache, number)
                if kept is None or not np.array_equal(kept.rows, rows_of(number).rows):
                    wrong.append(number)

        threads = [threading.Thread(target=work, args=(20 * part,)) for part in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not wrong
    with opened(tmp_path) as cache:
        assert all(loaded(cache, number) is not None for number in range(100))


def test_processes_that_write_the_same_texts_leave_one_whole_cache(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    spans = [range(30), range(10, 40), range(30)]
    processes = [context.Process(target=write, args=(tmp_path, span, 5)) for span in spans]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    with opened(tmp_path) as cache:
        for number in range(40):
            kept = loaded(cache, number)
            assert kept is not None
            np.testing.assert_array_equal(kept.rows, rows_of(number).rows)


def test_pruning_a_store_removes_a_card_with_its_shard_and_no_other(tmp_path: Path) -> None:
    write(tmp_path, range(2))
    place = open_place(str(tmp_path))
    objects = list(place.objects())
    named = references(place, objects)
    assert {verdict.object.kind for verdict in judge(objects, named, {}, before=1e12) if verdict.remove} == {
        "rows",
        "rows-cards",
    }
    [shard] = [each for each in objects if each.kind == "rows"]
    assert not any(verdict.remove for verdict in judge(objects, named, {shard.key: "a file"}, before=1e12))
