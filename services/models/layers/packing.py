"""Packing: texts of any lengths one after the other in a single sequence, with no padding.

Texts are sorted by length, so that texts of equal length lie together: the linear layers see one [T, d] matrix, and
attention runs on one dense [count, heads, length, head_size] view for each distinct length.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.models.spec import TokenizedText

ROWS_STEP = 16
"""The number of rows is a multiple of this. Kernels are made for each shape that is met and are kept: with any number
of rows, a long-lived server's memory would grow by hundreds of MB, and each new number would pay for new kernels."""

PositionRule = Callable[[NDArray[np.int64]], NDArray[np.int64]]
"""Token ids of one text, [T], to its position ids, [T]."""


@dataclass(frozen=True)
class LengthGroup:
    """Texts of equal length that lie together.

    Attributes:
        start: First row.
        count: Number of texts.
        length: Rows of each.
    """

    start: int
    count: int
    length: int

    @property
    def stop(self) -> int:
        """One past the last row."""
        return self.start + self.count * self.length


@dataclass(frozen=True, eq=False)
class Pack:
    """Some texts of a batch as one sequence of T rows, fewer than ROWS_STEP of which, the last ones, belong to no text.

    Attributes:
        members: [n] int64, place of each text in the batch, in the order of the pack.
        starts: [n] int64, first row of each text.
        lengths: [n] int64, rows of each text.
        ids: [T] int64, token ids.
        positions: [T] int64, position ids, starting anew at each text.
        content: [C] int64, rows that are not special tokens, ascending.
        groups: Texts of equal length, in order.
        language: What the model takes for the language of the texts; None where they have none, or several.
    """

    members: NDArray[np.int64]
    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]
    ids: NDArray[np.int64]
    positions: NDArray[np.int64]
    content: NDArray[np.int64]
    groups: tuple[LengthGroup, ...]
    language: int | None = None

    @property
    def rows(self) -> int:
        """Rows of the texts; they come before those that belong to none."""
        return int(self.lengths.sum())


def split(lengths: Sequence[int], chunk_rows: int, workers: int) -> list[NDArray[np.int64]]:
    """Share out a batch into chunks of about equal numbers of rows, each of texts of similar length.

    Args:
        lengths: Tokens of each text.
        chunk_rows: Rows that a chunk should not much exceed; a longer text is a chunk of its own.
        workers: Chunks that run at the same moment: their number is made a multiple of it where there are enough texts.

    Returns:
        For each chunk the places of its texts in the batch, by length; the longest texts come first, so that the last
        chunks to finish are small.
    """
    sizes = np.asarray(lengths, dtype=np.int64)
    if sizes.size == 0:
        return []
    order = np.argsort(-sizes, kind="stable")
    total = int(sizes.sum())
    chunks = -(-total // chunk_rows)
    chunks = -(-chunks // workers) * workers
    middles = np.cumsum(sizes[order]) - sizes[order] / 2
    owner = np.minimum((middles * chunks / total).astype(np.int64), chunks - 1)
    borders = np.flatnonzero(np.diff(owner)) + 1
    return np.split(order, borders)


def split_texts(batch: Sequence[TokenizedText], chunk_rows: int, workers: int) -> list[NDArray[np.int64]]:
    """Share out a batch into chunks as `split` does, each of texts of one language, where texts have one."""
    lengths = np.fromiter((len(text) for text in batch), dtype=np.int64, count=len(batch))
    chunks: list[NDArray[np.int64]] = []
    for members in by_language([text.language for text in batch]):
        chunks += [members[part] for part in split(lengths[members].tolist(), chunk_rows, workers)]
    return chunks


def by_language(languages: Sequence[int | None]) -> list[NDArray[np.int64]]:
    """Places of each language, in the order in which the languages first occur."""
    places: dict[int | None, list[int]] = {}
    for place, language in enumerate(languages):
        places.setdefault(language, []).append(place)
    return [np.array(members, dtype=np.int64) for members in places.values()]


def pack(batch: Sequence[TokenizedText], members: NDArray[np.int64], position_rule: PositionRule) -> Pack:
    """Lay some texts of a batch one after the other.

    Args:
        batch: The batch.
        members: [n], places of the texts to pack, texts of equal length next to one another.
        position_rule: The model's rule for position ids.
    """
    texts = [batch[place] for place in members]
    lengths = np.fromiter((len(text) for text in texts), dtype=np.int64, count=len(texts))
    starts = np.cumsum(lengths) - lengths
    special = np.concatenate([text.special for text in texts])
    groups: list[LengthGroup] = []
    for start, length in zip(starts.tolist(), lengths.tolist(), strict=True):
        if groups and groups[-1].length == length:
            groups[-1] = LengthGroup(groups[-1].start, groups[-1].count + 1, length)
        else:
            groups.append(LengthGroup(start, 1, length))
    ids = np.concatenate([text.ids for text in texts])
    positions = np.concatenate([position_rule(text.ids) for text in texts])
    filler = -len(ids) % ROWS_STEP
    languages = {text.language for text in texts}
    return Pack(
        members=members,
        starts=starts,
        lengths=lengths,
        # Filled with a token that has an embedding and a position; what becomes of it is never read.
        ids=np.append(ids, np.repeat(ids[:1], filler)),
        positions=np.append(positions, np.repeat(positions[:1], filler)),
        content=np.flatnonzero(~special),
        groups=tuple(groups),
        language=languages.pop() if len(languages) == 1 else None,
    )
