"""Where a store's objects lie: a folder, or any other place that fsspec knows, such as S3.

Either publishes an object whole or not at all. A folder does it by a temporary name, a flush to the disk and a rename;
an object storage by one upload, which becomes visible when it is complete.
"""

import contextlib
import errno
import logging
import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from babelscope.data.atomic import partial_file, sweep

from services.runtime.errors import DataLoss, FailedPrecondition, LimitExceeded, NotFound, Unavailable
from services.runtime.files import atomic
from services.runtime.files.refusals import FULL

log = logging.getLogger(__name__)

TEMPORARY = ".tmp"
_PART_BYTES = 16 << 20


class Storage(Protocol):
    """A place for objects by path. Paths are relative, with `/`."""

    def spool(self) -> contextlib.AbstractContextManager[Path]:
        """A local file to write an object to before its path is known; gone afterwards."""

    def publish(self, spooled: Path, path: str) -> None:
        """Makes a spooled file the object at a path, in place of another one, at once."""

    def read(self, path: str, name: str) -> contextlib.AbstractContextManager[BinaryIO]:
        """An object as a local file, open for reading; it stays the same while it is open.

        Raises:
            NotFound: Of `name`, where there is none.
        """

    def size(self, path: str) -> int | None:
        """Bytes of an object; None where there is none."""

    def walk(self, folder: str) -> Iterator[str]:
        """Paths of all objects under a folder."""

    def states(self, folder: str) -> Iterator[tuple[str, int, float]]:
        """Paths of all objects under a folder, their bytes, and when they were last put or touched."""

    def touch(self, path: str) -> None:
        """Says that an object was used, where the place keeps that time."""

    def usage(self) -> int:
        """Bytes of all objects together."""

    def delete(self, path: str) -> None:
        """Removes an object, if there is one."""

    def sweep(self) -> int:
        """Removes what killed writers left. Returns how many files."""


class Folder:
    """A folder of this machine, or one that is mounted.

    Args:
        root: The folder; made with the first object.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._temporary = root / TEMPORARY

    @contextlib.contextmanager
    def spool(self) -> Iterator[Path]:
        """A file beside the objects, on the same file system, so that a rename publishes it."""
        with translated():
            self._temporary.mkdir(parents=True, exist_ok=True)
        with contextlib.ExitStack() as made:
            with translated():
                path = made.enter_context(partial_file(self._temporary, "object"))
            yield path

    def publish(self, spooled: Path, path: str) -> None:
        """Flushes the file to the disk before its name appears: after a power failure it is whole or not there."""
        target = self._root / path
        with translated():
            atomic.publish(spooled, target)

    @contextlib.contextmanager
    def read(self, path: str, name: str) -> Iterator[BinaryIO]:
        """The file itself.

        Raises:
            DataLoss: Something else has its name; a pipe would keep the reader for ever.
        """
        with translated(name):
            # Without O_NONBLOCK, to open a pipe that nobody writes to would not return.
            number = os.open(self._root / path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        if not stat.S_ISREG(os.fstat(number).st_mode):
            os.close(number)
            raise DataLoss(f"Expected {name} to be a file of the store, but something else has its name")
        with os.fdopen(number, "rb") as file:
            yield file

    def size(self, path: str) -> int | None:
        """Bytes of the file."""
        try:
            with translated(path):
                return (self._root / path).stat().st_size
        except NotFound:
            return None

    def walk(self, folder: str) -> Iterator[str]:
        """Files under a folder, temporary ones left out."""
        for parent, folders, files in os.walk(self._root / folder):
            folders[:] = [name for name in folders if not name.startswith(".")]
            for name in files:
                yield (Path(parent) / name).relative_to(self._root).as_posix()

    def states(self, folder: str) -> Iterator[tuple[str, int, float]]:
        """Files under a folder, with sizes and times of modification."""
        for path in self.walk(folder):
            with contextlib.suppress(NotFound), translated(path):
                state = (self._root / path).stat()
                yield path, state.st_size, state.st_mtime

    def touch(self, path: str) -> None:
        """Sets the file's time of modification."""
        with contextlib.suppress(NotFound), translated(path):
            os.utime(self._root / path)

    def usage(self) -> int:
        """Bytes of all files, temporary ones left out."""
        return sum(self.size(path) or 0 for path in self.walk(""))

    def delete(self, path: str) -> None:
        """Removes the file."""
        with translated(path):
            (self._root / path).unlink(missing_ok=True)

    def sweep(self) -> int:
        """Removes the temporary files of writers that were killed, here or on another machine."""
        return sweep(self._temporary)


class Remote:
    """A place that fsspec reaches over the network.

    Args:
        filesystem: Filesystem object of fsspec.
        root: Bucket and prefix.
        errors: Classes of errors, besides OSError, that mean that the place cannot be reached.
    """

    def __init__(self, filesystem: Any, root: str, errors: tuple[type[Exception], ...] = ()) -> None:
        self._filesystem = filesystem
        self._root = root.rstrip("/")
        self._errors = errors

    def _path(self, path: str) -> str:
        """The path that fsspec knows."""
        return f"{self._root}/{path}" if path else self._root

    @contextlib.contextmanager
    def spool(self) -> Iterator[Path]:
        """A temporary file of this machine."""
        with contextlib.ExitStack() as made:
            with translated():
                path = made.enter_context(partial_file(Path(tempfile.gettempdir()), "babelscope-object"))
            yield path

    def publish(self, spooled: Path, path: str) -> None:
        """Uploads in parts; the object appears when the last one is acknowledged."""
        with self._reached("store"):
            self._filesystem.put_file(str(spooled), self._path(path), chunksize=_PART_BYTES)

    @contextlib.contextmanager
    def read(self, path: str, name: str) -> Iterator[BinaryIO]:
        """A copy in a temporary file, so that what was checked is what is served."""
        with self.spool() as local:
            with self._reached(name):
                self._filesystem.get_file(self._path(path), str(local))
            with local.open("rb") as file:
                yield file

    def size(self, path: str) -> int | None:
        """Bytes of the object."""
        try:
            with self._reached(path):
                return int(self._filesystem.info(self._path(path), refresh=True)["size"])
        except NotFound:
            return None

    def walk(self, folder: str) -> Iterator[str]:
        """Objects under a prefix."""
        with self._reached("store"):
            self._filesystem.invalidate_cache()
            found = self._filesystem.find(self._path(folder))
        start = len(self._filesystem._strip_protocol(self._root)) + 1
        yield from (path[start:] for path in found)

    def states(self, folder: str) -> Iterator[tuple[str, int, float]]:
        """Objects under a prefix, with sizes and times of their uploads."""
        with self._reached("store"):
            self._filesystem.invalidate_cache()
            found = self._filesystem.find(self._path(folder), detail=True)
        start = len(self._filesystem._strip_protocol(self._root)) + 1
        for path, about in found.items():
            put = about.get("LastModified") or about.get("mtime") or about.get("created") or 0.0
            yield path[start:], int(about["size"]), put.timestamp() if isinstance(put, datetime) else float(put)

    def touch(self, path: str) -> None:
        """Nothing: the time of an upload does not change."""

    def usage(self) -> int:
        """Bytes of all objects under the prefix."""
        with self._reached("store"):
            self._filesystem.invalidate_cache()
            return sum(int(each["size"]) for each in self._filesystem.find(self._root, detail=True).values())

    def delete(self, path: str) -> None:
        """Removes the object."""
        with contextlib.suppress(NotFound), self._reached(path):
            self._filesystem.rm_file(self._path(path))

    def sweep(self) -> int:
        """Removes local copies: an interrupted upload leaves no object, and a bucket's life-cycle rule its parts."""
        return sweep(Path(tempfile.gettempdir()))

    @contextlib.contextmanager
    def _reached(self, subject: str) -> Iterator[None]:
        """Turns the library's errors into this house's."""
        try:
            with translated(subject):
                yield
        except self._errors as error:
            raise _unreachable(error) from error


def connect(url: str) -> Storage:
    """Finds the place that a URL names.

    Args:
        url: A folder's path, or a URL that fsspec knows. S3's credentials and address come from the usual variables
            (`AWS_ACCESS_KEY_ID`, `AWS_ENDPOINT_URL`, ...).

    Returns:
        The place.

    Raises:
        FailedPrecondition: Where the URL's scheme is unknown or needs a package that is not installed.
    """
    if "://" not in url or url.startswith("file://"):
        return Folder(Path(url.removeprefix("file://")).expanduser().absolute())
    # Heavy, and not needed for a folder.
    import fsspec

    scheme = url.split("://", 1)[0]
    options: dict[str, Any] = {}
    errors: tuple[type[Exception], ...] = ()
    if scheme in {"s3", "s3a"}:
        # Listings of the past would hide what other servers wrote.
        options = {"use_listings_cache": False, "skip_instance_cache": True}
    try:
        filesystem, root = fsspec.core.url_to_fs(url, **options)
        if scheme in {"s3", "s3a"}:
            from botocore.exceptions import BotoCoreError

            errors = (BotoCoreError,)
    except (ImportError, ValueError) as error:
        raise FailedPrecondition(
            "store_url", f"Expected a folder or a URL such as s3://bucket/prefix: {error}"
        ) from None
    return Remote(filesystem, root, errors)


def copy(source: BinaryIO, write: Callable[[bytes], Any], length: int = 1 << 20) -> None:
    """Copies a stream in pieces.

    Args:
        source: Read to its end.
        write: Takes each piece.
        length: Bytes a piece.
    """
    while piece := source.read(length):
        write(piece)


@contextlib.contextmanager
def translated(subject: str = "store") -> Iterator[None]:
    """Turns errors of the system into this house's.

    Args:
        subject: Name of the object that is read; `store` where the store itself is used.

    Raises:
        NotFound: The object does not exist.
        FailedPrecondition: The store does not exist, may not be used, or is mounted read-only.
        LimitExceeded: The store is full.
        Unavailable: The store cannot be reached for another reason.
    """
    try:
        yield
    except (FileNotFoundError, NotADirectoryError) as error:
        if subject == "store":
            raise FailedPrecondition("store", f"Expected the store to exist: {error}") from error
        raise NotFound("stored object", subject) from error
    except PermissionError as error:
        raise FailedPrecondition("store", "Expected leave to read and write the store, but was refused") from error
    except OSError as error:
        if error.errno == errno.EROFS:
            raise FailedPrecondition("store", "Expected a store that can be written to, but it is read-only") from error
        if error.errno in FULL:
            raise LimitExceeded("store", "Expected room in the store, but it is full") from error
        raise _unreachable(error) from error


def _unreachable(error: Exception) -> Unavailable:
    """What a client is told of a store that fails; the log has the reason, which may name hosts and paths."""
    log.warning("store failed", extra={"problem": str(error)})
    return Unavailable(f"The store cannot be reached: {type(error).__name__}", retry_after=5.0)
