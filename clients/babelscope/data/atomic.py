"""Files that are written whole or not at all, names for what is being written, and what killed writers left.

A partial file or folder is locked for as long as its writer lives. The system lets go of the lock however the process
ends, and a writer in another container that shares the folder holds it too, where the number of a process would say
nothing. What nobody holds is a leftover. Systems without `flock`, such as Windows, remove nothing.
"""

import contextlib
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final

fcntl: Any
try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

_SUFFIX: Final = ".babelscope-partial"
_NAME: Final = re.compile(rf"\..*\.[0-9a-f]{{8}}{re.escape(_SUFFIX)}", re.DOTALL)
_swept: Final[set[Path]] = set()
_LABEL_BYTES: Final = 200
"""A file's name has 255 bytes at most, and the name of what is written is part of that of its partial file."""


@contextmanager
def whole(path: Path) -> Iterator[BinaryIO]:
    """A file for bytes that takes its name when the block ends; after an error, what was there before stays.

    The bytes are on the disk before the name is: a reader, or a run after a crash, finds all of them or the file
    before them. Two writers of one name do not mix; the last to end wins.

    Raises:
        OSError: The file cannot be written.
    """
    _sweep_once(path.parent)
    with partial_file(path.parent, path.name) as partial:
        with partial.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)


def write_atomically(path: Path, text: str) -> None:
    """Writes a text file in UTF-8, whole or not at all, and the folders above it where they are missing.

    Raises:
        OSError: The file cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole(path) as file:
        file.write(text.encode())


@contextmanager
def partial_file(folder: Path, label: str) -> Iterator[Path]:
    """An empty file that is gone after the block unless it was renamed.

    Args:
        folder: Folder that it lies in.
        label: What it becomes, for people who look into the folder.

    Raises:
        OSError: The file cannot be made.
    """
    while True:
        path = _path(folder, label)
        number = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        if _lock(number, path):
            break
        os.close(number)  # swept between the two calls
    try:
        yield path
    finally:
        with contextlib.suppress(OSError):  # what went wrong before matters more, and the next sweep finds it
            path.unlink(missing_ok=True)
        os.close(number)


@contextmanager
def partial_folder(folder: Path, label: str) -> Iterator[Path]:
    """An empty folder, for its user alone, that is gone after the block with all in it unless it was renamed.

    Args:
        folder: Folder that it lies in.
        label: What it becomes, for people who look into the folder.

    Raises:
        OSError: The folder cannot be made.
    """
    while True:
        path = _path(folder, label)
        path.mkdir(mode=0o700)
        with contextlib.suppress(FileNotFoundError):  # swept between the two calls
            number = os.open(path, os.O_RDONLY)
            if _lock(number, path):
                break
            os.close(number)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        os.close(number)


@contextmanager
def owned(path: Path) -> Iterator[None]:
    """While it is open, `remove_unowned` leaves a file or folder of any name alone.

    Raises:
        OSError: It is not there.
    """
    number = os.open(path, os.O_RDONLY)
    try:
        _lock(number, path)
        yield
    finally:
        os.close(number)


def sweep(folder: Path) -> int:
    """Removes what killed writers left in a folder, though not in the folders below it.

    Args:
        folder: Need not be there.

    Returns:
        How many files and folders were removed.
    """
    try:
        paths = list(folder.iterdir())
    except OSError:  # not there, or another user's
        return 0
    return sum(remove_unowned(path) for path in paths if _NAME.fullmatch(path.name))


def remove_unowned(path: Path) -> bool:
    """Removes a file or folder, unless a live process owns it. Returns whether it is gone."""
    if fcntl is None:
        return False
    how = os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        try:
            number = os.open(path, os.O_RDWR | how)  # NFS locks for its writers alone
        except IsADirectoryError:
            number = os.open(path, os.O_RDONLY | how)
    except OSError:  # gone meanwhile, a link, or another user's
        return False
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    except OSError:  # owned, gone meanwhile, or on a file system that has no locks
        return False
    finally:
        os.close(number)
    return True


def _sweep_once(folder: Path) -> None:
    """Removes what killed writers left in a folder, when this process first writes there."""
    place = folder.absolute()
    if place not in _swept:
        _swept.add(place)
        sweep(place)


def _path(folder: Path, label: str) -> Path:
    """A name that nobody else has."""
    known = label.encode()[:_LABEL_BYTES].decode(errors="ignore")
    return folder / f".{known}.{secrets.token_hex(4)}{_SUFFIX}"


def _lock(number: int, path: Path) -> bool:
    """Locks an open file or folder. Returns whether it still has its name: a sweep may have been faster."""
    if fcntl is None:
        return True
    with contextlib.suppress(OSError):  # on a file system without locks nothing is swept either
        fcntl.flock(number, fcntl.LOCK_SH)  # several may own one; a sweep asks for it alone
    try:
        return os.path.samestat(os.fstat(number), path.stat())
    except FileNotFoundError:
        return False
