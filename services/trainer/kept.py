"""What a process has computed for one job and the next job of the same sweep needs again: read once, computed once.

A process that does several jobs, one after the other (see `driver.child`), keeps sets as they were read and cut, and
hidden states of layers that are not trained. Each is known by all that determines it, so that a job has the same bits
with what is kept, without it, and after a kill that has lost it.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Final, TypeVar

import numpy as np

Value = TypeVar("Value")

_LOOKED_AT: Final = 64
"""Elements of a long sequence that are weighed; the others are taken to be like them."""
_OBJECT: Final = 56
"""Bytes of an object besides its contents."""


@dataclass
class _Entry:
    """Something that is kept, with its bytes, and the last job that asked for it."""

    value: Any
    size: int
    job: int


class Kept:
    """Values by what determines them, within a number of bytes.

    Where there is no room, what neither this job nor the one before has asked for makes room; where that is not enough,
    the new value is not kept. Jobs go through the same data in the same order: to drop what is oldest, as caches
    commonly do, would drop each value right before it is needed.
    """

    def __init__(self) -> None:
        self._entries: dict[Hashable, _Entry] = {}
        self._most = self._held = self._job = 0

    def begin(self, most_bytes: int) -> None:
        """Begins another job.

        Args:
            most_bytes: Bytes that may be kept; with 0, whatever was kept is dropped.
        """
        self._most = most_bytes
        self._job += 1
        if not most_bytes:
            self._entries.clear()
            self._held = 0

    def __bool__(self) -> bool:
        """Whether anything is to be kept."""
        return self._most > 0

    @property
    def held(self) -> int:
        """Bytes that are kept."""
        return self._held

    def once(self, key: Hashable, make: Callable[[], Value], weigh: Callable[[Value], int]) -> Value:
        """A value, computed only if it is not there. Nobody may change it.

        Args:
            key: All that determines it.
            make: Computes it.
            weigh: Gives its bytes.
        """
        if not self:
            return make()
        entry = self._entries.get(key)
        if entry is None:
            value = make()
            self._put(key, _Entry(value, weigh(value), self._job))
            return value
        entry.job = self._job
        found: Value = entry.value
        return found

    def _put(self, key: Hashable, entry: _Entry) -> None:
        if entry.size > self._most:
            return
        for other in [each for each, old in self._entries.items() if old.job < self._job - 1]:
            if self._held + entry.size <= self._most:
                break
            self._held -= self._entries.pop(other).size
        if self._held + entry.size <= self._most:
            self._entries[key] = entry
            self._held += entry.size


KEPT: Final = Kept()
"""What this process keeps: nothing, unless a job says so."""


def weight(value: Any) -> int:
    """About the bytes of a value in memory: arrays, texts, numbers, and whatever holds them."""
    if isinstance(value, np.ndarray):
        return 2 * _OBJECT + value.nbytes
    if isinstance(value, str | bytes):
        return _OBJECT + len(value)
    if isinstance(value, Mapping):
        return _OBJECT + sum(weight(key) + weight(each) for key, each in value.items())
    if isinstance(value, Sequence):
        looked_at = value[:_LOOKED_AT]
        each = sum(map(weight, looked_at)) / max(1, len(looked_at))
        return _OBJECT + round((8 + each) * len(value))
    if is_dataclass(value):
        return _OBJECT + sum(8 + weight(getattr(value, each.name)) for each in fields(value))
    return _OBJECT // 2
