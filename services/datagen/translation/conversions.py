"""Converted models: packed in the store, where all servers find them, and unpacked in a folder of this one.

What a conversion is made from is its key: the digest of the model's files, and the converter's version. The store names
objects by their own digest; a small card beside a packed conversion therefore tells its key.
"""

import json
import tarfile
from pathlib import Path
from typing import Any, Final

from babelscope.data.atomic import partial_folder

from services.runtime.errors import DataLoss, LimitExceeded, NotFound, Unavailable
from services.runtime.files import atomic
from services.runtime.files.store import Store

KIND: Final = "conversions"
CARDS: Final = "conversion-cards"
_SUFFIX: Final = ".tar"


class Conversions:
    """Keeps conversions. All methods block.

    Args:
        folder: Holds what is unpacked, by key.
        store: Shared with other servers; conversions stay in the folder alone where None.
    """

    def __init__(self, folder: Path, store: Store | None = None) -> None:
        self.folder = folder
        self._store = store

    def find(self, key: str) -> Path | None:
        """The folder of a conversion, unpacked from the store where it is there only; None where it is to be made."""
        place = self.folder / key
        if place.is_dir():
            return place
        name = self._stored(key)
        if name is None or self._store is None:
            return None
        self.folder.mkdir(parents=True, exist_ok=True)
        with partial_folder(self.folder, "unpack") as made:
            try:
                with self._store.open(name) as file, tarfile.open(fileobj=file, mode="r:") as packed:
                    packed.extractall(made / "model", filter="data")
            except (DataLoss, NotFound, Unavailable, tarfile.TarError):
                return None  # it is made anew, which mends it
            return self._placed(made / "model", place)

    def keep(self, key: str, made: Path) -> Path:
        """Keeps a conversion that was made, and gives its folder; a full store is no reason to fail.

        Args:
            key: What it was made from.
            made: Folder of plain files, on the disk of `folder`; it is moved.
        """
        if self._store is not None:
            try:
                with self._store.create(KIND, suffix=_SUFFIX) as writer:
                    _pack(made, writer)
                card = json.dumps({"key": key, "name": writer.name}, sort_keys=True)
                self._store.put(CARDS, card.encode())
            except (LimitExceeded, Unavailable):
                pass
        return self._placed(made, self.folder / key)

    def _stored(self, key: str) -> str | None:
        if self._store is None:
            return None
        for card in self._store.list(f"{CARDS}/"):
            values = json.loads(self._store.get(card))
            if values["key"] == key:
                return str(values["name"])
        return None

    def _placed(self, made: Path, place: Path) -> Path:
        atomic.publish_folder(made, place)  # unless another request was first
        return place


def _pack(folder: Path, sink: Any) -> None:
    """Writes a folder's files as a tar whose bytes depend on them alone."""
    with tarfile.open(fileobj=sink, mode="w|", format=tarfile.PAX_FORMAT) as packed:
        for path in sorted(path for path in folder.iterdir() if path.is_file()):
            entry = tarfile.TarInfo(path.name)
            entry.size = path.stat().st_size
            with path.open("rb") as file:
                packed.addfile(entry, file)
