"""Co-occurrences of tokens within a window, weighted by 1 / distance (Pennington et al. 2014, section 4.2).

Counts of parts of the corpus are summed in memory and spread over files by a hash of their pair; then each file is
summed by itself. So memory is bounded by the size of a part and of a file, not by that of the corpus.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from babelscope.data.atomic import sweep
from numpy.typing import NDArray

from services.trainer.data.pieces import Ints
from services.trainer.durable import durable_folder
from services.trainer.static.corpus import Corpus, Part

Floats = NDArray[np.float64]

PAIRS_AT_ONCE = 1 << 22
"""Pairs that are in memory at once, unless a part of the corpus has more tokens."""
FILE_BYTES = 64 << 20
"""Bytes that a file may have if all its pairs differ."""
_MOST_FILES: Final = 512
_RECORD: Final = "counts.json"
_PAIR: Final = np.dtype([("key", "<i8"), ("sum", "<f8")])
_SPREAD: Final = 0x9E3779B97F4A7C15
"""Odd multiplier near 2^64 / golden ratio (Knuth): neighbouring pairs go to different files."""


@dataclass(frozen=True, eq=False)
class Counts:
    """The co-occurrences of some pairs, each pair of two tokens in both orders.

    Attributes:
        words: [n] int64, place of the word.
        contexts: [n] int64, place of the token in its context.
        values: [n] float64, X: sums of 1 / distance.
    """

    words: Ints
    contexts: Ints
    values: Floats


@dataclass(frozen=True)
class CountFiles:
    """The co-occurrences of a corpus on disk.

    Attributes:
        files: Files of pairs, each pair once, in a fixed order.
        size: Pairs of places, those of two tokens counted in both orders.
        tokens: Tokens that have places, n.
    """

    files: tuple[Path, ...]
    size: int
    tokens: int

    def read(self, place: int) -> Counts:
        """The pairs of a file."""
        pairs = np.fromfile(self.files[place], dtype=_PAIR)
        left, right = np.divmod(pairs["key"], self.tokens)
        differ = left != right
        # A token beside itself is seen from both sides.
        values = np.where(differ, 1.0, 2.0) * pairs["sum"]
        return Counts(
            np.concatenate([left, right[differ]]),
            np.concatenate([right, left[differ]]),
            np.concatenate([values, values[differ]]),
        )


def count(corpus: Corpus, places: Ints, window: int, folder: Path) -> CountFiles:
    """Count co-occurrences, unless the folder holds those of the same streams already, whole and unharmed.

    Args:
        corpus: The streams.
        places: [V] place of each token among those that have one; -1 for others, which are as if they were not there.
        window: Tokens to each side that are context.
        folder: Folder of the files; other ones that stand there are replaced.
    """
    tokens = int(places.max()) + 1
    streams = [each.counts.digest for each in corpus.sets]
    made_of = hashlib.sha256(json.dumps([streams, places.tolist(), window]).encode()).hexdigest()
    folder.parent.mkdir(parents=True, exist_ok=True)
    sweep(folder.parent)
    if (record := _record(folder, made_of)) is None:
        with durable_folder(folder) as made:
            record = _write(corpus, places, window, made) | {"made_of": made_of}
            record["digest"] = _digest(made, record)
            (made / _RECORD).write_text(json.dumps(record), encoding="utf-8")
    return CountFiles(tuple(folder / name for name in record["files"]), record["size"], tokens)


def _record(folder: Path, made_of: str) -> dict[str, Any] | None:
    """What is said of the files of a folder; None where there are none of the same, or any byte of them has changed."""
    try:
        said: dict[str, Any] = json.loads((folder / _RECORD).read_text("utf-8"))
        return said if said["made_of"] == made_of and said["digest"] == _digest(folder, said) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _digest(folder: Path, record: Mapping[str, Any]) -> str:
    """SHA-256 of what is said of files, and of the files."""
    said = [record["made_of"], record["files"], record["size"]]
    digest = hashlib.sha256(json.dumps(said).encode())
    for name in record["files"]:
        with (folder / name).open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()


def _write(corpus: Corpus, places: Ints, window: int, folder: Path) -> dict[str, Any]:
    """Write the files into an empty folder; their names, and how many pairs of places they have."""
    tokens = int(places.max()) + 1
    bound = 2 * window * corpus.tokens * _PAIR.itemsize
    files = tuple(folder / f"{number:03d}.pairs" for number in range(min(max(1, bound // FILE_BYTES), _MOST_FILES)))
    for path in files:
        path.write_bytes(b"")
    for keys, sums in _sums(corpus, places, window, tokens):
        owner = (keys.astype(np.uint64) * np.uint64(_SPREAD) >> np.uint64(32)) % np.uint64(len(files))
        order = np.argsort(owner, kind="stable")
        borders = np.searchsorted(owner[order], np.arange(len(files) + 1, dtype=np.uint64))
        for path, first, last in zip(files, borders[:-1].tolist(), borders[1:].tolist(), strict=True):
            with path.open("ab") as stream:
                stream.write(_joined(keys[order[first:last]], sums[order[first:last]]).tobytes())
    size = 0
    for path in files:
        found = np.fromfile(path, dtype=_PAIR)
        keys, sums = summed(found["key"], found["sum"])
        path.write_bytes(_joined(keys, sums).tobytes())
        size += 2 * len(keys) - int(((keys // tokens) == (keys % tokens)).sum())
    return {"files": [path.name for path in files], "size": size}


def _sums(corpus: Corpus, places: Ints, window: int, tokens: int) -> Iterator[tuple[Ints, Floats]]:
    """Sums over some pairs at a time, of which no more are in memory however wide the window is."""
    for part in corpus.parts():
        at_once = max(1, PAIRS_AT_ONCE // max(1, len(part.ids)))
        for first in range(1, window + 1, at_once):
            yield summed(*pairs_of(part, places, range(first, min(first + at_once, window + 1)), tokens))


def pairs_of(part: Part, places: Ints, distances: range, tokens: int) -> tuple[Ints, Floats]:
    """The pairs of a part at some distances as keys `lower * tokens + higher`, with 1 / distance each."""
    kept = places[part.ids] >= 0
    ids, runs = places[part.ids[kept]], part.runs[kept]
    keys, sums = [], []
    for distance in distances:
        together = runs[:-distance] == runs[distance:]
        left, right = ids[:-distance][together], ids[distance:][together]
        keys.append(np.minimum(left, right) * tokens + np.maximum(left, right))
        sums.append(np.full(len(left), 1.0 / distance))
    return np.concatenate(keys), np.concatenate(sums)


def summed(keys: Ints, sums: Floats) -> tuple[Ints, Floats]:
    """Each key once, ascending, with the sum of its numbers in their order."""
    if not len(keys):
        return keys, sums
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    starts = np.flatnonzero(np.diff(keys, prepend=-1))
    return keys[starts], np.add.reduceat(sums[order], starts)


def _joined(keys: Ints, sums: Floats) -> NDArray[np.void]:
    pairs = np.empty(len(keys), dtype=_PAIR)
    pairs["key"], pairs["sum"] = keys, sums
    return pairs
