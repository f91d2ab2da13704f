"""Folders that are there whole or not at all, also after the machine has stopped at any moment."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from babelscope.data.atomic import partial_folder


@contextmanager
def durable_folder(target: Path) -> Iterator[Path]:
    """A temporary folder beside the target, which becomes the target when all is written and synced.

    A target that is there already is replaced. Where the body raises, nothing is left.

    Args:
        target: Final path of the folder; its parent exists.
    """
    with partial_folder(target.parent, target.name) as folder:
        yield folder
        folder.chmod(0o755)
        for path in folder.iterdir():
            sync(path)
        sync(folder)
        if target.exists():
            shutil.rmtree(target)
        folder.rename(target)
        sync(target.parent)


def sync(path: Path) -> None:
    """Wait until a file, or the entries of a folder, are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
