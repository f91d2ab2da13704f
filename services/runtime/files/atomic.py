"""Files and folders that are there whole or not at all: a temporary name, a flush to the disk, a rename.

What is renamed must lie on the same file system as the place that it gets. After a power failure a reader finds all of
it, or what was there before.
"""

import os
from pathlib import Path


def publish(made: Path, place: Path) -> None:
    """Gives a finished file its place, where it replaces another file.

    Args:
        made: A file under a temporary name.
        place: The path that readers know; its folder is made if need be.

    Raises:
        OSError: The system refuses, or has no room.
    """
    _flush(made)
    place.parent.mkdir(parents=True, exist_ok=True)
    made.replace(place)
    _flush(place.parent)


def publish_folder(made: Path, place: Path) -> bool:
    """Gives a finished folder of files its place, unless another folder is there already.

    Args:
        made: A folder under a temporary name.
        place: The path that readers know; its parent exists.

    Returns:
        Whether it was given its place; False where another writer was first.

    Raises:
        OSError: The system refuses, or has no room.
    """
    for parent, _, files in os.walk(made):
        for name in files:
            _flush(Path(parent, name))
        _flush(Path(parent))
    try:
        made.rename(place)
    except OSError:
        if not place.is_dir():
            raise
        return False
    _flush(place.parent)
    return True


def _flush(path: Path) -> None:
    """Has the system write a file or a folder to the disk."""
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
