"""The format of kept rows: many texts in one safetensors file, and a card that says which.

A shard holds, for n texts with R rows together at the same K layers:

    keys       [n, 32] uint8       what determines the rows of each text
    layers     [K] int64           ascending
    counts     [n] int64           rows of each text
    rows       [R, K, d] float32   text after text
    empty      [R] uint8           1 for rows of no token
    tokens     [n] int64           tokens of each text, special ones included
    content    [n] int64           tokens that are not special
    truncated  [n] uint8           1 for texts that were cut

The store names it by its digest, `rows/SHA-256.safetensors`. Its card, `rows-cards/SHA-256.json`, is put after it and
makes it known: a writer that is killed between the two leaves a shard that nobody looks at.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

KIND: Final = "rows"
CARDS: Final = "rows-cards"
KEY_BYTES: Final = 32
_TYPES: Final = {
    "keys": (np.uint8, 2),
    "layers": (np.int64, 1),
    "counts": (np.int64, 1),
    "rows": (np.float32, 3),
    "empty": (np.uint8, 1),
    "tokens": (np.int64, 1),
    "content": (np.int64, 1),
    "truncated": (np.uint8, 1),
}


@dataclass(frozen=True, eq=False, slots=True)
class Kept:
    """The rows of one text.

    Attributes:
        rows: [R, K, d] float32.
        tokens: Tokens of the text, special ones included.
        content: Tokens that are not special.
        truncated: Whether the text was cut.
        empty: Rows of no token.
    """

    rows: NDArray[np.float32]
    tokens: int
    content: int
    truncated: bool
    empty: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Line:
    """What a card says of one text.

    Attributes:
        key: Key of the text.
        rows: Number of its rows.
        tokens: Number of its tokens.
    """

    key: bytes
    rows: int
    tokens: int


@dataclass(frozen=True)
class Card:
    """What is known of a shard without reading it.

    Attributes:
        shard: Name of the shard in the store.
        layers: Layers of its rows.
        texts: Its texts, in order.
    """

    shard: str
    layers: tuple[int, ...]
    texts: tuple[Line, ...]

    def to_bytes(self) -> bytes:
        """The card as it is stored."""
        texts = [[line.key.hex(), line.rows, line.tokens] for line in self.texts]
        return json.dumps({"shard": self.shard, "layers": self.layers, "texts": texts}).encode("ascii")

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Reads a card.

        Raises:
            ValueError: It is none.
        """
        try:
            raw = json.loads(data)
            texts = tuple(Line(bytes.fromhex(key), int(rows), int(tokens)) for key, rows, tokens in raw["texts"])
            return cls(str(raw["shard"]), tuple(int(layer) for layer in raw["layers"]), texts)
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"Expected the card of a shard, but got {data[:80]!r}") from error


class Shard:
    """A shard in memory.

    Args:
        arrays: Its arrays by name.
    """

    def __init__(self, arrays: dict[str, NDArray[Any]]) -> None:
        self.layers: tuple[int, ...] = tuple(arrays["layers"].tolist())
        self.bytes = sum(array.nbytes for array in arrays.values())
        self._arrays = arrays
        self._ends = np.cumsum(arrays["counts"])

    def text(self, number: int, key: bytes) -> Kept | None:
        """The rows of one text; None where the text of that number has another key."""
        arrays = self._arrays
        if not 0 <= number < len(self._ends) or arrays["keys"][number].tobytes() != key:
            return None
        end = int(self._ends[number])
        start = end - int(arrays["counts"][number])
        return Kept(
            arrays["rows"][start:end],
            int(arrays["tokens"][number]),
            int(arrays["content"][number]),
            bool(arrays["truncated"][number]),
            tuple(np.flatnonzero(arrays["empty"][start:end]).tolist()),
        )


def pack(texts: Sequence[tuple[bytes, Kept]], layers: Sequence[int]) -> bytes:
    """A shard as it is stored: equal texts in equal order give equal bytes.

    Args:
        texts: Keys and rows; at least one.
        layers: Layers of the rows, ascending.
    """
    counts = [len(kept.rows) for _, kept in texts]
    empty = [np.isin(np.arange(len(kept.rows)), kept.empty) for _, kept in texts]
    arrays: dict[str, NDArray[Any]] = {
        "keys": np.frombuffer(b"".join(key for key, _ in texts), np.uint8).reshape(-1, KEY_BYTES),
        "layers": np.asarray(layers, np.int64),
        "counts": np.asarray(counts, np.int64),
        "rows": np.ascontiguousarray(np.concatenate([kept.rows for _, kept in texts])),
        "empty": np.concatenate(empty).astype(np.uint8),
        "tokens": np.asarray([kept.tokens for _, kept in texts], np.int64),
        "content": np.asarray([kept.content for _, kept in texts], np.int64),
        "truncated": np.asarray([kept.truncated for _, kept in texts], np.uint8),
    }
    # safetensors writes an array as it lies in memory, in whatever order its axes are.
    return bytes(save(arrays))


def unpack(data: bytes) -> Shard:
    """Reads a shard.

    Raises:
        ValueError: It is none.
    """
    try:
        arrays = load(data)
    except SafetensorError as error:
        raise ValueError(f"Expected a shard of rows, but got: {error}") from error
    if {name: (array.dtype.type, array.ndim) for name, array in arrays.items()} != _TYPES:
        raise ValueError(f"Expected the arrays of a shard of rows, but got {', '.join(sorted(arrays))}")
    n, rows = len(arrays["counts"]), int(arrays["counts"].sum())
    shapes = {name: len(arrays[name]) for name in ("keys", "tokens", "content", "truncated")}
    whole = all(length == n for length in shapes.values()) and len(arrays["rows"]) == len(arrays["empty"]) == rows
    if not whole or arrays["rows"].shape[1] != len(arrays["layers"]) or arrays["keys"].shape[1] != KEY_BYTES:
        raise ValueError(f"Expected a shard of {n} texts and {rows} rows, but its arrays have other lengths")
    return Shard(arrays)
