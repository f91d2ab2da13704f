"""Which RPCs come in, before anything of their bodies is read: the token first, then whether there is a place."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import unquote

from services.runtime.callers.accounts import RESERVED, Account
from services.runtime.callers.known import Callers
from services.runtime.errors import LimitExceeded, Unavailable
from services.runtime.rpc import security

_LONGEST: Final = 255
"""Characters of a caller: certificates may hold any number of names."""


class Admission:
    """The places of a server, and who holds them.

    Args:
        callers: Callers who are let in.
        max_streams: RPCs at once.
        max_client_streams: RPCs at once of one client that has no limit of its own.

    Attributes:
        ready: Whether RPCs are let in.
        running: Running RPCs.
    """

    def __init__(self, callers: Callers, *, max_streams: int, max_client_streams: int) -> None:
        self._callers = callers
        self._max_streams = max_streams
        self._max_client_streams = min(max_client_streams, max_streams)
        self._held: Counter[str] = Counter()
        self.running = 0
        self.ready = False

    def identify(self, context: Any) -> Account:
        """The account of who calls.

        Raises:
            Unauthenticated: The server asks for a token, and there is none that it knows.
        """
        if self._callers.open:
            return self._callers.anonymous
        return self._callers.identify(security.bearer_token(context.invocation_metadata() or ()))

    @contextmanager
    def place(self, context: Any, account: Account) -> Iterator[None]:
        """A place, held while an RPC runs.

        Args:
            context: Context of the RPC.
            account: Account of the caller. One with a number of streams has them wherever it calls from; the others are
                told apart by certificate or address as well.

        Raises:
            Unavailable: The server loads or drains.
            LimitExceeded: All places are taken, or the client has its share of them or has used up its minute.
        """
        own = account.limits.streams
        client = key_of(account, context)
        setting, share = ("max_client_streams", self._max_client_streams) if own is None else ("streams", own)
        if not self.ready:
            raise Unavailable("The server is not ready: it is loading or draining")
        if self.running >= self._max_streams:
            raise LimitExceeded(
                "max_streams", f"Expected at most {self._max_streams} RPCs at once, but got one more", retry_after=1.0
            )
        if self._held[client] >= share:
            who = "one client" if own is None else f"caller {account.name}"
            problem = f"Expected at most {share} RPCs at once from {who}, but got one more"
            raise account.refused(setting, problem, retry_after=1.0)
        account.check()
        self.running += 1
        self._held[client] += 1
        try:
            with account.streaming():
                yield
        finally:
            self.running -= 1
            self._held[client] -= 1
            if not self._held[client]:
                del self._held[client]


def key_of(account: Account, context: Any) -> str:
    """What tells clients apart that share something.

    Args:
        account: Account of the caller.
        context: gRPC context of the RPC.
    """
    return account.name if account.limits.streams is not None else f"{account.name} {client_of(context)}"


def caller_of(account: Account, context: Any) -> str:
    """Who calls, for what outlives the call: the name of its token, or of a client without one what tells it apart.

    Args:
        account: Account of the caller.
        context: gRPC context of the RPC.
    """
    return f"{account.name} {client_of(context)}"[:_LONGEST] if account.name in RESERVED else account.name


def client_of(context: Any) -> str:
    """Who calls: the name in its certificate, or else its address without the port, which changes with each connection.

    Args:
        context: gRPC context of the RPC.
    """
    identities = context.peer_identities()
    if identities:
        return b",".join(sorted(identities)).decode("utf-8", "replace")
    return str(unquote(context.peer())).rpartition(":")[0]
