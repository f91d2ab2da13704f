"""The store: objects named by the digest of their bytes, written whole or not at all, checked when they are read.

A name is `KIND/DIGEST[.SUFFIX]` with the SHA-256 of the content: the same bytes have the same name, and every object
carries its digest. An object that is damaged or cut short raises DataLoss and not one of its bytes is served; putting
the same bytes again mends it. All methods block; a servicer calls them through `asyncio.to_thread`.
"""

import contextlib
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from services.runtime.errors import DataLoss, InvalidArgument, LimitExceeded, NotFound
from services.runtime.files import storage
from services.runtime.files.quota import Quota

_KIND = re.compile(r"[a-z][a-z0-9_-]{0,63}")
_SUFFIX = re.compile(r"(\.[a-z0-9]{1,16})?")
_NAME = re.compile(rf"(?P<kind>{_KIND.pattern})/(?P<digest>[0-9a-f]{{64}})(?P<suffix>{_SUFFIX.pattern})")
_PATH = re.compile(rf"(?P<kind>{_KIND.pattern})/[0-9a-f]{{2}}/(?P<file>[0-9a-f]{{64}}{_SUFFIX.pattern})")

_PROBES = "probes"
Data = bytes | bytearray | memoryview | Path | BinaryIO


@dataclass(frozen=True, slots=True)
class ObjectState:
    """What is known of an object without reading it.

    Attributes:
        name: Name of the object.
        bytes: Size of the object.
        used: Time of the last put or use, in seconds since the epoch; in an object storage, of the last put.
    """

    name: str
    bytes: int
    used: float


class Writer:
    """Takes an object's bytes piece by piece.

    Attributes:
        name: The object's name, once its `with` block has ended; empty before.
    """

    def __init__(self, file: BinaryIO, quota: Quota | None = None) -> None:
        self._file = file
        self._quota = quota
        self._hash = hashlib.sha256()
        self._size = 0
        self.name = ""

    def write(self, data: bytes | bytearray | memoryview) -> int:
        """Adds bytes.

        Args:
            data: Any number of bytes.

        Returns:
            How many.

        Raises:
            LimitExceeded: The store is full.
            FailedPrecondition: The store may not be written to.
        """
        size = memoryview(data).nbytes
        # Less may be there already: of that the end tells.
        if self._quota is not None and self._size + size > self._quota.limit:
            self._quota.check(self._size + size)
        with storage.translated():
            count = self._file.write(data)
        if count != size:  # a buffered file takes all; a raw one need not
            raise LimitExceeded("store", f"Expected room for {size} bytes in the store, but it took {count}")
        self._hash.update(data)
        self._size += size
        return size

    @property
    def size(self) -> int:
        """Bytes so far."""
        return self._size

    @property
    def digest(self) -> str:
        """SHA-256 of the bytes so far, hexadecimal."""
        return self._hash.hexdigest()


class Store:
    """Objects by digest, in a folder or on S3.

    Args:
        url: A folder's path, or `s3://bucket/prefix`.
        max_bytes: Bytes that it may hold; None for no limit.

    Raises:
        FailedPrecondition: Where the URL's scheme is unknown or needs a package that is not installed.
    """

    def __init__(self, url: str, max_bytes: int | None = None) -> None:
        self.url = url
        self._storage = storage.connect(url)
        self._quota = None if max_bytes is None else Quota(max_bytes, self._storage.usage)

    def put(self, kind: str, data: Data, *, suffix: str = "") -> str:
        """Stores an object.

        Args:
            kind: What it is: `datasets`, `activations`, `maps`, `vectors`.
            data: Bytes, the path of a file, or a file open for reading. Files are copied piece by piece.
            suffix: Ending of the name, for other tools: `.safetensors`.

        Returns:
            Its name.

        Raises:
            InvalidArgument: For a kind or suffix that is no name.
            LimitExceeded: Where the store is full.
            Unavailable: Where the store cannot be reached.
        """
        with self.create(kind, suffix=suffix) as writer:
            if isinstance(data, Path):
                with data.open("rb") as file:
                    storage.copy(file, writer.write)
            elif isinstance(data, (bytes, bytearray, memoryview)):
                writer.write(data)
            else:
                storage.copy(data, writer.write)
        return writer.name

    @contextlib.contextmanager
    def create(self, kind: str, *, suffix: str = "") -> Iterator[Writer]:
        """Stores an object piece by piece; it appears when the block ends, and not at all where the block raises.

        Args:
            kind: Kind of the object.
            suffix: Ending of the name.

        Yields:
            What takes the bytes and, after the block, knows the name.

        Raises:
            InvalidArgument: For a kind or suffix that is no name.
            LimitExceeded: Where the store is full.
            Unavailable: Where the store cannot be reached.
        """
        if not _KIND.fullmatch(kind):
            raise InvalidArgument("kind", f"Expected a kind such as `datasets`, but got {kind!r}")
        if not _SUFFIX.fullmatch(suffix):
            raise InvalidArgument("suffix", f"Expected a suffix such as `.parquet`, but got {suffix!r}")
        with self._storage.spool() as spooled:
            with storage.translated():
                file = spooled.open("wb")
            try:
                # A full store must not keep a server from starting that could make room.
                quota = None if kind == _PROBES else self._quota
                writer = Writer(file, quota)
                yield writer
                with storage.translated():
                    file.flush()
            finally:
                with contextlib.suppress(OSError):  # of what cannot be written the flush has told
                    file.close()
            if spooled.stat().st_size != writer.size:
                raise LimitExceeded(
                    "store", f"Expected room for {writer.size} bytes in the store, but it took {spooled.stat().st_size}"
                )
            name = f"{kind}/{writer.digest}{suffix}"
            if quota is not None and (known := self._storage.size(_path(name)) or 0) < writer.size:
                quota.check(writer.size - known)
                quota.added(writer.size - known)
            self._storage.publish(spooled, _path(name))
            writer.name = name

    def get(self, name: str) -> bytes:
        """Reads an object.

        Args:
            name: Name that `put` returned.

        Returns:
            Its bytes, checked.

        Raises:
            InvalidArgument: For what is no name.
            NotFound: Where there is no such object.
            DataLoss: Where its bytes do not match its digest.
            Unavailable: Where the store cannot be reached.
        """
        with self._storage.read(_path(name), name) as file:
            data = file.read()
        _check(name, hashlib.sha256(data).hexdigest(), len(data))
        return data

    @contextlib.contextmanager
    def open(self, name: str) -> Iterator[BinaryIO]:
        """Opens an object for reading piece by piece, with random access.

        It is read once to be checked before the first byte is served, and what was checked is what is served: the same
        open file, or a local copy.

        Args:
            name: Name that `put` returned.

        Yields:
            A file, at its start.

        Raises:
            InvalidArgument: For what is no name.
            NotFound: Where there is no such object.
            DataLoss: Where its bytes do not match its digest.
            Unavailable: Where the store cannot be reached.
        """
        with self._storage.read(_path(name), name) as file:
            digest = hashlib.sha256()
            storage.copy(file, digest.update)
            _check(name, digest.hexdigest(), file.tell())
            file.seek(0)
            yield file

    def exists(self, name: str) -> bool:
        """Whether there is an object of a name; its bytes are not checked.

        Raises:
            InvalidArgument: For what is no name.
            Unavailable: Where the store cannot be reached.
        """
        return self.size(name) is not None

    def size(self, name: str) -> int | None:
        """Bytes of an object, unchecked; None where there is none.

        Raises:
            InvalidArgument: For what is no name.
            Unavailable: Where the store cannot be reached.
        """
        return self._storage.size(_path(name))

    def list(self, prefix: str = "") -> list[str]:
        """Names of objects, sorted.

        Args:
            prefix: What they begin with: `datasets/`, or a name's first characters.

        Returns:
            The names. What others put beside the store's objects is left out.

        Raises:
            Unavailable: Where the store cannot be reached.
        """
        kind = prefix.split("/", 1)[0]
        if "/" in prefix and not _KIND.fullmatch(kind):
            return []
        found = self._storage.walk(kind if "/" in prefix else "")
        matches = (_PATH.fullmatch(path) for path in found)
        names = (f"{match['kind']}/{match['file']}" for match in matches if match)
        return sorted(name for name in names if name.startswith(prefix))

    def states(self, kind: str) -> tuple[ObjectState, ...]:
        """Sizes and times of all objects of a kind, in no order.

        Raises:
            Unavailable: Where the store cannot be reached.
        """
        found = ((_PATH.fullmatch(path), size, used) for path, size, used in self._storage.states(kind))
        return tuple(
            ObjectState(f"{match['kind']}/{match['file']}", size, used) for match, size, used in found if match
        )

    def touch(self, name: str) -> None:
        """Says that an object was used, so that what removes old objects takes others first.

        An object storage keeps no such time: there nothing happens.

        Raises:
            InvalidArgument: For what is no name.
            FailedPrecondition: The store may not be written to.
            Unavailable: Where the store cannot be reached.
        """
        self._storage.touch(_path(name))

    def delete(self, name: str) -> None:
        """Removes an object, if there is one.

        Raises:
            InvalidArgument: For what is no name.
            Unavailable: Where the store cannot be reached.
        """
        self._storage.delete(_path(name))

    def sweep(self) -> int:
        """Removes what writers left that were killed, and nothing of those that still write.

        Returns:
            How many files were removed.
        """
        return self._storage.sweep()

    def probe(self) -> None:
        """Writes, reads and removes an object, so that a server that cannot use its store finds out at its start.

        Raises:
            ServiceError: What is wrong.
        """
        name = self.put(_PROBES, b"babelscope")
        with contextlib.suppress(NotFound):  # another server's probe may have removed it
            self.get(name)
        self.delete(name)


def digest_of(name: str) -> str:
    """The SHA-256 that an object's name carries.

    Raises:
        InvalidArgument: For what is no name.
    """
    return _parts(name)["digest"]


def _parts(name: str) -> dict[str, str]:
    """A name's parts."""
    match = _NAME.fullmatch(name)
    if match is None:
        raise InvalidArgument("name", f"Expected the name of an object, KIND/SHA-256, but got {name[:200]!r}")
    return match.groupdict()


def _path(name: str) -> str:
    """Where an object lies: in one of 256 folders, so that none grows too large."""
    parts = _parts(name)
    return f"{parts['kind']}/{parts['digest'][:2]}/{parts['digest']}{parts['suffix']}"


def _check(name: str, digest: str, size: int) -> None:
    """Refuses bytes that are not those of the name."""
    if digest != digest_of(name):
        raise DataLoss(
            f"Expected object {name} to match its digest, but its {size} bytes have the digest {digest[:12]}...: it is "
            "damaged or cut short"
        )
