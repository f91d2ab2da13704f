"""Checkpoints of the trainer as models: folders of the store, fetched when they are first named."""

from pathlib import Path
from typing import Final

from services.runtime.errors import Unavailable
from services.runtime.files.folders import drop_copy, fetch_folder, folder_exists
from services.runtime.files.store import Store


class StoredCheckpoints:
    """Checkpoints of the trainer, fetched from the store when they are first named.

    Args:
        store: Store that holds the checkpoints.
        cache: Folder of local copies.
    """

    PREFIX: Final = "checkpoints/"

    def __init__(self, store: Store, cache: Path) -> None:
        self._store, self._cache = store, cache

    def fetch(self, name: str) -> Path:
        """The local copy of `checkpoints/ID`.

        A copy of a checkpoint that was deleted is removed. While the store cannot be reached, copies are served.

        Raises:
            NotFound: There is no such checkpoint.
            DataLoss: It is damaged.
            Unavailable: The store cannot be reached.
        """
        if not self.exists(name):
            drop_copy(name, self._cache)
        return fetch_folder(self._store, name, self._cache)

    def exists(self, name: str) -> bool:
        """Whether a checkpoint has not been deleted, as far as the store can be asked."""
        try:
            return folder_exists(self._store, name)
        except Unavailable:
            return True
