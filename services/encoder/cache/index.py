"""Where the rows of texts are, by key and layer: in which shards of the store, or still in memory."""

from collections.abc import Sequence
from dataclasses import dataclass

from services.encoder.cache.shards import Card, Kept

Source = str | Kept
"""The name of a shard, or rows that are not yet written."""


@dataclass(frozen=True, eq=False, slots=True)
class Place:
    """Where some layers of a text's rows are.

    Attributes:
        source: What holds them.
        number: Place of the text in its shard; 0 for rows in memory.
        layers: Layers that the source holds.
        rows: Number of rows.
        tokens: Number of tokens of the text.
    """

    source: Source
    number: int
    layers: tuple[int, ...]
    rows: int
    tokens: int


@dataclass(frozen=True, eq=False, slots=True)
class Found:
    """Rows that are kept at all layers that were asked for.

    Attributes:
        key: Key of the rows.
        layers: Layers asked for, in the order of the request.
        places: The place that each layer is read from.
        rows: Number of rows.
        tokens: Number of tokens of the text.
    """

    key: bytes
    layers: tuple[int, ...]
    places: tuple[Place, ...]
    rows: int
    tokens: int


class Index:
    """Places of rows by key. It is no safer among threads than a dictionary: its owner has the lock."""

    def __init__(self) -> None:
        self._places: dict[bytes, tuple[Place, ...]] = {}
        self._cards: dict[str, Card] = {}

    def __len__(self) -> int:
        return len(self._places)

    @property
    def shards(self) -> int:
        """Number of shards known."""
        return len(self._cards)

    def add(self, card: Card) -> None:
        """Learns of a shard."""
        if card.shard in self._cards:
            return
        self._cards[card.shard] = card
        for number, line in enumerate(card.texts):
            self.put(line.key, Place(card.shard, number, card.layers, line.rows, line.tokens))

    def put(self, key: bytes, place: Place) -> None:
        """Learns of one more place of a text's rows."""
        self._places[key] = (*self._places.get(key, ()), place)

    def remove(self, key: bytes, source: Source) -> None:
        """Forgets one place of a text's rows."""
        left = tuple(place for place in self._places.get(key, ()) if not _same(place.source, source))
        if left:
            self._places[key] = left
        else:
            self._places.pop(key, None)

    def drop(self, shard: str) -> None:
        """Forgets a shard."""
        card = self._cards.pop(shard, None)
        for line in card.texts if card else ():
            self.remove(line.key, shard)

    def missing(self, key: bytes, layers: Sequence[int]) -> tuple[int, ...]:
        """Those of some layers at which a text has no rows."""
        known = {layer for place in self._places.get(key, ()) for layer in place.layers}
        return tuple(layer for layer in layers if layer not in known)

    def find(self, key: bytes, layers: Sequence[int]) -> Found | None:
        """The places of a text's rows at all of some layers; None where they are not all kept."""
        known = self._places.get(key, ())
        if not known or self.missing(key, layers):
            return None
        # As few shards as can be read: those first that hold most of what is asked for.
        best = sorted(known, key=lambda place: -len(set(place.layers).intersection(layers)))
        places = tuple(next(place for place in best if layer in place.layers) for layer in layers)
        return Found(key, tuple(layers), places, known[0].rows, known[0].tokens)


def _same(one: Source, other: Source) -> bool:
    return one == other if isinstance(one, str) and isinstance(other, str) else one is other
