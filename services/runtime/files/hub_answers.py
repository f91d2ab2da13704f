"""The hub client's connections, with bounds of their own: the client takes whatever a hub sends, however long it takes.

An answer is refused while it comes: one that is compressed beyond measure, that never ends, or that comes a byte at a
time. The client tries none of these again, as it does what was only interrupted.
"""

import time
import zlib
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

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


class HubAnswerRefused(httpx.DecodingError):
    """What the hub sends is not taken."""


@lru_cache(maxsize=1)
def bound_answers() -> None:
    """Has the hub's client bound all its answers: once a process, for all its connections."""
    from huggingface_hub import set_client_factory
    from huggingface_hub.utils._http import default_client_factory

    def client() -> httpx.Client:
        made = default_client_factory()
        made.timeout = httpx.Timeout(SILENT_SECONDS)
        made.headers["Accept-Encoding"] = "gzip"
        made.event_hooks = {**made.event_hooks, "response": [*made.event_hooks["response"], bounded]}
        return made

    set_client_factory(client)


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
        for piece in _unpacked(self._timely()) if self._packed else self._timely():
            length += len(piece)
            if length > self._most:
                raise HubAnswerRefused(f"Expected at most {self._most} bytes of the hub's answer, but got more")
            yield piece

    def _timely(self) -> Iterator[bytes]:
        """The bytes as they are sent."""
        began, sent = time.monotonic(), 0
        for data in self._inner:
            sent += len(data)
            seconds = time.monotonic() - began
            if seconds > SILENT_SECONDS + sent / _SLOWEST:
                raise HubAnswerRefused(
                    f"Expected at least {_SLOWEST} bytes a second of the hub, but got {sent} in {seconds:.0f} s"
                )
            yield data

    def close(self) -> None:
        """Ends the answer."""
        self._inner.close()


def _unpacked(packed: Iterator[bytes]) -> Iterator[bytes]:
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
