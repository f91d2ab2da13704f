"""Texts from a request to the queue: checked, cut into tokens beside the event loop, given their rows, submitted."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from babelscope.v1 import text_pb2

from services.encoder.api import requests
from services.encoder.api.kept import KeptRows
from services.encoder.api.requests import Asked
from services.encoder.api.units import Grouper, Written, written
from services.encoder.cache.index import Found
from services.encoder.engine import Engine
from services.encoder.queue.streams import Stream
from services.encoder.queue.turns import Turns
from services.models.spec import Overflow, TokenizedText
from services.runtime.callers.accounts import current
from services.runtime.errors import InvalidArgument
from services.runtime.memory import Memory, accounted
from services.runtime.streams import later

TOKENIZE_AT_ONCE: Final = 256
"""Texts cut into tokens by one call, so that the first reach the device while the others are being cut."""
CHARACTERS_AT_ONCE: Final = 1 << 16
"""Characters cut into tokens by one call, unless a single text has more."""


@dataclass(frozen=True, eq=False)
class Work:
    """What becomes of the texts of one request.

    Attributes:
        stream: Stream that the texts are submitted to.
        engine: Engine of the model.
        asked: Request of the client.
        limit: Longest input in tokens.
        client: Client whose turn it is.
        group: Function that gives each text its rows; called once for each text that is computed.
        kept: Rows that were kept; None where all texts are computed.
        searched: Whether `group` searches the texts.
    """

    stream: Stream
    engine: Engine
    asked: Asked
    limit: int
    client: str
    group: Grouper
    kept: KeptRows | None = None
    searched: bool = False


class Intake:
    """Reads texts for all requests.

    Args:
        max_texts: Largest number of texts of a message.
        memory: Bytes that requests hold, from which tokenizers take theirs while they work.
    """

    def __init__(self, max_texts: int, memory: Memory) -> None:
        self._max_texts = max_texts
        self._memory = memory
        self._tokenizers = Turns(2, CHARACTERS_AT_ONCE, "tokenize")

    async def close(self) -> None:
        """Releases the threads."""
        await self._tokenizers.close()

    async def tokenize(
        self,
        engine: Engine,
        texts: Sequence[text_pb2.Text],
        overflow: Overflow,
        limit: int,
        client: str,
        *,
        language: str,
    ) -> list[TokenizedText]:
        """Cuts the texts of one message into tokens, in the client's turns.

        Args:
            engine: Engine whose tokenizer cuts.
            texts: Texts, at `texts` of the request.
            overflow: Treatment of long texts.
            limit: Longest input in tokens.
            client: Client whose turn it is.
            language: Language of texts that name none, for a model that must be told.

        Raises:
            InvalidArgument: A text has no tokens, is too long where that is refused, or lacks its own words.
        """
        found: list[TokenizedText] = []
        for some in _portions(texts):
            strings = _written(some, "texts", len(found))
            languages = [text.language or language for text in some]
            tokens = await self._cut(engine, strings, languages, limit, client, place=("texts", len(found)))
            requests.check_tokens(some, tokens, overflow, limit, "texts", offset=len(found))
            _spend(tokens)
            found += tokens
        return found

    @asynccontextmanager
    async def filling(self, messages: AsyncIterator[Any], work: Work) -> AsyncIterator[None]:
        """Fills a stream beside the block, after which the stream is closed.

        Args:
            messages: Messages after the first, each with `texts`.
            work: What becomes of the texts.
        """
        task = asyncio.create_task(self._fill(messages, work))
        try:
            yield
        finally:
            work.stream.close()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _fill(self, messages: AsyncIterator[Any], work: Work) -> None:
        """Reads texts as fast as the queue takes them, and tells the stream how that ended."""
        stream, kept = work.stream, work.kept
        try:
            seen = requests.SeenIds()
            async for message in messages:
                if message.HasField("spec"):
                    raise InvalidArgument("spec", "Expected `spec` once, in the first message, but got another")
                texts = later(message, "texts").texts
                offset = len(seen)
                requests.check_texts(texts, "texts.texts", self._max_texts, seen)
                for some in _portions(texts):
                    strings = _written(some, "texts.texts", offset)
                    todo: Sequence[int] = range(len(some))
                    held: list[tuple[int, Found]] = []
                    if kept is not None:
                        places = await kept.find(some, strings, offset)
                        held = [(place, found) for place, found in places if found is not None]
                        todo = [place for place, found in places if found is None]
                    for run in _runs(todo):
                        await self._submit(some[run], strings[run], work, offset + run.start)
                    if kept is not None:
                        for run in _runs(await kept.answer(stream, some, held, offset)):
                            await self._submit(some[run], strings[run], work, offset + run.start)
                    offset += len(some)
            if not len(seen):
                raise InvalidArgument("texts", "Expected at least one text, but the stream ended without any")
            stream.finish()
        except Exception as error:  # a boundary between tasks: the stream's own task raises it
            stream.fail(error)

    async def _submit(
        self,
        texts: Sequence[text_pb2.Text],
        strings: Sequence[Written],
        work: Work,
        offset: int,
    ) -> None:
        """Cuts texts into tokens, gives them their rows and queues them.

        Args:
            texts: Neighbours in the request.
            strings: Them as they go to the tokenizer.
            work: What becomes of them.
            offset: Position of the first in the request.
        """
        asked, engine, field = work.asked, work.engine, "texts.texts"
        languages = [text.language or asked.language for text in texts]
        tokenized = await self._cut(engine, strings, languages, work.limit, work.client, place=(field, offset))
        requests.check_tokens(
            texts,
            tokenized,
            asked.overflow,
            work.limit,
            field,
            offset=offset,
            vocabulary=engine.info.vocabulary_size,
        )
        _spend(tokenized)

        def group() -> list[tuple[int, str, TokenizedText | None]]:
            return [
                (number, text.id, work.group(text, string, tokens, f"{field}[{number}]"))
                for number, (text, string, tokens) in enumerate(zip(texts, strings, tokenized, strict=True), offset)
            ]

        # Words that are searched for take a while: beside the event loop, in the client's turn.
        cost = sum(len(each.string) for each in strings)
        grouped = await self._tokenizers.take(work.client, cost, group) if work.searched else group()
        chosen = [(number, name, tokens) for number, name, tokens in grouped if tokens is not None]
        # Where some texts are answered from kept rows, those that are computed keep their place in the request.
        places = None if work.kept is None else [number for number, _, _ in chosen]
        await work.stream.submit([(name, tokens) for _, name, tokens in chosen], places)

    async def _cut(
        self,
        engine: Engine,
        strings: Sequence[Written],
        languages: Sequence[str],
        limit: int,
        client: str,
        *,
        place: tuple[str, int],
    ) -> list[TokenizedText]:
        """Cuts texts into tokens in a thread, in the client's turn: tokenizers work without the interpreter's lock.

        Args:
            engine: Engine whose tokenizer cuts.
            strings: Texts.
            languages: Language of each, empty where not known.
            limit: Longest input in tokens.
            client: Client whose turn it is.
            place: Field of the texts and number of texts before them, for errors.
        """
        texts, (field, offset) = [each.string for each in strings], place

        def cut() -> list[TokenizedText]:
            with self._memory.account() as account, accounted(account):
                return engine.tokenize(texts, max_tokens=limit, languages=languages, field=field, offset=offset)

        return await self._tokenizers.take(client, sum(map(len, texts)), cut)


def _runs(places: Sequence[int]) -> Iterator[slice]:
    """Ascending places as slices of neighbours."""
    start = 0
    for stop in range(1, len(places) + 1):
        if stop == len(places) or places[stop] != places[stop - 1] + 1:
            yield slice(places[start], places[stop - 1] + 1)
            start = stop


def _written(texts: Sequence[text_pb2.Text], field: str, offset: int) -> list[Written]:
    """Texts as they go to the tokenizer."""
    return [written(text, f"{field}[{number}]") for number, text in enumerate(texts, offset)]


def _portions(texts: Sequence[text_pb2.Text]) -> Iterator[Sequence[text_pb2.Text]]:
    """Texts in portions that take a turn each."""
    start = held = 0
    for stop, text in enumerate(texts):
        size = len(text.text) + sum(map(len, text.words))
        if stop > start and (stop - start == TOKENIZE_AT_ONCE or held + size > CHARACTERS_AT_ONCE):
            yield texts[start:stop]
            start, held = stop, 0
        held += size
    yield texts[start:]


def _spend(tokenized: Sequence[TokenizedText]) -> None:
    """Counts tokens as the caller's; who has none left is not read from before some have come."""
    current().spend_tokens(sum(map(len, tokenized)))
