"""What a caller may use, and what it has used: streams at once, tokens and bytes a minute.

Tokens and bytes are counted by token buckets: one holds a minute's amount, fills at a steady rate, and may be
overdrawn once, so that what is larger than a minute's amount passes as well and is paid for afterwards. A new RPC of a
caller whose bucket is empty is refused with the time after which it may come back; a stream that runs already is not
read from until the bucket is no longer empty. Each server counts for itself.
"""

import asyncio
import contextvars
import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from services.runtime.errors import LimitExceeded

ANONYMOUS: Final = "anonymous"
"""Name of who calls a server that asks for no token."""
UNNAMED: Final = "unnamed"
"""Name of who presents the setting `token`."""
RESERVED: Final = frozenset({ANONYMOUS, UNNAMED})

_MINUTE: Final = 60.0
_SHORTEST_WAIT: Final = 0.01


@dataclass(frozen=True, slots=True)
class Limits:
    """What a caller may use of one server; None where it has no limit of its own.

    Attributes:
        streams: RPCs at once.
        tokens_per_minute: Tokens that models compute for it.
        bytes_per_minute: Bytes of messages, received and sent.
    """

    streams: int | None = None
    tokens_per_minute: int | None = None
    bytes_per_minute: int | None = None


class Bucket:
    """An amount a minute. It may be used from any thread.

    Args:
        per_minute: Amount a minute; None for no limit.
        clock: Seconds, monotonic.
    """

    def __init__(self, per_minute: int | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._per_minute = per_minute
        self._level = math.inf if per_minute is None else float(per_minute)
        self._at = clock()

    @property
    def per_minute(self) -> int | None:
        """The amount a minute; None for no limit."""
        return self._per_minute

    def change(self, per_minute: int | None) -> None:
        """Sets another amount; what was overdrawn stays so."""
        with self._lock:
            self._fill()
            was = self._per_minute
            self._per_minute = per_minute
            if per_minute is None:
                self._level = math.inf
            elif was is None:
                self._level = float(per_minute)
            else:
                self._level = min(self._level, float(per_minute))

    def spend(self, amount: int) -> None:
        """Takes an amount out, more than there is where need be."""
        with self._lock:
            self._fill()
            self._level -= amount

    def wait(self) -> float:
        """Seconds until there is something in it again; 0 where there is now."""
        with self._lock:
            self._fill()
            if self._level > 0 or self._per_minute is None:
                return 0.0
            return max(_SHORTEST_WAIT, (1.0 - self._level) * _MINUTE / self._per_minute)

    def _fill(self) -> None:
        """Adds what the time since then has brought."""
        now = self._clock()
        if self._per_minute is not None:
            filled = self._level + (now - self._at) * self._per_minute / _MINUTE
            self._level = min(float(self._per_minute), filled)
        self._at = now


class Account:
    """What one caller has used. It may be used from any thread.

    Args:
        name: Name of the caller.
        limits: Limits of the caller.
        clock: Seconds, monotonic.

    Attributes:
        begun: RPCs so far.
        running: RPCs now.
        spent_tokens: Tokens so far.
        spent_bytes: Bytes so far.
        refusals: RPCs refused so far, by limit.
    """

    def __init__(self, name: str, limits: Limits | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self.name = name
        self.limits = limits or Limits()
        self._tokens = Bucket(self.limits.tokens_per_minute, clock)
        self._bytes = Bucket(self.limits.bytes_per_minute, clock)
        self.begun = self.running = 0
        self.spent_tokens = self.spent_bytes = 0
        self.refusals: Counter[str] = Counter()

    def change(self, limits: Limits) -> None:
        """Sets other limits."""
        self.limits = limits
        self._tokens.change(limits.tokens_per_minute)
        self._bytes.change(limits.bytes_per_minute)

    def spend_tokens(self, amount: int) -> None:
        """Counts tokens that a model computes for it."""
        self.spent_tokens += amount
        self._tokens.spend(amount)

    def spend_bytes(self, amount: int) -> None:
        """Counts bytes of a message."""
        self.spent_bytes += amount
        self._bytes.spend(amount)

    @contextmanager
    def streaming(self) -> Iterator[None]:
        """Counts an RPC while it runs."""
        self.begun += 1
        self.running += 1
        try:
            yield
        finally:
            self.running -= 1

    def refused(self, limit: str, problem: str, retry_after: float) -> LimitExceeded:
        """The error of an RPC that is refused, counted."""
        self.refusals[limit] += 1
        return LimitExceeded(limit, problem, retry_after=retry_after)

    def check(self) -> None:
        """Refuses who has used up a minute's amount.

        Raises:
            LimitExceeded: With the time after which it may come back.
        """
        wait, problem, subject = max(self._waits())
        if wait:
            raise self.refused(subject, problem, wait)

    async def ready(self, most_seconds: float) -> None:
        """Waits until a minute's amount is no longer used up.

        Args:
            most_seconds: Longest wait.

        Raises:
            LimitExceeded: It would be longer.
        """
        while wait := max(self._waits())[0]:
            if wait > most_seconds:
                self.check()
            await asyncio.sleep(min(wait, most_seconds))

    def _waits(self) -> list[tuple[float, str, str]]:
        """For each amount a minute: seconds until there is something left, and what a caller is told."""
        return [
            (bucket.wait(), f"Expected at most {bucket.per_minute} {what} a minute of caller {self.name}", subject)
            for bucket, what, subject in (
                (self._tokens, "tokens", "tokens_per_minute"),
                (self._bytes, "bytes", "bytes_per_minute"),
            )
        ]


_NOBODY: Final = Account(ANONYMOUS)
_current: contextvars.ContextVar[Account | None] = contextvars.ContextVar("account", default=None)


def current() -> Account:
    """The account of who called, for the length of an RPC, in its own task and the tasks that it starts."""
    return _current.get() or _NOBODY


def enter(account: Account) -> None:
    """Makes an account the current one, in this task."""
    _current.set(account)
