"""Folders that are there whole or not at all, also after the machine has stopped at any moment."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

TEMPORARY = ".part-"
"""Beginning of the names of folders that are being written."""


@contextmanager
def durable_folder(target: Path) -> Iterator[Path]:
    """A temporary folder beside the target, which becomes the target when all is written and synced.

    A target that is there already is replaced. Where the body raises, nothing is left.

    Args:
        target: Final path of the folder; its parent exists.
    """
    folder = Path(tempfile.mkdtemp(prefix=TEMPORARY, dir=target.parent))
    try:
        yield folder
        folder.chmod(0o755)
        for path in folder.iterdir():
            sync(path)
        sync(folder)
        if target.exists():
            shutil.rmtree(target)
        folder.rename(target)
        sync(target.parent)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def sync(path: Path) -> None:
    """Wait until a file, or the entries of a folder, are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sweep(parent: Path) -> None:
    """Remove what processes that died have left half written."""
    for path in parent.glob(f"{TEMPORARY}*"):
        shutil.rmtree(path, ignore_errors=True)
