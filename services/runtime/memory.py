"""The bytes that requests hold in memory, counted for the whole server, and what Python's collector is spared.

Limits of one request do not bound a server: 64 requests of 256 MB each are within theirs. What a request keeps beyond
one message (texts, ids, gold answers, arrays, examples that wait to be written) is therefore taken from one budget, and
given back at its end.
"""

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from sys import getsizeof
from typing import Any, Final

from services.runtime.errors import LimitExceeded

SETTING: Final = "held_bytes"
ENTRY: Final = 128
"""Bytes of the objects around one text or id in lists and tables, about."""
_SPARING: Final = threading.Event()
"""Set once this process spares what stays."""


class Memory:
    """A server's budget of held bytes. It may be used from any thread.

    Args:
        capacity: Bytes that all requests together may hold.
        setting: Name of the setting that says so, for errors.
    """

    def __init__(self, capacity: int, setting: str = SETTING) -> None:
        self.capacity = capacity
        self.setting = setting
        self.used = 0
        self._lock = threading.Lock()

    @contextmanager
    def account(self) -> Iterator["Account"]:
        """The account of one request; what it holds is given back at the end."""
        account = Account(self)
        try:
            yield account
        finally:
            account.give(account.held)

    def take(self, amount: int) -> None:
        """Counts bytes as held.

        Raises:
            LimitExceeded: There are not so many left.
        """
        with self._lock:
            if self.used + amount > self.capacity:
                raise LimitExceeded(
                    self.setting,
                    f"Expected requests that hold at most {self.capacity} bytes together, but {self.used} are held and "
                    f"this one needs {amount} more; send less at once, or later",
                    retry_after=1.0 if self.used else None,
                )
            self.used += amount

    def give(self, amount: int) -> None:
        """Counts bytes as free again."""
        with self._lock:
            self.used -= amount


class Account:
    """What one request holds. One thread uses it at a time.

    Args:
        memory: Memory of the server.

    Attributes:
        held: Bytes.
    """

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self.held = 0

    def take(self, amount: int) -> None:
        """Holds more bytes; LimitExceeded where the server has not so many left."""
        self._memory.take(amount)
        self.held += amount

    def give(self, amount: int) -> None:
        """Gives some of them back."""
        self._memory.give(amount)
        self.held -= amount


_here = threading.local()


@contextmanager
def accounted(account: Account | None) -> Iterator[None]:
    """While it is open, what this thread counts by `hold_here` is held by an account, until that gives it back."""
    before = getattr(_here, "account", None)
    _here.account = account
    try:
        yield
    finally:
        _here.account = before


def hold_here(amount: int) -> None:
    """Counts bytes as held by the request that this thread works for, to the request's end.

    For what is kept deep within the work, to which no account was passed. Outside of `accounted` it does nothing.

    Raises:
        LimitExceeded: The server has not so many left.
    """
    account = getattr(_here, "account", None)
    if account is not None:
        account.take(amount)


@contextmanager
def held_here(amount: int) -> Iterator[None]:
    """While it is open, counts bytes as held by the request that this thread works for, as `hold_here` does.

    Raises:
        LimitExceeded: The server has not so many left.
    """
    account = getattr(_here, "account", None)
    if account is None:
        yield
        return
    account.take(amount)
    try:
        yield
    finally:
        account.give(amount)


def hold_newest(known: dict[str, Any], count: int) -> None:
    """Counts the newest keys of a table of texts by `hold_here`.

    Args:
        known: A table in the order in which its keys came.
        count: How many of them are new.
    """
    if count:
        hold_here(count * ENTRY + sum(map(getsizeof, islice(reversed(known), count))))


def weight(*texts: str) -> int:
    """Bytes of texts in memory, with the objects around them.

    One wide character makes a whole string wide, so that bytes of UTF-8 would tell too little.
    """
    return ENTRY + sum(map(getsizeof, texts))


def spare_what_stays() -> None:
    """Takes all objects that there are now out of the garbage collector's sight, but for those that nothing refers to.

    Modules, of which torch and transformers bring a quarter of a million objects, live as long as a server. To look
    through them took half a second each time that requests had made enough objects, and nothing was answered meanwhile.
    """
    _SPARING.set()
    gc.unfreeze()
    gc.collect()
    gc.freeze()


def spare_what_came() -> None:
    """The same for what has come since, such as a model, in a process that spares what stays; nothing in another.

    What whoever else runs the process has frozen is theirs: to thaw it and look through it takes seconds there.
    """
    if _SPARING.is_set():
        spare_what_stays()
