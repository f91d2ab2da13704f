"""The hub client's connections, with bounds of their own: the client takes whatever a hub sends, however long it takes.

An answer is refused while it comes: one that is compressed beyond measure, that never ends, or whose headers or body
come a byte at a time. The client tries none of these again, as it does what was only interrupted.
"""

import os
import ssl
import time
import zlib
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any, Final

import httpcore
import httpx

SILENT_SECONDS: Final = 20.0
"""How long the hub may send nothing in the midst of an answer."""
_SLOWEST: Final = 4096
"""Bytes a second that it must send on average, after the first `SILENT_SECONDS`."""
_MOST_TOLD: Final = 32 << 20
"""Bytes of an answer about models: the list of the files of a large repository has some hundred kilobytes."""
_MOST_UNSAID: Final = 256 << 20
"""Bytes of a file whose size is not said beforehand, as that of a compressed one is not; weights are not compressed."""
_PIECE: Final = 1 << 20
_BY_ZLIB: Final = ("gzip", "x-gzip", "deflate")
MALFORMED: Final = (ValueError, LookupError, TypeError, AttributeError, RecursionError)
"""What the hub's client raises of answers of another form than the hub's, and of files that it does not fetch."""


class HubAnswerRefused(httpx.DecodingError):
    """What the hub sends is not taken."""


@lru_cache(maxsize=1)
def bound_answers() -> None:
    """Has the hub's client bound all its answers: once a process, for all its connections.

    Files of Xet storage come over HTTP, too, since nothing here bounds the client of that storage;
    `HF_HUB_DISABLE_XET=0` allows it nevertheless.
    """
    from huggingface_hub import constants, set_client_factory
    from huggingface_hub.utils._http import default_client_factory

    def client() -> httpx.Client:
        made = default_client_factory()
        bound_client(made)
        return made

    set_client_factory(client)
    if "HF_HUB_DISABLE_XET" not in os.environ:
        constants.HF_HUB_DISABLE_XET = True


def bound_client(client: httpx.Client) -> None:
    """Bounds what a client takes: the pace of all that comes over its connections, and the bodies of the answers."""
    client.timeout = httpx.Timeout(SILENT_SECONDS)
    client.headers["Accept-Encoding"] = "gzip"
    client.event_hooks = {**client.event_hooks, "response": [*client.event_hooks["response"], bounded]}
    for transport in (client._transport, *client._mounts.values()):  # directly, and through the environment's proxies
        if isinstance(transport, httpx.HTTPTransport):
            pool = transport._pool
            pool._network_backend = _PacedBackend(pool._network_backend)


def bounded(response: httpx.Response) -> None:
    """Bounds the body of an answer, which has not been read, and has it unpacked here.

    Raises:
        HubAnswerRefused: It is compressed in a way that was not asked for, or says that it is too long.
    """
    if response.request.method == "HEAD":
        return
    encoding = response.headers.get("Content-Encoding", "").strip().lower()
    said = response.headers.get("Content-Length", "")
    if encoding not in {"", "identity", *_BY_ZLIB}:
        raise HubAnswerRefused(f"Expected an answer of the hub that is plain or gzip, but got {encoding}")
    packed = encoding in _BY_ZLIB
    most = _MOST_UNSAID if packed or not said.isdecimal() else int(said)
    if "/api/" in response.request.url.path:
        most = min(most, _MOST_TOLD)
    if said.isdecimal() and int(said) > most:
        raise HubAnswerRefused(f"Expected at most {most} bytes of the hub's answer, but it has {said}")
    assert isinstance(response.stream, httpx.SyncByteStream)
    response.stream = _Counted(response.stream, most, packed=packed)
    if packed:
        # It comes unpacked, and as long as nobody knows.
        del response.headers["Content-Encoding"]
        response.headers.pop("Content-Length", None)


class _Counted(httpx.SyncByteStream):
    """The bytes of an answer, unpacked, as long as they are within the bounds."""

    def __init__(self, inner: httpx.SyncByteStream, most: int, *, packed: bool) -> None:
        self._inner, self._most, self._packed = inner, most, packed

    def __iter__(self) -> Iterator[bytes]:
        length = 0
        for piece in _unpacked(self._inner) if self._packed else self._inner:
            length += len(piece)
            if length > self._most:
                raise HubAnswerRefused(f"Expected at most {self._most} bytes of the hub's answer, but got more")
            yield piece

    def close(self) -> None:
        """Ends the answer."""
        self._inner.close()


class _PacedBackend(httpcore.NetworkBackend):
    """Opens connections on which the hub must keep up a pace."""

    def __init__(self, inner: httpcore.NetworkBackend) -> None:
        self._inner = inner

    def connect_tcp(self, *where: Any, **options: Any) -> httpcore.NetworkStream:
        """A connection over TCP."""
        return _Paced(self._inner.connect_tcp(*where, **options))

    def connect_unix_socket(self, *where: Any, **options: Any) -> httpcore.NetworkStream:
        """A connection over a socket of this machine."""
        return _Paced(self._inner.connect_unix_socket(*where, **options))

    def sleep(self, seconds: float) -> None:
        """Waits before another attempt to connect."""
        self._inner.sleep(seconds)


class _Paced(httpcore.NetworkStream):
    """A connection whose other side must send `_SLOWEST` bytes a second on average from the request on."""

    def __init__(self, inner: httpcore.NetworkStream) -> None:
        self._inner = inner
        self._asked, self._came = time.monotonic(), 0

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """What came.

        Raises:
            HubAnswerRefused: It comes too slowly.
        """
        data = self._inner.read(max_bytes, timeout)
        self._came += len(data)
        seconds = time.monotonic() - self._asked
        if seconds > SILENT_SECONDS + self._came / _SLOWEST:
            raise HubAnswerRefused(
                f"Expected at least {_SLOWEST} bytes a second of the hub, but got {self._came} in {seconds:.0f} s"
            )
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Sends a request or a part of it; the answer's time begins."""
        self._inner.write(buffer, timeout)
        self._asked, self._came = time.monotonic(), 0

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """The same connection with TLS."""
        return _Paced(self._inner.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        """What the connection knows of itself."""
        return self._inner.get_extra_info(info)

    def close(self) -> None:
        """Ends the connection."""
        self._inner.close()


def _unpacked(packed: Iterable[bytes]) -> Iterator[bytes]:
    """What compressed bytes come to, in pieces of at most `_PIECE` bytes."""
    unpack = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
    for sent in packed:
        if unpack.eof:
            raise HubAnswerRefused("Expected one compressed answer of the hub, but bytes come after it")
        data, full = sent, True
        while data or full:
            try:
                piece = unpack.decompress(data, _PIECE)
            except zlib.error as error:
                raise HubAnswerRefused(f"Expected compressed bytes of the hub, but got others: {error}") from error
            # A piece that is full may have left more of what was read before.
            data, full = unpack.unconsumed_tail, len(piece) == _PIECE
            if piece:
                yield piece
    if not unpack.eof:
        raise HubAnswerRefused("Expected a whole answer of the hub, but its compressed bytes end early")
