"""Streams of token ids on disk: a corpus of any size is read once, and mapped into memory afterwards.

ids.bin       int32, all streams one after the other
starts.npy    int64, first token of each stream, and the end of the last
seen.npy      bool, which ids of the vocabulary occur
streams.json  what they were made of, what was counted, and a digest of all; written last
"""

import hashlib
import json
from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from babelscope.data.examples import Example
from numpy.typing import NDArray

from services.trainer.data.pieces import Ints
from services.trainer.durable import durable_folder

Cut = Callable[[Iterable[Example]], Iterator[NDArray[np.int32]]]
"""Examples to the ids of streams, without special tokens around them."""

_IDS, _STARTS, _SEEN, _RECORD = "ids.bin", "starts.npy", "seen.npy", "streams.json"
_BLOCK = 1 << 22


@dataclass(frozen=True)
class StreamCounts:
    """What was read.

    Attributes:
        examples: Examples of the dataset.
        streams: Streams.
        tokens: Tokens of all streams.
        known: Examples that a development set has as well.
        digest: SHA-256 of the ids and the streams' lengths.
    """

    examples: int
    streams: int
    tokens: int
    known: int
    digest: str


@dataclass(frozen=True, eq=False)
class StreamSet:
    """The streams of one set.

    Attributes:
        language: Language tag under which it is reported.
        dataset: Name of the dataset.
        counts: What was read.
        ids: [tokens] int32, mapped from the disk.
        starts: [streams + 1] int64.
        seen: [V] bool, which ids occur.
    """

    language: str
    dataset: str
    counts: StreamCounts
    ids: NDArray[np.int32] = field(repr=False)
    starts: Ints = field(repr=False)
    seen: NDArray[np.bool_] = field(repr=False)

    def stream(self, place: int) -> Ints:
        """[N] int64: the ids of a stream."""
        return np.asarray(self.ids[self.starts[place] : self.starts[place + 1]], dtype=np.int64)

    @property
    def lengths(self) -> Ints:
        """[streams] tokens of each."""
        return np.diff(self.starts)


def text_key(example: Example) -> bytes:
    """A short digest of an example's text, by which texts of two sets are compared."""
    return hashlib.blake2b(str(example.content).strip().encode(), digest_size=12).digest()


def stored(
    folder: Path,
    made_of: dict[str, Any],
    examples: Callable[[], Iterable[Example]],
    cut: Cut,
    vocabulary: int,
    *,
    language: str,
    dataset: str,
    known: frozenset[bytes] = frozenset(),
) -> StreamSet:
    """The streams of a set; they are made where the folder does not hold them already, whole and unharmed.

    Args:
        folder: Where they are kept.
        made_of: All that determines them, as plain data.
        examples: Reads the dataset.
        cut: Cuts it into streams.
        vocabulary: Ids of the vocabulary, V.
        language: Language tag of the set.
        dataset: Name of the dataset.
        known: Digests of texts that are counted where they occur.
    """
    counts = _record(folder, made_of)
    if counts is None:
        counts = _write(folder, made_of, examples(), cut, vocabulary=vocabulary, known=known)
    ids: NDArray[np.int32] = np.zeros(0, dtype=np.int32)
    if counts.tokens:
        ids = np.memmap(folder / _IDS, dtype=np.int32, mode="r")
    starts, seen = (np.load(folder / name, allow_pickle=False) for name in (_STARTS, _SEEN))
    return StreamSet(language, dataset, counts, ids, starts, seen)


def _record(folder: Path, made_of: dict[str, Any]) -> StreamCounts | None:
    """The counts of streams that are made of the same; None where there are none, or any byte of them has changed.

    All of them is read for this, once an attempt: a changed id would train another model without a word.
    """
    try:
        said = json.loads((folder / _RECORD).read_text("utf-8"))
        if said["made_of"] != made_of:
            return None
        counts = StreamCounts(**said["counts"])
        return counts if said["digest"] == _digest(folder, made_of, counts) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _digest(folder: Path, made_of: dict[str, Any], counts: StreamCounts) -> str:
    """SHA-256 of a record and the files beside it."""
    digest = hashlib.sha256(json.dumps([made_of, asdict(counts)], sort_keys=True).encode())
    for name in (_IDS, _STARTS, _SEEN):
        with (folder / name).open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()


def _write(
    folder: Path,
    made_of: dict[str, Any],
    examples: Iterable[Example],
    cut: Cut,
    *,
    vocabulary: int,
    known: frozenset[bytes],
) -> StreamCounts:
    """Cut a set and write its streams, whole or not at all."""
    read = found = 0
    starts, seen = array("q", [0]), np.zeros(vocabulary, dtype=bool)

    def counted() -> Iterator[Example]:
        nonlocal read, found
        for example in examples:
            read += 1
            found += bool(known) and text_key(example) in known
            yield example

    folder.parent.mkdir(parents=True, exist_ok=True)
    with durable_folder(folder) as made:
        digest = hashlib.sha256()
        with (made / _IDS).open("wb", buffering=_BLOCK) as stream:
            for ids in cut(counted()):
                data = ids.astype(np.int32, copy=False).tobytes()
                stream.write(data)
                digest.update(data)
                starts.append(starts[-1] + len(ids))
                seen[ids] = True
        begins = np.frombuffer(starts, dtype=np.int64)
        digest.update(begins.tobytes())
        np.save(made / _STARTS, begins, allow_pickle=False)
        np.save(made / _SEEN, seen, allow_pickle=False)
        counts = StreamCounts(read, len(starts) - 1, starts[-1], found, digest.hexdigest())
        record = {"made_of": made_of, "counts": asdict(counts), "digest": _digest(made, made_of, counts)}
        (made / _RECORD).write_text(json.dumps(record), encoding="utf-8")
    return counts
