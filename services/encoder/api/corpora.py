"""The door to what a corpus is reduced to: texts come in, means of tokens or of words go out."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import Any, Final

import numpy as np
from babelscope.data.tensors import CHUNK_BYTES, to_proto
from babelscope.v1 import encoder_pb2, model_pb2, text_pb2
from numpy.typing import NDArray

from services.encoder.api import requests, responses, table
from services.encoder.api.intake import Intake, Work
from services.encoder.api.paths import at
from services.encoder.api.requests import Asked
from services.encoder.api.units import MOST_UNITS, Grouper, Span, Written, check_count, grouper
from services.encoder.corpus.means import LayerSums
from services.encoder.corpus.words import LONGEST_WORD, WordFinder, WordSums
from services.encoder.engine import Engine
from services.encoder.queue.answers import Item, RowBlock
from services.encoder.queue.scheduler import Scheduler
from services.encoder.queue.streams import Stream
from services.encoder.registry import Registry
from services.encoder.settings import EncoderSettings
from services.models.api.messages import one_of
from services.models.artifacts import Stored, write_layers
from services.models.row_groups import spanned
from services.models.spec import EncodePlan, Pooling, TokenizedText
from services.runtime.errors import InvalidArgument
from services.runtime.memory import Account, Memory, accounted, weight
from services.runtime.streams import first
from services.runtime.work import beside_the_loop

_FORMS: Final = 3
"""Forms of a wanted word that are held: as it was sent, as it is looked up, and what its look-up takes."""
_FINDERS: Final = 2
"""Lists of wanted words that are made ready for the search at once."""
_MEANS: Final = {model_pb2.POOLING_UNSPECIFIED: Pooling.MEAN, model_pb2.POOLING_MEAN: Pooling.MEAN}


@dataclass(frozen=True, eq=False)
class Pass:
    """One pass of a corpus through a model.

    Attributes:
        engine: The model.
        plan: What is computed for each text.
        started: What the request resolved to.
        stream: The texts on their way.
    """

    engine: Engine
    plan: EncodePlan
    started: encoder_pb2.EncodeStarted
    stream: Stream

    @property
    def progress(self) -> encoder_pb2.CorpusProgress:
        """How far it is."""
        return encoder_pb2.CorpusProgress(texts=self.stream.answered, tokens=self.stream.tokens)

    async def rows(self) -> AsyncGenerator[tuple[tuple[Item, ...], NDArray[np.float32]], None]:
        """Texts with their rows, [r, K, d], as they are ready."""
        while (block := await self.stream.next_block()) is not None:
            assert isinstance(block, RowBlock)
            yield block.items, _array(block)


class CorpusDoor:
    """Answers `MeanActivations` and `EncodeWords`.

    Args:
        registry: The models.
        scheduler: The device.
        store: Store of interventions' arrays and of means.
        settings: Limits.
        intake: Reader of texts.
        memory: Bytes that requests hold beside their texts.
    """

    def __init__(
        self,
        registry: Registry,
        scheduler: Scheduler,
        store: Stored,
        settings: EncoderSettings,
        *,
        intake: Intake,
        memory: Memory,
    ) -> None:
        self._registry = registry
        self._scheduler = scheduler
        self._store = store
        self._settings = settings
        self._intake = intake
        self._memory = memory
        self._sums = Memory(settings.word_bytes, "word_bytes")
        self._finders = asyncio.Semaphore(_FINDERS)

    async def MeanActivations(  # noqa: N802 - gRPC's name; it writes instead of yielding
        self, request_iterator: AsyncIterator[encoder_pb2.MeanActivationsRequest], context: Any
    ) -> None:
        """Means over all tokens of a corpus, by layer."""
        spec = await first(request_iterator)
        one_of(_MEANS, spec.pooling, "spec.pooling", model_pb2.Pooling)
        with self._memory.account() as account:
            await self._means(request_iterator, context, await self._asked(spec, account))

    async def _means(
        self, request_iterator: AsyncIterator[encoder_pb2.MeanActivationsRequest], context: Any, asked: Asked
    ) -> None:
        async with self._pass(request_iterator, asked, grouper(Pooling.MEAN), context) as work:
            await context.write(encoder_pb2.MeanActivationsResponse(started=work.started))
            sums = LayerSums(len(work.plan.layers), work.engine.info.hidden_size)
            async with aclosing(work.rows()) as blocks:
                async for items, rows in blocks:
                    sums.add(rows, [item.content for item in items])
                    await context.write(encoder_pb2.MeanActivationsResponse(progress=work.progress))
            means = sums.means()
            info = work.engine.info
            about = {
                "model": info.name,
                "digest": info.digest,
                "layers": info.layers,
                "pooling": work.plan.pooling.value,
                "tokens": sums.tokens,
            }
            name = await asyncio.to_thread(write_layers, self._store, means, work.plan.layers, about)
            answer = encoder_pb2.LayerMeans(
                means=to_proto(means),
                layers=work.plan.layers,
                tokens=sums.tokens,
                texts=sums.texts,
                truncated=work.stream.truncated,
                artifact=name,
            )
            await context.write(encoder_pb2.MeanActivationsResponse(means=answer))

    async def EncodeWords(  # noqa: N802 - gRPC's name; it writes instead of yielding
        self, request_iterator: AsyncIterator[encoder_pb2.EncodeWordsRequest], context: Any
    ) -> None:
        """The mean of every word over all its contexts, by layer."""
        spec = await first(request_iterator)
        if spec.min_count < 0:
            raise InvalidArgument("spec.min_count", f"Expected a count of 0 or more, but got {spec.min_count}")
        with self._memory.account() as account:
            with at("spec.", "spec.encode."):
                pooling = _word_pooling(spec.encode.pooling)
                asked = replace(await self._asked(spec.encode, account), pooling=pooling)
            wanted: list[str] = []
            messages = await _after_words(request_iterator, wanted, account)
            if spec.embedding_table:
                await self._table(messages, context, spec, asked, wanted)
                return
            with self._sums.account() as held:
                await self._words(messages, context, spec, asked, wanted=wanted, held=held, names=account)

    async def _words(
        self,
        messages: AsyncIterator[Any],
        context: Any,
        spec: encoder_pb2.EncodeWordsSpec,
        asked: Asked,
        *,
        wanted: Sequence[str],
        held: Account,
        names: Account,
    ) -> None:
        # Words by the hundred thousand take seconds.
        finder = await beside_the_loop(
            lambda: WordFinder(wanted, ignore_case=spec.ignore_case, language=spec.language), self._finders
        )
        found = _Occurrences(finder, first=asked.pooling is Pooling.WORD_FIRST)
        with at("spec.", "spec.encode."):
            async with self._pass(messages, asked, found.group, context, searched=True) as work:
                await context.write(encoder_pb2.EncodeWordsResponse(started=work.started))
                size = work.engine.info.hidden_size
                sums = found.sums = WordSums(len(work.plan.layers), size, self._settings.word_bytes, held, names)
                async with aclosing(work.rows()) as blocks:
                    async for items, rows in blocks:
                        await asyncio.to_thread(found.add, items, rows)
                        await context.write(encoder_pb2.EncodeWordsResponse(progress=work.progress))
                answered = 0
                for part in sums.means(spec.min_count, CHUNK_BYTES):
                    answered += len(part.words)
                    words = encoder_pb2.WordVectors(
                        words=part.words, counts=part.counts.tolist(), vectors=to_proto(part.vectors)
                    )
                    await context.write(encoder_pb2.EncodeWordsResponse(words=words))
                finished = encoder_pb2.EncodeWordsFinished(
                    texts=work.stream.answered,
                    tokens=work.stream.tokens,
                    truncated=work.stream.truncated,
                    words=answered,
                    occurrences=sums.occurrences,
                    empty_rows=work.stream.empty_rows,
                    rare_words=sums.words - answered,
                )
                await context.write(encoder_pb2.EncodeWordsResponse(finished=finished))

    async def _table(
        self,
        messages: AsyncIterator[Any],
        context: Any,
        spec: encoder_pb2.EncodeWordsSpec,
        asked: Asked,
        wanted: Sequence[str],
    ) -> None:
        """Words by their rows of the embedding table, in the order in which they were wanted."""
        await table.check(spec, asked, wanted, messages)
        words = list(dict.fromkeys(wanted))
        with at("spec.", "spec.encode."):
            async with self._registry.lease(asked.model) as engine:
                plan, limit = replace(asked, layers=(0,), edits=()).plan(engine.info), asked.limit(engine.info)
                started = responses.started(engine.info, asked, plan, engine.device, limit).started
                await context.write(encoder_pb2.EncodeWordsResponse(started=started))
                answered = 0
                for first_word in range(0, len(words), table.WORDS_AT_ONCE):
                    part = words[first_word : first_word + table.WORDS_AT_ONCE]
                    found, rows = await beside_the_loop(
                        partial(engine.table_rows, part, asked.edits, asked.language), self._finders
                    )
                    answered += len(found)
                    for each in table.messages(found, rows):
                        await context.write(encoder_pb2.EncodeWordsResponse(words=each))
                finished = encoder_pb2.EncodeWordsFinished(
                    words=answered, occurrences=answered, left_out_words=len(words) - answered
                )
                await context.write(encoder_pb2.EncodeWordsResponse(finished=finished))

    async def _asked(self, spec: encoder_pb2.EncodeSpec, account: Account) -> Asked:
        """A specification, read; rows of a pass stay float32."""
        edits = bool(spec.interventions)
        asked = await requests.beside_the_loop(lambda: self._read(spec, account), edits=edits)
        return replace(asked, output="float32")

    def _read(self, spec: encoder_pb2.EncodeSpec, account: Account) -> Asked:
        """Reads what is asked for; the arrays of its interventions are held by the account."""
        with accounted(account):
            return requests.read_spec(spec, self._store, self._settings.max_interventions)

    @asynccontextmanager
    async def _pass(
        self, messages: AsyncIterator[Any], asked: Asked, group: Grouper, context: Any, *, searched: bool = False
    ) -> AsyncIterator[Pass]:
        """Opens a pass over the texts of a request."""
        async with self._registry.lease(asked.model) as engine:
            plan, limit = asked.plan(engine.info), asked.limit(engine.info)
            engine.validate(plan)
            budget = self._settings.budget(engine.info.max_tokens, engine.device)
            stream = self._scheduler.open(engine, plan, budget=budget, client=context.peer())
            work = Work(stream, engine, asked, limit, context.peer(), group, searched=searched)
            async with self._intake.filling(messages, work):
                started = responses.started(engine.info, asked, plan, engine.device, limit).started
                yield Pass(engine, plan, started, stream)


class _Occurrences:
    """The words of texts on their way through the model, from the texts to their sums."""

    def __init__(self, finder: WordFinder, *, first: bool) -> None:
        self.sums: WordSums | None = None
        self._finder = finder
        self._first = first
        self._waiting: dict[int, list[str]] = {}
        self._submitted = 0

    def group(self, text: text_pb2.Text, string: Written, tokens: TokenizedText, field: str) -> TokenizedText | None:
        """A row for each word found; None where there is none."""
        search = self._finder.pick(string.string, string.words) if text.words else self._finder.find(string.string)
        # One more than there may be says that there are too many.
        found = list(islice((each for each in search if _length(each[1]) <= LONGEST_WORD), MOST_UNITS + 1))
        if not found:
            return None
        check_count(found, f"{field}.text", text.id)
        self._waiting[self._submitted] = [word for word, _ in found]
        self._submitted += 1
        return replace(tokens, groups=spanned(tokens, [span for _, span in found], first=self._first))

    def add(self, items: tuple[Item, ...], rows: NDArray[np.float32]) -> None:
        """Takes the rows of texts in; those without pieces are left out."""
        assert self.sums is not None
        words = [self._waiting.pop(item.index) for item in items]
        lacking = [[row in item.empty for row in range(item.rows)] for item in items]
        kept = ~np.array([each for some in lacking for each in some], bool)
        numbers = [self.sums.number(word) for some in words for word in some]
        places = [item.index * MOST_UNITS + row for item in items for row in range(item.rows)]
        self.sums.add(np.array(numbers, np.int64)[kept], np.array(places, np.int64)[kept], rows[kept])


async def _after_words(messages: AsyncIterator[Any], wanted: list[str], account: Account) -> AsyncIterator[Any]:
    """Reads the words wanted, which come before the texts and are held by the account; what comes after them."""
    async for message in messages:
        if message.WhichOneof("message") != "words":
            return _chained(message, messages)
        for number, word in enumerate(message.words.words):
            if not word or word.isspace():
                raise InvalidArgument(
                    f"words.words[{number}]", "Expected a word that is not empty, but got one that is"
                )
            if len(word) > LONGEST_WORD:
                raise InvalidArgument(
                    f"words.words[{number}]",
                    f"Expected a word of at most {LONGEST_WORD} characters, but got one of {len(word)}",
                )
        account.take(_FORMS * sum(map(weight, message.words.words)))
        wanted += message.words.words
    return _chained(None, messages)


async def _chained(head: Any, rest: AsyncIterator[Any]) -> AsyncIterator[Any]:
    if head is not None:
        yield head
    async for message in rest:
        yield message


def _length(span: Span) -> int:
    return span[1] - span[0]


def _word_pooling(pooling: int) -> Pooling:
    table = {
        model_pb2.POOLING_UNSPECIFIED: Pooling.WORD_MEAN,
        model_pb2.POOLING_WORD_MEAN: Pooling.WORD_MEAN,
        model_pb2.POOLING_WORD_FIRST: Pooling.WORD_FIRST,
    }
    chosen: Pooling = one_of(table, pooling, "spec.pooling", model_pb2.Pooling)
    return chosen


def _array(block: RowBlock) -> NDArray[np.float32]:
    """The rows of a block, [r, K, d]."""
    return np.frombuffer(b"".join(chunk.data for chunk in block.chunks), "<f4").reshape(block.shape)
