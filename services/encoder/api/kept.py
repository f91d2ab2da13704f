"""Rows kept of earlier requests: texts that have some are answered without tokenizer and device; others get some."""

import asyncio
from collections.abc import Sequence

import numpy as np
from babelscope.data.tensors import CHUNK_BYTES
from babelscope.v1 import text_pb2
from numpy.typing import NDArray

from services.encoder.api.requests import Asked
from services.encoder.api.units import Written
from services.encoder.cache.cache import Cache
from services.encoder.cache.index import Found
from services.encoder.cache.keys import KeyMaker, Keys, Units
from services.encoder.cache.shards import Kept
from services.encoder.engine import Engine
from services.encoder.queue.answers import Item, RowBlock, cut_items
from services.encoder.queue.fairqueue import Entry
from services.encoder.queue.streams import Stream
from services.models.spec import EncodePlan, Overflow, Pooling


class KeptRows:
    """The cache, as one request uses it.

    Args:
        cache: Kept rows of all models.
        engine: Engine of the model.
        plan: What is computed.
        asked: Request of the client.
        limit: Longest input in tokens.
    """

    def __init__(self, cache: Cache, engine: Engine, plan: EncodePlan, asked: Asked, limit: int) -> None:
        self._cache = cache
        self._plan = plan
        self._asked = asked
        self._limit = limit
        self._width = engine.info.hidden_size
        self._maker = KeyMaker(engine.info, engine.device, plan, limit)
        self._wanted: dict[int, Keys] = {}

    async def find(
        self, texts: Sequence[text_pb2.Text], strings: Sequence[Written], offset: int
    ) -> list[tuple[int, Found | None]]:
        """Looks for texts.

        Args:
            texts: The messages.
            strings: Them as they go to the tokenizer.
            offset: Position of the first in the request.

        Returns:
            Place of each among `texts`, and where its rows are; None for those that must be computed.
        """
        return await asyncio.to_thread(self._find, texts, strings, offset)

    def _find(
        self, texts: Sequence[text_pb2.Text], strings: Sequence[Written], offset: int
    ) -> list[tuple[int, Found | None]]:
        self._cache.refresh()
        keys = [
            self._maker.keys(string.string, self._units(text, string), text.language or self._asked.language)
            for text, string in zip(texts, strings, strict=True)
        ]
        self._wanted |= dict(enumerate(keys, offset))
        cut = self._asked.overflow is Overflow.TRUNCATE
        return list(enumerate(self._cache.find(keys, self._plan.layers, self._limit, cut=cut)))

    def _units(self, text: text_pb2.Text, string: Written) -> Units:
        """What of a text gets rows."""
        match self._plan.pooling:
            case Pooling.WORD_FIRST | Pooling.WORD_MEAN:
                return string.words
            case Pooling.SPAN:
                return [(span.start, span.end) for span in text.spans]
            case Pooling.TOKEN:
                return list(text.positions)
            case _:
                return ()

    async def answer(
        self, stream: Stream, texts: Sequence[text_pb2.Text], found: Sequence[tuple[int, Found]], offset: int
    ) -> list[int]:
        """Answers texts from kept rows, as fast as the client reads.

        Args:
            stream: Stream of the request.
            texts: The messages.
            found: Places among `texts`, and where the rows are.
            offset: Position of the first of `texts` in the request.

        Returns:
            Places of texts whose rows are gone or damaged, and must be computed.
        """
        lost: list[int] = []
        for some in self._groups(found):
            blocks, gone = await asyncio.to_thread(self._read, texts, some, offset)
            lost += gone
            for block in blocks:
                await stream.answer(block)
        self._cache.count(len(found) - len(lost), len(texts) - len(found) + len(lost))
        return lost

    def _groups(self, found: Sequence[tuple[int, Found]]) -> list[list[tuple[int, Found]]]:
        """Texts whose rows fit one block together."""
        groups: list[list[tuple[int, Found]]] = []
        size = CHUNK_BYTES
        for place, each in found:
            extra = each.rows * len(each.layers) * self._width * 4
            if size + extra > CHUNK_BYTES:
                groups.append([])
                size = 0
            groups[-1].append((place, each))
            size += extra
        return groups

    def _read(
        self, texts: Sequence[text_pb2.Text], found: Sequence[tuple[int, Found]], offset: int
    ) -> tuple[list[RowBlock], list[int]]:
        items: list[Item] = []
        arrays: list[NDArray[np.float32]] = []
        lost: list[int] = []
        for place, each in found:
            kept = self._cache.load(each)
            if kept is None:
                lost.append(place)
                continue
            self._wanted.pop(offset + place)
            arrays.append(kept.rows)
            items.append(
                Item(
                    index=offset + place,
                    id=texts[place].id,
                    rows=len(kept.rows),
                    tokens=kept.tokens,
                    truncated=kept.truncated,
                    empty=kept.empty,
                    content=kept.content,
                )
            )
        return (cut_items(items, arrays, self._asked.output) if items else []), lost

    def keep(self, entries: Sequence[Entry], arrays: Sequence[NDArray[np.float32]]) -> None:
        """Keeps what was computed; the stream calls it from a thread."""
        texts: list[tuple[Keys, Kept]] = []
        for entry, rows in zip(entries, arrays, strict=True):
            text = entry.text
            empty = text.groups.empty if text.groups else ()
            kept = Kept(rows, entry.length, text.content_length, text.truncated, empty)
            if (keys := self._wanted.pop(entry.index, None)) is not None:
                texts.append((keys, kept))
        self._cache.keep(texts, self._plan.layers)
