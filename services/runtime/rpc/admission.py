"""Which RPCs come in, before anything of their bodies is read: the token first, then whether there is a place."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote

from services.runtime.errors import LimitExceeded, Unavailable
from services.runtime.rpc import security


class Admission:
    """The places of a server, and who holds them.

    Args:
        token: Bearer token that clients must present; None for none.
        max_streams: RPCs at once.
        max_client_streams: RPCs at once of one client.

    Attributes:
        ready: Whether RPCs are let in.
        running: Running RPCs.
    """

    def __init__(self, *, token: str | None, max_streams: int, max_client_streams: int) -> None:
        self._token = token
        self._max_streams = max_streams
        self._max_client_streams = min(max_client_streams, max_streams)
        self._held: Counter[str] = Counter()
        self.running = 0
        self.ready = False

    def check_token(self, context: Any) -> None:
        """Refuses who does not know the token.

        Raises:
            Unauthenticated: Without the token, or with another one.
        """
        if self._token is not None:
            security.check_token(self._token, context.invocation_metadata() or ())

    @contextmanager
    def place(self, context: Any) -> Iterator[None]:
        """A place, held while an RPC runs.

        Raises:
            Unavailable: The server loads or drains.
            LimitExceeded: All places are taken, or the client has its share of them.
        """
        client = client_of(context)
        if not self.ready:
            raise Unavailable("The server is not ready: it is loading or draining")
        if self.running >= self._max_streams:
            raise LimitExceeded(
                "max_streams", f"Expected at most {self._max_streams} RPCs at once, but got one more", retry_after=1.0
            )
        if self._held[client] >= self._max_client_streams:
            raise LimitExceeded(
                "max_client_streams",
                f"Expected at most {self._max_client_streams} RPCs at once from one client, but got one more",
                retry_after=1.0,
            )
        self.running += 1
        self._held[client] += 1
        try:
            yield
        finally:
            self.running -= 1
            self._held[client] -= 1
            if not self._held[client]:
                del self._held[client]


def client_of(context: Any) -> str:
    """Who calls: the name in its certificate, or else its address without the port, which changes with each connection.

    Args:
        context: gRPC context of the RPC.
    """
    identities = context.peer_identities()
    if identities:
        return b",".join(sorted(identities)).decode("utf-8", "replace")
    return str(unquote(context.peer())).rpartition(":")[0]
