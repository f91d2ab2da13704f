"""When to try again: a pure state machine that both twins ask. It never sleeps and never calls.

Delays grow exponentially and are drawn at random from the upper half of their range, so that the clients of a server
that comes back do not come back all at once.
"""

import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from babelscope.errors import Cancelled, DeadlineExceeded, LimitExceeded, RpcError, Unavailable

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How long and how often to try again.

    Args:
        initial: Longest first delay in seconds.
        factor: Growth of the delay from one try to the next.
        maximum: Longest delay in seconds.
        patience: Seconds without progress after which a server that had answered before is given up.
        first_patience: The same for a server that has never answered: its address may be wrong.
        fruitless: Attempts in a row that the server accepted and broke off without progress before it is given up: what
            breaks a server again and again may be the request.
    """

    initial: float = 0.1
    factor: float = 2.0
    maximum: float = 5.0
    patience: float = 120.0
    first_patience: float = 10.0
    fruitless: int = 5


class Contact:
    """Remembers whether a server has ever answered. Shared by all calls of a client."""

    def __init__(self) -> None:
        self.made = False


class Retry:
    """The tries of one call.

    Args:
        policy: How long and how often.
        timeout: Seconds for all tries together; None for no end.
        contact: Whether the server has ever answered.
        clock: Seconds, monotonic.
        chance: Uniform draws from [0, 1).
    """

    def __init__(
        self,
        policy: RetryPolicy,
        timeout: float | None,
        contact: Contact | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._policy = policy
        self._contact = contact or Contact()
        self._clock = clock
        self._chance = chance
        self._since = clock()
        self._deadline = None if timeout is None else self._since + timeout
        self._tries = 0
        self._fruitless = 0

    def remaining(self) -> float | None:
        """Seconds left for the next try; None for no end."""
        return None if self._deadline is None else max(0.0, self._deadline - self._clock())

    def accepted(self) -> None:
        """The server took this attempt on."""
        self._fruitless += 1
        self.alive()

    def alive(self) -> None:
        """The server is at work: patience starts anew."""
        self._contact.made = True
        self._since = self._clock()
        self._tries = 0

    def progressed(self) -> None:
        """The work is further than before, and would not be lost if the attempt broke now."""
        self._fruitless = 0
        self.alive()

    def delay(self, error: RpcError) -> float:
        """Seconds to wait before the next try.

        Raises:
            DeadlineExceeded: The deadline would pass first.
            RpcError: The error itself, where another try is of no use or has been tried for long enough.
        """
        if not is_transient(error):
            raise error
        if error.retry_after is not None:
            self._contact.made = True
        patience = self._policy.patience if self._contact.made else self._policy.first_patience
        longest = min(self._policy.maximum, self._policy.initial * self._policy.factor**self._tries)
        wait = max(longest * (0.5 + 0.5 * self._chance()), error.retry_after or 0.0)
        self._tries += 1
        now = self._clock()
        if self._fruitless >= self._policy.fruitless or now + wait - self._since > patience:
            raise error
        if self._deadline is not None and now + wait >= self._deadline:
            raise DeadlineExceeded(
                f"The deadline passed while waiting to try again: {error}",
                method=error.method,
                request_id=error.request_id,
            ) from error
        _LOG.info("%s; trying again in %.1f s", error, wait)
        return wait


def is_transient(error: RpcError) -> bool:
    """Whether the same request may succeed later.

    A call that the caller itself cancels raises no error here: CANCELLED comes from a server that stops.
    """
    if isinstance(error, LimitExceeded):
        return error.retry_after is not None
    return isinstance(error, Unavailable | Cancelled)
