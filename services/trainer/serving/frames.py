"""Numbered messages over a pair of sockets, in both directions at once."""

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator
from typing import Final

_HEADER: Final = struct.Struct("<QQ")


class Frames:
    """One end of the pair. Threads may send at once; one thread receives.

    Args:
        end: The socket.
    """

    def __init__(self, end: socket.socket) -> None:
        self._end, self._lock = end, threading.Lock()

    def send(self, number: int, data: bytes) -> None:
        """Sends a message.

        Raises:
            OSError: The other end is gone.
        """
        with self._lock:
            self._end.sendall(_HEADER.pack(number, len(data)))
            self._end.sendall(data)

    def received(self) -> Iterator[tuple[int, bytes]]:
        """Messages with their numbers, until the other end is gone."""
        while (header := self._read(_HEADER.size)) is not None:
            number, length = _HEADER.unpack(header)
            data = self._read(length)
            if data is None:
                return
            yield number, data

    def close(self) -> None:
        """Closes this end, which ends what the other one receives, and what this one does."""
        with contextlib.suppress(OSError):  # the other end may be gone
            self._end.shutdown(socket.SHUT_RDWR)
        self._end.close()

    def _read(self, length: int) -> bytes | None:
        """So many bytes; None where the other end is gone before."""
        found = bytearray()
        while len(found) < length:
            try:
                part = self._end.recv(min(1 << 20, length - len(found)))
            except OSError:
                return None
            if not part:
                return None
            found += part
        return bytes(found)
