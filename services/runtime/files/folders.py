"""Folders in the store: a list of files with the objects that hold them, itself an object named by its digest.

Files that several folders share, such as a tokenizer's, are stored once. A folder is fetched into a cache once, whole
or not at all, and every byte of it is checked on the way.
"""

import contextlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from babelscope.data.atomic import partial_folder

from services.runtime.errors import DataLoss, InvalidArgument, LimitExceeded, NotFound
from services.runtime.files import atomic
from services.runtime.files.storage import copy
from services.runtime.files.store import Store, digest_of
from services.runtime.names import problem_of, shown

_BLOBS: Final = "blobs"
_FORMAT: Final = 1
_MOST_FILES: Final = 10_000
_MOST_LIST_BYTES: Final = 16 << 20
_KIND: Final = re.compile(r"[a-z][a-z0-9_-]{0,63}")
_ID: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class StoredFolder:
    """A folder in the store.

    Attributes:
        name: `KIND/DIGEST`.
        size: Bytes of its files.
    """

    name: str
    size: int


def put_folder(store: Store, kind: str, folder: Path, leave_out: Sequence[str] = ()) -> StoredFolder:
    """Stores the files of a folder and of those below it.

    Args:
        store: Store that receives the files.
        kind: Kind of the folder: `checkpoints`, `states`.
        folder: Regular files and folders alone.
        leave_out: Names of files and folders in `folder` that are not stored.

    Raises:
        InvalidArgument: It holds something else, such as a link.
        LimitExceeded: The store is full.
        Unavailable: The store cannot be reached.
    """
    files = []
    for path in sorted(folder.rglob("*")):
        if path.relative_to(folder).parts[0] in leave_out:
            continue
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise InvalidArgument("folder", f"Expected regular files alone in {folder.name}, but got {path.name}")
        if path.is_file():
            files.append(
                {
                    "path": path.relative_to(folder).as_posix(),
                    "object": store.put(_BLOBS, path),
                    "bytes": path.stat().st_size,
                }
            )
    listed = json.dumps({"format": _FORMAT, "files": files}, sort_keys=True).encode()
    name = store.put(kind, listed, suffix=".json")
    return StoredFolder(name.removesuffix(".json"), sum(int(str(file["bytes"])) for file in files))


def fetch_folder(store: Store, name: str, cache: Path) -> Path:
    """The local copy of a stored folder, fetched where it is not there yet.

    Args:
        store: Store that holds the folder.
        name: `KIND/DIGEST`.
        cache: Folder of local copies; a copy lies at `KIND/DIGEST` below it.

    Raises:
        NotFound: There is no such folder.
        DataLoss: Its list or a file of it is damaged or missing.
        LimitExceeded: The disk is full.
        Unavailable: The store cannot be reached.
    """
    kind, _, digest = name.partition("/")
    if not _KIND.fullmatch(kind) or not _ID.fullmatch(digest):
        raise NotFound(kind.removesuffix("s") if _KIND.fullmatch(kind) else "stored folder", name[:200])
    target = cache / kind / digest
    if target.is_dir():
        return target
    files = _read_list(store, name)
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with partial_folder(cache, digest[:12]) as temporary:
            for path, source in files:
                _fetch(store, source, temporary / path, name)
            temporary.chmod(0o755)  # others may read it, as they may other folders
            atomic.publish_folder(temporary, target)  # unless another process was faster
    except OSError as error:
        raise LimitExceeded("disk", f"Folder {name} could not be written to {cache}: {error.strerror}") from error
    return target


def folder_exists(store: Store, name: str) -> bool:
    """Whether there is a stored folder of a name; its files are not looked at.

    Raises:
        Unavailable: The store cannot be reached.
    """
    kind, _, digest = name.partition("/")
    return bool(_KIND.fullmatch(kind) and _ID.fullmatch(digest)) and store.exists(f"{name}.json")


def drop_copy(name: str, cache: Path) -> bool:
    """Removes the local copy of a stored folder.

    Args:
        name: `KIND/DIGEST`.
        cache: Folder of local copies.

    Returns:
        Whether there was one.
    """
    kind, _, digest = name.partition("/")
    target = cache / kind / digest
    if not _KIND.fullmatch(kind) or not _ID.fullmatch(digest) or not target.is_dir():
        return False
    # Another name first: half a copy must not look like one.
    with partial_folder(cache, digest[:12]) as doomed, contextlib.suppress(OSError):  # another process was faster
        target.rename(doomed / "copy")
    return True


def delete_folder(store: Store, name: str) -> None:
    """Removes the list of a stored folder; its files stay for other folders that share them."""
    store.delete(f"{name}.json")


def _read_list(store: Store, name: str) -> list[tuple[PurePosixPath, str]]:
    """Paths of a stored folder's files, and the objects that hold them."""
    listed = f"{name}.json"
    size = store.size(listed)
    if size is None:
        raise NotFound(name.partition("/")[0].removesuffix("s"), name)
    if size > _MOST_LIST_BYTES:
        raise DataLoss(f"Expected the list of {name} to have at most {_MOST_LIST_BYTES} bytes, but it has {size}")
    try:
        values = json.loads(store.get(listed))
        files = [(PurePosixPath(file["path"]), str(file["object"])) for file in values["files"]]
        if values["format"] != _FORMAT or len(files) > _MOST_FILES:
            raise ValueError(f"format {values['format']} with {len(files)} files")
        for path, source in files:
            if problem := problem_of(str(path)):
                raise ValueError(f"a file that would lie outside of it, {shown(str(path))}: {problem}")
            digest_of(source)
    except (ValueError, KeyError, TypeError, InvalidArgument) as error:
        raise DataLoss(f"Expected {name} to be the list of a folder's files, but got {error}") from error
    return files


def _fetch(store: Store, source: str, target: Path, name: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with store.open(source) as file, target.open("xb") as out:
            copy(file, out.write)
    except NotFound as error:
        raise DataLoss(f"Expected all files of {name} in the store, but {source} is missing") from error
