"""Shards in the store: found by their cards, read and checked, written, and evicted when unused for longest."""

import contextlib
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Final, Protocol

from services.encoder.cache.index import Index
from services.encoder.cache.shards import CARDS, KIND, Card, Kept, Line, Shard, pack, unpack
from services.runtime.errors import DataLoss, NotFound, ServiceError
from services.runtime.files.store import ObjectState

log = logging.getLogger(__name__)

MEMORY_BYTES: Final = 64 << 20
"""Shards held in memory: a request reads many texts of the same shard."""
MOST_SHARDS: Final = 1 << 14
"""Shards of the store, however small: each has a card that every encoder reads at its start."""
TOUCH_SECONDS: Final = 60.0
"""Time after which the use of a shard is told to the store again."""


class Event(Enum):
    """What a cache counts."""

    HIT = "texts answered from kept rows"
    MISS = "texts to be computed"
    READ = "bytes of shards read"
    WRITTEN = "bytes of shards written"
    EVICTED = "bytes of shards evicted"
    DAMAGED = "shards and cards found damaged"
    DROPPED = "texts whose rows were not kept, as the store failed or was too slow"


Observe = Callable[[Event, int], None]


class Objects(Protocol):
    """The part of the store that is used here."""

    def put(self, kind: str, data: bytes, *, suffix: str = "") -> str:
        """Stores an object; its name."""

    def get(self, name: str) -> bytes:
        """The checked bytes of an object."""

    def delete(self, name: str) -> None:
        """Removes an object, if there is one."""

    def list(self, prefix: str = "") -> list[str]:
        """Names of objects."""

    def states(self, kind: str) -> Sequence[ObjectState]:
        """Sizes and times of all objects of a kind."""

    def touch(self, name: str) -> None:
        """Says that an object was used."""


class Shelf:
    """The shards of one store, as one server knows them. It may be used from any thread.

    Args:
        store: Store that holds the shards.
        capacity: Bytes of shards and cards, of all servers together. Servers that write at the same time may exceed
            it by a shard each, until one of them writes again.
        observe: Function that is told what is counted.

    Attributes:
        lock: Held while `index` is used.
        index: Places of all rows that are known.
    """

    def __init__(self, store: Objects, capacity: int, observe: Observe) -> None:
        self.lock = threading.Lock()
        self.index = Index()
        self._store = store
        self._capacity = capacity
        self._observe = observe
        self._cards: dict[str, str] = {}
        self._shards: OrderedDict[str, Shard] = OrderedDict()
        self._held = 0
        self._used: dict[str, float] = {}
        self._one_refresh = threading.Lock()

    def refresh(self) -> None:
        """Learns of shards that others wrote, and forgets those that others removed.

        Raises:
            ServiceError: The store cannot be read.
        """
        with self._one_refresh:
            known = dict(self._cards)
            listed = self._store.list(f"{CARDS}/")
            for card in known.keys() - set(listed):
                self._forget(known[card])
            for name in listed:
                if name not in self._cards:
                    with contextlib.suppress(NotFound):  # evicted since it was listed
                        self._learn(name)

    def _learn(self, name: str) -> None:
        try:
            card = Card.from_bytes(self._store.get(name))
        except (DataLoss, ValueError):
            log.warning("damaged card", extra={"card": name})
            self._observe(Event.DAMAGED, 1)
            self._store.delete(name)
            return
        with self.lock:
            self._cards[name] = card.shard
            self.index.add(card)

    def read(self, name: str) -> Shard | None:
        """A shard; None where it is gone or damaged, and then it is forgotten.

        Raises:
            ServiceError: The store cannot be read.
        """
        with self.lock:
            shard = self._shards.get(name)
            if shard is not None:
                self._shards.move_to_end(name)
        if shard is None:
            try:
                data = self._store.get(name)
                shard = unpack(data)
            except NotFound:
                self._forget(name)
                return None
            except (DataLoss, ValueError):
                log.warning("damaged shard", extra={"shard": name})
                self._observe(Event.DAMAGED, 1)
                self._remove(name)
                return None
            self._observe(Event.READ, len(data))
            self._hold(name, shard)
        now = time.time()
        if now - self._used.get(name, 0.0) > TOUCH_SECONDS:
            self._used[name] = now
            with contextlib.suppress(ServiceError):  # a store that cannot be written to evicts nothing, either
                self._store.touch(name)
        return shard

    def _hold(self, name: str, shard: Shard) -> None:
        with self.lock:
            if name not in self._shards:
                self._shards[name] = shard
                self._held += shard.bytes
            while self._held > MEMORY_BYTES and len(self._shards) > 1:
                _, oldest = self._shards.popitem(last=False)
                self._held -= oldest.bytes

    def write(self, texts: Sequence[tuple[bytes, Kept]], layers: Sequence[int]) -> None:
        """Stores a shard, then its card, then evicts what is beyond the capacity.

        Args:
            texts: Keys and rows.
            layers: Layers of the rows, ascending.

        Raises:
            ServiceError: The store is full or cannot be used.
            ValueError: The shard alone is beyond the capacity.
        """
        data = pack(texts, layers)
        lines = tuple(Line(key, len(kept.rows), kept.tokens) for key, kept in texts)
        # A name is as long as any other: room is made before the shard is put, lest a full store refuse it.
        size = len(data) + len(Card(f"{KIND}/{'0' * 64}.safetensors", tuple(layers), lines).to_bytes())
        if size > self._capacity:
            raise ValueError(f"Expected a shard within the cache's {self._capacity} bytes, but it has {size}")
        self._make_room(size)
        card = Card(self._store.put(KIND, data, suffix=".safetensors"), tuple(layers), lines)
        name = self._store.put(CARDS, card.to_bytes(), suffix=".json")
        self._observe(Event.WRITTEN, size)
        with self.lock:
            self._cards[name] = card.shard
            self.index.add(card)
            self._used[card.shard] = time.time()

    def _make_room(self, size: int) -> None:
        """Evicts shards, those unused for longest first, until there is room for one more."""
        self.refresh()
        # Cards before shards: the shard of a card that is listed was there before the second listing, unless removed.
        cards = {state.name: state.bytes for state in self._store.states(CARDS)}
        shards = {state.name: state for state in self._store.states(KIND)}
        for card, shard in [*self._cards.items()]:
            if card in cards and shard not in shards:
                self._remove(shard)
        used = sum(cards.values()) + sum(state.bytes for state in shards.values())
        by_shard = {shard: cards.get(card, 0) for card, shard in [*self._cards.items()]}
        oldest = sorted(shards.values(), key=lambda state: max(state.used, self._used.get(state.name, 0.0)))
        left = len(oldest)
        for state in oldest:
            if used + size <= self._capacity and left < MOST_SHARDS:
                return
            self._remove(state.name)
            freed = state.bytes + by_shard.get(state.name, 0)
            used, left = used - freed, left - 1
            self._observe(Event.EVICTED, freed)

    def _remove(self, shard: str) -> None:
        """Removes a shard from the store, its card first: nobody finds a shard that is half gone."""
        for card in self._forget(shard):
            self._store.delete(card)
        self._store.delete(shard)

    def _forget(self, shard: str) -> list[str]:
        """Forgets a shard; the names of its cards."""
        with self.lock:
            self.index.drop(shard)
            names = [name for name, known in self._cards.items() if known == shard]
            for name in names:
                del self._cards[name]
            held = self._shards.pop(shard, None)
            self._held -= held.bytes if held else 0
            self._used.pop(shard, None)
        return names
