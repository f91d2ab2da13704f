"""What names what: the names of objects in lists, in results and in jobs."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from babelscope.errors import StoreError
from babelscope.store.places import Place, StoredObject

_NAME: Final = re.compile(rb"(?<![a-z0-9_-])([a-z][a-z0-9_-]{0,63}/[0-9a-f]{64})(?![0-9a-f])")
_LISTS: Final = (".json",)
CARDS: Final = "-cards"
"""Ending of kinds that say something about another object: they go with it, and do not keep it."""
_MOST_BYTES: Final = 64 << 20


def names_in(data: bytes) -> set[str]:
    """The names of objects, KIND/DIGEST, in any text."""
    return {match.decode() for match in _NAME.findall(data)}


def references(place: Place, objects: Iterable[StoredObject]) -> dict[str, set[str]]:
    """What each list and each card of a store names, by key.

    Args:
        place: Store that the objects are in.
        objects: All objects of the store.

    Raises:
        StoreError: A list is too large to be read: nothing could be said of what it names.
    """
    found: dict[str, set[str]] = {}
    for each in objects:
        if each.suffix not in _LISTS and not each.kind.endswith(CARDS):
            continue
        if each.bytes > _MOST_BYTES:
            raise StoreError(f"Expected lists of at most {_MOST_BYTES} bytes, but {each.path} has {each.bytes}")
        found[each.key] = found.get(each.key, set()) | names_in(place.read(each.path)) - {each.key}
    return found


def named_by_files(paths: Iterable[Path]) -> Mapping[str, str]:
    """What files name, such as the results of studies: each name with the file that has it.

    Args:
        paths: Files and folders; folders are searched with all below them.

    Raises:
        StoreError: A path does not exist, or a file is too large to be searched.
    """
    found: dict[str, str] = {}
    for path in paths:
        if not path.exists():
            raise StoreError(f"Expected a file or a folder of results, but there is no {path}")
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if not file.is_file():
                continue
            with file.open("rb") as opened:
                rest = b""
                # A name across two pieces is found in the second, which begins with the end of the first.
                while piece := opened.read(1 << 20):
                    for name in names_in(rest + piece):
                        found.setdefault(name, str(file))
                    rest = (rest + piece)[-200:]
    return found
