"""Where a store lies: a folder, or a place that fsspec reaches, such as S3."""

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Protocol

from babelscope.errors import StoreError

_PATH: Final = re.compile(r"([a-z][a-z0-9_-]{0,63})/[0-9a-f]{2}/([0-9a-f]{64})((?:\.[a-z0-9]{1,16})?)")


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One object of a store.

    Attributes:
        kind: Kind of the object: `datasets`, `maps`, `blobs`.
        digest: SHA-256 of the object's bytes.
        suffix: Ending of the object's name.
        bytes: Size of the object.
        modified: Time of the last put, in seconds since the epoch.
    """

    kind: str
    digest: str
    suffix: str
    bytes: int
    modified: float

    @property
    def key(self) -> str:
        """The name by which others name it: `KIND/DIGEST`."""
        return f"{self.kind}/{self.digest}"

    @property
    def path(self) -> str:
        """Where it lies."""
        return f"{self.kind}/{self.digest[:2]}/{self.digest}{self.suffix}"


class Place(Protocol):
    """The part of a file system that is used here. Paths are relative, with `/`."""

    def objects(self) -> Iterator[StoredObject]:
        """All objects; what others put beside them is left out."""

    def modified(self, path: str) -> float | None:
        """When an object was last put; None where there is none."""

    def read(self, path: str) -> bytes:
        """An object's bytes."""

    def delete(self, path: str) -> None:
        """Removes an object."""


class FolderPlace:
    """A folder.

    Args:
        root: Folder of the store.

    Raises:
        StoreError: There is none.
    """

    def __init__(self, root: Path) -> None:
        if not root.is_dir():
            raise StoreError(f"Expected a store in {root}, but there is no such folder")
        self._root = root

    def objects(self) -> Iterator[StoredObject]:
        """All objects."""
        for path in sorted(self._root.glob("*/??/*")):
            state = path.stat()
            found = _object(path.relative_to(self._root).as_posix(), state.st_size, state.st_mtime)
            if found is not None and path.is_file():
                yield found

    def modified(self, path: str) -> float | None:
        """When an object was last put."""
        try:
            return (self._root / path).stat().st_mtime
        except FileNotFoundError:
            return None

    def read(self, path: str) -> bytes:
        """An object's bytes."""
        return (self._root / path).read_bytes()

    def delete(self, path: str) -> None:
        """Removes an object."""
        (self._root / path).unlink(missing_ok=True)


def holds_credentials(url: str) -> bool:
    """Whether the address of a store has a user, a password or options in it, which logs and errors would show."""
    _, remote, rest = url.partition("://")
    return bool(remote) and ("@" in rest.partition("/")[0] or "?" in rest)


class RemotePlace:
    """A place of fsspec.

    Args:
        url: URL of the place.

    Raises:
        StoreError: The package for it is not installed, or its scheme is unknown.
    """

    def __init__(self, url: str) -> None:
        if holds_credentials(url):
            raise StoreError("Expected s3://bucket/prefix without credentials or options, which belong to AWS_*")
        try:
            import fsspec

            # Listings of the past would hide what others wrote.
            self._files, root = fsspec.core.url_to_fs(url, use_listings_cache=False, skip_instance_cache=True)
        except (ImportError, ValueError) as error:
            raise StoreError(f"Expected a folder, or a URL such as s3://bucket/prefix with s3fs: {error}") from None
        self._root = str(self._files._strip_protocol(root)).rstrip("/")

    def objects(self) -> Iterator[StoredObject]:
        """All objects."""
        self._files.invalidate_cache()
        for path, about in sorted(self._files.find(self._root, detail=True).items()):
            found = _object(path[len(self._root) + 1 :], int(about["size"]), _time(about))
            if found is not None:
                yield found

    def modified(self, path: str) -> float | None:
        """When an object was last put."""
        self._files.invalidate_cache()
        try:
            return _time(self._files.info(f"{self._root}/{path}"))
        except FileNotFoundError:
            return None

    def read(self, path: str) -> bytes:
        """An object's bytes."""
        return bytes(self._files.cat_file(f"{self._root}/{path}"))

    def delete(self, path: str) -> None:
        """Removes an object."""
        self._files.rm_file(f"{self._root}/{path}")


def open_place(url: str) -> Place:
    """Finds the place that a store's URL names.

    Args:
        url: A folder's path, or a URL that fsspec knows.

    Raises:
        StoreError: There is no such place.
    """
    if "://" not in url or url.startswith("file://"):
        return FolderPlace(Path(url.removeprefix("file://")).expanduser())
    return RemotePlace(url)


def _object(path: str, size: int, modified: float) -> StoredObject | None:
    """The object at a path; None for what is none."""
    match = _PATH.fullmatch(path)
    return StoredObject(match[1], match[2], match[3], size, modified) if match else None


def _time(about: dict[str, Any]) -> float:
    """When an object was last put, by any of fsspec's names; now where nothing tells, so that it is young."""
    found = about.get("LastModified") or about.get("mtime") or about.get("created")
    if isinstance(found, datetime):
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    return float(found) if isinstance(found, int | float) else time.time()
