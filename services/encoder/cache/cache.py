"""Rows of texts that were computed before: found, read, and kept beside the answers.

Keeping never delays or fails a request. Rows are copied as they are computed and written by a thread of the cache; what
the store refuses, or what comes faster than it takes, is counted and dropped. Until rows are written they are served
from memory.
"""

import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from services.encoder.cache.index import Found, Place, Source
from services.encoder.cache.keys import Keys
from services.encoder.cache.shards import Kept
from services.encoder.cache.shelf import Event, Objects, Observe, Shelf
from services.models.spec import Pooling
from services.runtime.errors import ServiceError

log = logging.getLogger(__name__)

SHARD_BYTES: Final = 4 << 20
"""Bytes of rows from which a shard is written."""
LINGER_SECONDS: Final = 2.0
"""Time that rows wait for others to fill a shard."""
PENDING_BYTES: Final = 64 << 20
"""Bytes of rows that wait to be written; what comes beyond them is dropped."""
REFRESH_SECONDS: Final = 5.0
"""Time after which the store is looked through for shards of other servers."""


@dataclass(eq=False)
class _Group:
    """Rows at the same layers that wait to be written."""

    since: float
    texts: list[tuple[bytes, Kept]] = field(default_factory=list)
    bytes: int = 0


class Cache:
    """Kept rows of all models. It may be used from any thread.

    Args:
        store: Store that holds the rows.
        capacity: Bytes of the store that they may take.
        every_token: Whether rows of single tokens are kept as well as pooled ones.
        observe: Function that is told what is counted.
        refresh_seconds: Time after which the store is looked through again.
        linger_seconds: Time that rows wait for others to fill a shard.
    """

    def __init__(
        self,
        store: Objects,
        capacity: int,
        *,
        every_token: bool = False,
        observe: Observe = lambda event, amount: None,
        refresh_seconds: float = REFRESH_SECONDS,
        linger_seconds: float = LINGER_SECONDS,
    ) -> None:
        self._shelf = Shelf(store, capacity, observe)
        self._index = self._shelf.index
        self._every_token = every_token
        self._observe = observe
        self._refresh_seconds = refresh_seconds
        self._linger = linger_seconds
        self._refreshed: float | None = None
        self._groups: dict[tuple[int, ...], _Group] = {}
        self._pending = 0
        self._changed = threading.Condition(self._shelf.lock)
        self._closing = False
        self._writer: threading.Thread | None = None

    @property
    def texts(self) -> int:
        """Texts that are known."""
        return len(self._index)

    @property
    def shards(self) -> int:
        """Shards that are known."""
        return self._index.shards

    def serves(self, pooling: Pooling) -> bool:
        """Whether rows of a pooling are kept."""
        return self._every_token or pooling is not Pooling.TOKEN

    def refresh(self) -> None:
        """Looks for what other servers wrote, where that was last done some time ago. Blocks; raises nothing."""
        now = time.monotonic()
        if self._refreshed is not None and now - self._refreshed < self._refresh_seconds:
            return
        self._refreshed = now
        try:
            self._shelf.refresh()
        except ServiceError as error:
            log.warning("kept rows cannot be listed", extra={"problem": str(error)})

    def find(self, texts: Sequence[Keys], layers: Sequence[int], limit: int, *, cut: bool) -> list[Found | None]:
        """Looks for the rows of texts.

        Args:
            texts: Keys of the texts.
            layers: Layers wanted, in the order of the answer.
            limit: Longest input in tokens.
            cut: Whether rows of a text that was cut will do.

        Returns:
            Places of each text's rows; None where the text must be computed.
        """
        found: list[Found | None] = []
        with self._shelf.lock:
            for keys in texts:
                whole = self._index.find(keys.whole, layers)
                if whole is not None and whole.tokens <= limit:
                    found.append(whole)
                else:
                    found.append(self._index.find(keys.cut, layers) if cut else None)
        return found

    def load(self, found: Found) -> Kept | None:
        """The rows of a text, [R, K, d], as they were computed; None where they are gone or damaged. Blocks."""
        try:
            sources = {id(place): self._kept(place.source, place.number, found.key) for place in found.places}
        except ServiceError as error:
            log.warning("kept rows cannot be read", extra={"problem": str(error)})
            return None
        parts = [(sources[id(place)], place.layers) for place in found.places]
        first = parts[0][0]
        if first is None or any(kept is None for kept, _ in parts):
            return None
        if len(sources) == 1 and parts[0][1] == found.layers:
            return first
        columns = [kept.rows[:, of.index(layer)] for layer, (kept, of) in zip(found.layers, parts, strict=True) if kept]
        return Kept(np.stack(columns, axis=1), first.tokens, first.content, first.truncated, first.empty)

    def _kept(self, source: Source, number: int, key: bytes) -> Kept | None:
        if isinstance(source, Kept):
            return source
        shard = self._shelf.read(source)
        return shard.text(number, key) if shard else None

    def count(self, hits: int, misses: int) -> None:
        """Counts texts that were found and texts that were not."""
        self._observe(Event.HIT, hits)
        self._observe(Event.MISS, misses)

    def keep(self, texts: Sequence[tuple[Keys, Kept]], layers: Sequence[int]) -> None:
        """Keeps rows at the layers at which the texts have none yet. Copies them and returns at once.

        Args:
            texts: Keys and rows, [R, K, d] each.
            layers: Layers of axis 1, in any order.
        """
        dropped = 0
        with self._changed:
            for keys, kept in texts:
                key = keys.of(kept.truncated)
                missing = tuple(sorted(self._index.missing(key, layers)))
                if not missing:
                    continue
                columns = [layers.index(layer) for layer in missing]
                size = len(kept.rows) * len(missing) * kept.rows.shape[2] * 4
                if self._closing or self._pending + size > PENDING_BYTES:
                    dropped += 1
                    continue
                rows = np.ascontiguousarray(kept.rows[:, columns])
                copy = Kept(rows, kept.tokens, kept.content, kept.truncated, kept.empty)
                group = self._groups.setdefault(missing, _Group(time.monotonic()))
                group.texts.append((key, copy))
                group.bytes += size
                self._pending += size
                self._index.put(key, Place(copy, 0, missing, len(copy.rows), copy.tokens))
            if self._writer is None and self._groups:
                self._writer = threading.Thread(target=self._write, name="cache", daemon=True)
                self._writer.start()
            self._changed.notify_all()
        if dropped:
            self._observe(Event.DROPPED, dropped)

    def close(self) -> None:
        """Writes what waits, and ends the thread."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._writer is not None:
            self._writer.join()

    def _write(self) -> None:
        while (taken := self._take()) is not None:
            layers, group = taken
            for texts in _portions(group.texts):
                try:
                    self._shelf.write(texts, layers)
                except Exception as error:
                    # Whatever it is: the rows have been answered, and will be computed again.
                    log.warning("rows not kept", extra={"texts": len(texts), "problem": str(error)})
                    self._observe(Event.DROPPED, len(texts))
                with self._changed:
                    for key, kept in texts:
                        self._index.remove(key, kept)
            with self._changed:
                self._pending -= group.bytes

    def _take(self) -> tuple[tuple[int, ...], _Group] | None:
        """Waits for rows that fill a shard or have waited long enough; None once the cache is closed and empty."""
        with self._changed:
            while True:
                now = time.monotonic()
                for layers, group in self._groups.items():
                    if self._closing or group.bytes >= SHARD_BYTES or now - group.since >= self._linger:
                        return layers, self._groups.pop(layers)
                if self._closing:
                    return None
                until = min((group.since + self._linger for group in self._groups.values()), default=None)
                self._changed.wait(None if until is None else max(until - now, 0.0))


def _portions(texts: Sequence[tuple[bytes, Kept]]) -> list[list[tuple[bytes, Kept]]]:
    """Texts in portions that fill a shard each."""
    portions: list[list[tuple[bytes, Kept]]] = [[]]
    size = 0
    for key, kept in texts:
        if size >= SHARD_BYTES:
            portions.append([])
            size = 0
        portions[-1].append((key, kept))
        size += kept.rows.nbytes
    return portions
