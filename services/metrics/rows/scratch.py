"""Rows on disk for the time of a study: written once, read by any number of requests, bounded, checked.

An entry is a folder with `rows` ([n, K, d], little-endian, row-major) and `meta.json`, which is written last and
carries the SHA-256 of `rows` and of all else that it says itself. It appears under its key by a rename, whole or not at
all. An entry that does not match its digest is removed and counts as absent, so that its rows are made again. Entries
unused for longest make room for new ones; a reader that still has one mapped keeps its bytes.
"""

import contextlib
import hashlib
import json
import os
import shutil
import threading
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from babelscope.data.atomic import partial_folder, sweep
from numpy.typing import NDArray

from services.runtime.errors import LimitExceeded
from services.runtime.files import atomic
from services.runtime.names import read_bounded

_PIECE: Final = 1 << 22
_MOST_META_BYTES: Final = 16 << 20


@dataclass(frozen=True)
class Meta:
    """What is kept beside the rows.

    Args:
        shape: n, K, d.
        dtype: `<f4` or `<f8`.
        digest: SHA-256 of the rest and of the rows.
        facts: What else is to be remembered, as JSON takes it.
    """

    shape: tuple[int, int, int]
    dtype: str
    digest: str
    facts: dict[str, Any]


class Writer:
    """A new entry while it is written.

    Args:
        folder: Folder of the entry, not yet visible to readers.
        scratch: Scratch folder whose quota the entry uses.
    """

    def __init__(self, folder: Path, scratch: "Scratch") -> None:
        self.folder = folder
        self._scratch = scratch
        self._file = (folder / "rows").open("w+b")
        self._reserved = 0
        self.written = 0

    def reserve(self, size: int) -> None:
        """Makes sure that the entry may grow to some bytes.

        Raises:
            LimitExceeded: There is no room for it.
        """
        if size > self._reserved:
            self._scratch.take(size - self._reserved)
            self._reserved = size

    def append(self, rows: NDArray[Any]) -> NDArray[Any]:
        """Adds rows, [m, K, d], at the end.

        Returns:
            The same rows, mapped.

        Raises:
            LimitExceeded: There is no room for them.
        """
        data = np.ascontiguousarray(rows)
        start = self.written
        self.reserve(start + data.nbytes)
        self._write(data.reshape(-1).view(np.uint8).data, start)
        self.written += data.nbytes
        return np.memmap(self.folder / "rows", dtype=data.dtype, mode="r", offset=start, shape=data.shape)

    def place(self, positions: NDArray[np.intp], rows: NDArray[Any]) -> None:
        """Puts rows, [m, K, d], where they belong; the bytes must be reserved.

        Args:
            positions: [m] row numbers.
            rows: The rows.
        """
        data = np.ascontiguousarray(rows)
        size = data[0].nbytes
        order = np.argsort(positions)
        # Neighbours go out in one write.
        for run in np.split(order, np.flatnonzero(np.diff(positions[order]) != 1) + 1):
            self._write(data[run].tobytes(), int(positions[run[0]]) * size)
        self.written += data.nbytes

    def drop(self, positions: Sequence[int], shape: tuple[int, int, int], dtype: str) -> None:
        """Takes rows out again; those after them move up.

        Args:
            positions: Their numbers, ascending.
            shape: Shape of all rows placed.
            dtype: Type of the rows.
        """
        if not positions:
            return
        size = int(np.prod(shape[1:])) * np.dtype(dtype).itemsize
        number, end = self._file.fileno(), positions[0] * size
        for place, after in zip(positions, (*positions[1:], shape[0]), strict=True):
            for start in range((place + 1) * size, after * size, _PIECE):
                data = os.pread(number, min(_PIECE, after * size - start), start)
                self._write(data, end)
                end += len(data)
        self._file.truncate(end)
        self.written = end

    def rows(self, shape: tuple[int, int, int], dtype: str) -> NDArray[Any]:
        """The rows written, mapped read-only."""
        self._file.flush()
        return _map(self.folder / "rows", shape, dtype)

    def publish(self, key: str, shape: tuple[int, int, int], dtype: str, facts: dict[str, Any]) -> None:
        """Makes the entry visible under its key; if another came first, that one stays.

        Raises:
            LimitExceeded: The disk is full.
        """
        expected = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
        size = (self.folder / "rows").stat().st_size
        if not self.written == size == expected:
            raise RuntimeError(
                f"Expected an entry of {expected} bytes, but {self.written} were written and its file has {size}"
            )
        meta = Meta(shape, dtype, _digest(self.folder / "rows", shape, dtype, facts), facts)
        with _full(expected):
            (self.folder / "meta.json").write_text(json.dumps(asdict(meta)), encoding="utf-8")
        self._scratch.publish(self.folder, key)

    def close(self) -> None:
        """Closes the file and gives back the room that was reserved."""
        self._file.close()
        self._scratch.give(self._reserved)

    def _write(self, data: bytes | memoryview, offset: int) -> None:
        """Writes all bytes at an offset: the system may take fewer than it is given, as it does on a full disk."""
        number, left = self._file.fileno(), memoryview(data)
        with _full(len(left)):
            while left:
                count = os.pwrite(number, left, offset)
                left, offset = left[count:], offset + count


class Scratch:
    """A bounded folder of entries.

    Args:
        folder: Made if need be; may be shared by servers of one machine.
        capacity: Bytes of this server's entries.
    """

    def __init__(self, folder: Path, capacity: int) -> None:
        self._folder = folder
        self._capacity = capacity
        self._lock = threading.Lock()
        self._open = 0
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    @property
    def capacity(self) -> int:
        """Bytes at most."""
        return self._capacity

    @contextlib.contextmanager
    def create(self) -> Iterator[Writer]:
        """A new entry; what is not published by the end of the block is removed."""
        with contextlib.ExitStack() as made:
            with _full(0):
                writer = Writer(made.enter_context(partial_folder(self._folder, "rows")), self)
            made.callback(writer.close)
            yield writer

    def find(self, key: str) -> tuple[Meta, NDArray[Any]] | None:
        """The entry under a key, read through once to be checked; None where there is none that is whole."""
        folder = self._folder / key
        if not folder.exists():
            return None
        try:
            raw = json.loads(read_bounded(folder / "meta.json", _MOST_META_BYTES))
            n, layers, d = raw["shape"]
            meta = Meta((int(n), int(layers), int(d)), str(raw["dtype"]), str(raw["digest"]), dict(raw["facts"]))
            if _digest(folder / "rows", meta.shape, meta.dtype, meta.facts) == meta.digest:
                rows = _map(folder / "rows", meta.shape, meta.dtype)
                os.utime(folder)
                return meta, rows
        except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
            pass  # damaged: removed below and made again
        with self._lock:
            shutil.rmtree(folder, ignore_errors=True)
        return None

    def take(self, size: int) -> None:
        """Takes room for an entry under way, at the cost of those unused for longest.

        Raises:
            LimitExceeded: There is not enough even so.
        """
        with self._lock:
            entries = sorted(self._entries(), key=lambda entry: entry[1])
            used = self._open + sum(entry[2] for entry in entries)
            while entries and used + size > self._capacity:
                oldest, _, freed = entries.pop(0)
                shutil.rmtree(oldest, ignore_errors=True)
                used -= freed
            if used + size > self._capacity:
                raise LimitExceeded(
                    "scratch_bytes",
                    f"Expected at most {self._capacity} bytes of encoded views at once, but {used} are in use and "
                    f"{size} more are needed; ask for fewer layers or views",
                    retry_after=5.0 if self._open and size <= self._capacity else None,
                )
            self._open += size

    def give(self, size: int) -> None:
        """Gives room back."""
        with self._lock:
            self._open -= size

    def publish(self, folder: Path, key: str) -> None:
        """Renames a finished folder to its key; another server's entry under the key is as good."""
        with contextlib.suppress(OSError):  # an entry that cannot be kept is made again when it is next asked for
            atomic.publish_folder(folder, self._folder / key)

    def _entries(self) -> list[tuple[Path, float, int]]:
        found = []
        for folder in self._folder.iterdir():
            if folder.name.startswith("."):
                continue
            with contextlib.suppress(OSError):
                found.append((folder, folder.stat().st_mtime, (folder / "rows").stat().st_size))
        return found

    def sweep(self) -> int:
        """Removes what servers left that were killed. Returns how many entries."""
        return sweep(self._folder)


@contextlib.contextmanager
def _full(size: int) -> Iterator[None]:
    """Tells a client of a disk that refuses a write what was needed."""
    try:
        yield
    except OSError as error:
        raise LimitExceeded(
            "scratch_bytes",
            f"Expected room for {size} bytes on the disk of the scratch folder, but got: {error.strerror or error}",
        ) from error


def _map(path: Path, shape: tuple[int, int, int], dtype: str) -> NDArray[Any]:
    if 0 in shape:
        return np.empty(shape, dtype)
    return np.memmap(path, dtype=dtype, mode="r", shape=shape)


def _digest(path: Path, shape: tuple[int, int, int], dtype: str, facts: dict[str, Any]) -> str:
    digest = hashlib.sha256(json.dumps([shape, dtype, facts], sort_keys=True).encode())
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()
