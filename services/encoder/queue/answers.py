"""Hidden states of a batch to blocks of bytes, cut for the wire."""

from collections.abc import Sequence
from dataclasses import dataclass
from sys import getsizeof
from typing import Final

import numpy as np
from babelscope.data.activations import EncodedItem
from babelscope.data.blocks import ChunkMessage, OutputType, write_chunks
from babelscope.data.tensors import CHUNK_BYTES
from numpy.typing import NDArray

from services.encoder.queue.fairqueue import Entry
from services.models.row_groups import row_count
from services.models.spec import Plan, Prediction, PredictPlan, TokenizedText

CANDIDATE_BYTES: Final = 8
"""Bytes of one candidate: its token id and its log-probability."""
ITEM_BYTES: Final = 256
"""Bytes of the objects around one text of a block, about."""
TEXT_BYTES: Final = 1024
"""Bytes of the objects around one text with its tokens, about."""


@dataclass(frozen=True, slots=True)
class Item:
    """One text of a block.

    Attributes:
        index: Its position in the stream.
        id: Id of the text.
        rows: Rows it has in the block.
        tokens: Tokens computed, special tokens included.
        truncated: Whether it was cut.
        empty: Rows of no token, which are zero.
        content: Tokens that are not special.
    """

    index: int
    id: str
    rows: int
    tokens: int
    truncated: bool
    empty: tuple[int, ...]
    content: int


@dataclass(frozen=True, eq=False, slots=True)
class RowBlock:
    """Rows of some texts, one after the other.

    Attributes:
        items: The texts.
        shape: (rows, layers, d).
        chunks: Messages that carry the array's bytes in C order, little-endian, in pieces of at most `CHUNK_BYTES`.
        reserved: Bytes that the stream gives back once the block is written.
    """

    items: tuple[Item, ...]
    shape: tuple[int, int, int]
    chunks: tuple[ChunkMessage, ...]
    reserved: int


@dataclass(frozen=True, eq=False, slots=True)
class PredictedBlock:
    """Predictions for some texts.

    Attributes:
        items: The texts.
        texts: Tokens of the texts.
        predictions: One a text.
        reserved: Bytes that the stream gives back once the block is written.
    """

    items: tuple[Item, ...]
    texts: tuple[TokenizedText, ...]
    predictions: tuple[Prediction, ...]
    reserved: int


Block = RowBlock | PredictedBlock


def weight(name: str, text: TokenizedText) -> int:
    """Bytes that a text holds: its arrays, its id, and the objects around them."""
    arrays = text.ids.nbytes + text.special.nbytes + text.starts.nbytes + text.ends.nbytes
    if text.groups is not None:
        arrays += text.groups.tokens.nbytes + text.groups.counts.nbytes
    return arrays + getsizeof(name) + TEXT_BYTES


def bytes_of(name: str, text: TokenizedText, plan: Plan, hidden_size: int) -> int:
    """Bytes that a text's answer holds until it is read.

    They are those of its hidden states while they are float32, with its id; or those of its predictions with the text
    itself, whose tokens are part of the answer. Without these, short texts that nobody reads would fill the memory.
    """
    if isinstance(plan, PredictPlan):
        return len(text) * plan.candidates * CANDIDATE_BYTES + weight(name, text)
    return row_count(text, plan.pooling) * len(plan.layers) * hidden_size * 4 + _item_bytes(name)


def _item_bytes(name: str) -> int:
    """Bytes of a text of a block beside its rows: its id is also part of a message."""
    return 2 * getsizeof(name) + ITEM_BYTES


def cut(entries: Sequence[Entry], arrays: Sequence[NDArray[np.float32]], output: OutputType) -> list[RowBlock]:
    """Packs the texts of one stream into blocks of at most `CHUNK_BYTES`; a longer text has a block of its own.

    Args:
        entries: The texts.
        arrays: Their hidden states, [rows, K, d] float32 each.
        output: Elements of the answer; bfloat16 rounds to nearest, ties to even.
    """
    items = [
        Item(
            index=entry.index,
            id=entry.id,
            rows=array.shape[0],
            tokens=entry.length,
            truncated=entry.text.truncated,
            empty=entry.text.groups.empty if entry.text.groups else (),
            content=entry.text.content_length,
        )
        for entry, array in zip(entries, arrays, strict=True)
    ]
    return cut_items(items, arrays, output)


def cut_items(items: Sequence[Item], arrays: Sequence[NDArray[np.float32]], output: OutputType) -> list[RowBlock]:
    """Packs texts into blocks of at most `CHUNK_BYTES`; a longer text has a block of its own.

    Args:
        items: The texts; at least one.
        arrays: Their hidden states, [rows, K, d] float32 each.
        output: Elements of the answer.
    """
    width = 2 if output == "bfloat16" else 4
    blocks = []
    first = size = 0
    for position, array in enumerate(arrays):
        extra = array.size * width
        if size and size + extra > CHUNK_BYTES:
            blocks.append(_block(items[first:position], arrays[first:position], output))
            first, size = position, 0
        size += extra
    blocks.append(_block(items[first:], arrays[first:], output))
    return blocks


def cut_predictions(entries: Sequence[Entry], predictions: Sequence[Prediction]) -> list[PredictedBlock]:
    """Packs the texts of one stream into blocks of at most `CHUNK_BYTES`; a longer text has a block of its own."""
    blocks = []
    first = size = 0
    for place, entry in enumerate(entries):
        if size and size + entry.reserved > CHUNK_BYTES:
            blocks.append(_predicted(entries[first:place], predictions[first:place]))
            first, size = place, 0
        size += entry.reserved
    blocks.append(_predicted(entries[first:], predictions[first:]))
    return blocks


def _predicted(entries: Sequence[Entry], predictions: Sequence[Prediction]) -> PredictedBlock:
    return PredictedBlock(
        items=tuple(
            Item(
                index=each.index,
                id=each.id,
                rows=each.length,
                tokens=each.length,
                truncated=each.text.truncated,
                empty=(),
                content=each.text.content_length,
            )
            for each in entries
        ),
        texts=tuple(entry.text for entry in entries),
        predictions=tuple(predictions),
        reserved=sum(entry.reserved for entry in entries),
    )


def _block(items: Sequence[Item], arrays: Sequence[NDArray[np.float32]], output: OutputType) -> RowBlock:
    _, layers, width = arrays[0].shape
    told = [EncodedItem(each.index, each.id, each.rows, each.tokens, each.truncated, each.empty) for each in items]
    return RowBlock(
        items=tuple(items),
        shape=(sum(item.rows for item in items), layers, width),
        chunks=tuple(write_chunks(items[0].index, told, arrays, output)),
        reserved=sum(array.size for array in arrays) * 4 + sum(_item_bytes(item.id) for item in items),
    )
