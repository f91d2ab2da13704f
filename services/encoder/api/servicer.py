"""The door of the encoder: messages to domain calls and back."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from babelscope.v1 import encoder_pb2, encoder_pb2_grpc, model_pb2, text_pb2

from services.encoder.api import requests, responses
from services.encoder.api.requests import Asked
from services.encoder.engine import Engine
from services.encoder.queue.scheduler import Scheduler
from services.encoder.queue.streams import Stream
from services.encoder.queue.turns import Turns
from services.encoder.registry import Registry
from services.encoder.settings import EncoderSettings
from services.models.api.messages import read_model
from services.models.artifacts import Objects
from services.models.spec import ModelSpec, TokenizedText
from services.runtime.callers.accounts import current
from services.runtime.errors import InvalidArgument, LimitExceeded
from services.runtime.memory import Account, Memory, accounted
from services.runtime.paging import cut_page, read_page
from services.runtime.streams import Writer, first, later

TOKENIZE_AT_ONCE = 256
"""Texts cut into tokens by one call, so that the first reach the device while the others are being cut."""
CHARACTERS_AT_ONCE = 1 << 16
"""Characters cut into tokens by one call, unless a single text has more."""


class EncoderServicer(encoder_pb2_grpc.EncoderServiceServicer):
    """Answers `babelscope.v1.EncoderService`.

    Args:
        registry: The models.
        scheduler: The device.
        store: Store that holds the arrays of interventions.
        settings: Limits.

    Attributes:
        memory: Bytes that requests hold beside their texts, which the scheduler counts.
    """

    def __init__(self, registry: Registry, scheduler: Scheduler, store: Objects, settings: EncoderSettings) -> None:
        self._registry = registry
        self._scheduler = scheduler
        self._store = store
        self._settings = settings
        self.memory = Memory(settings.held_bytes)
        self._tokenizers = Turns(2, CHARACTERS_AT_ONCE, "tokenize")

    async def ListModels(  # noqa: N802 - gRPC's name
        self, request: encoder_pb2.ListModelsRequest, context: Any
    ) -> encoder_pb2.ListModelsResponse:
        """A page of the models under the roots and in memory."""
        size, after = read_page(request.page_size, request.page_token)
        listed = await self._registry.models()
        page, token = cut_page(listed, size, after, key=lambda model: (model.name, model.revision))
        models = [responses.listed_model(model) for model in page]
        return encoder_pb2.ListModelsResponse(models=models, next_page_token=token)

    async def GetModel(  # noqa: N802 - gRPC's name
        self, request: encoder_pb2.GetModelRequest, context: Any
    ) -> model_pb2.Model:
        """One model, loaded."""
        async with self._lease(read_model(request.model, "model"), "model") as engine:
            return responses.loaded_model(engine.info)

    async def LoadModel(  # noqa: N802 - gRPC's name
        self, request: encoder_pb2.LoadModelRequest, context: Any
    ) -> encoder_pb2.LoadModelResponse:
        """Loads a model."""
        with _at("model"):
            info = await self._registry.load(read_model(request.model, "model"), pin=request.pin)
        return encoder_pb2.LoadModelResponse(model=responses.loaded_model(info))

    async def UnloadModel(  # noqa: N802 - gRPC's name
        self, request: encoder_pb2.UnloadModelRequest, context: Any
    ) -> encoder_pb2.UnloadModelResponse:
        """Drops a model."""
        done = await self._registry.unload(read_model(request.model, "model"))
        return encoder_pb2.UnloadModelResponse(dropped=done.dropped, in_use=done.in_use)

    async def Tokenize(  # noqa: N802 - gRPC's name
        self, request: encoder_pb2.TokenizeRequest, context: Any
    ) -> encoder_pb2.TokenizeResponse:
        """The pieces of texts."""
        spec = read_model(request.model, "model")
        overflow = requests.read_overflow(request.overflow, "overflow")
        requests.check_texts(request.texts, "texts", self._settings.max_texts)
        async with self._lease(spec, "model") as engine:
            limit = engine.info.max_tokens
            tokenized: list[TokenizedText] = []
            for some in _portions(request.texts):
                found = await self._tokenize(
                    engine,
                    some,
                    limit,
                    context.peer(),
                    field="texts",
                    offset=len(tokenized),
                    language=request.language,
                )
                requests.check_tokens(some, found, overflow, limit, "texts", offset=len(tokenized))
                _spend(found)
                tokenized += found
            answer = encoder_pb2.TokenizeResponse(
                texts=[
                    responses.tokenized(text.id, tokens, engine.pieces(tokens.ids))
                    for text, tokens in zip(request.texts, tokenized, strict=True)
                ]
            )
        if answer.ByteSize() > self._settings.max_message_bytes:
            raise LimitExceeded(
                "max_message_bytes",
                f"Expected an answer of at most {self._settings.max_message_bytes} bytes, but these texts need "
                f"{answer.ByteSize()}; send fewer at once",
            )
        return answer

    async def Encode(  # type: ignore[override]  # noqa: N802 - gRPC's name; it writes instead of yielding
        self, request_iterator: AsyncIterator[encoder_pb2.EncodeRequest], context: Any
    ) -> None:
        """Hidden states: reads texts and writes blocks at the same time."""
        spec = await first(request_iterator)
        with self.memory.account() as account:
            asked = await asyncio.to_thread(self._read_spec, spec, account)
            await self._encode(request_iterator, context, asked)

    def _read_spec(self, spec: encoder_pb2.EncodeSpec, account: Account) -> Asked:
        """Reads what is asked for; the arrays of its interventions are held by the account."""
        with accounted(account):
            return requests.read_spec(spec, self._store, self._settings.max_interventions)

    async def _encode(
        self, request_iterator: AsyncIterator[encoder_pb2.EncodeRequest], context: Any, asked: Asked
    ) -> None:
        """Reads texts and writes blocks."""
        writer = Writer(context, self._settings.read_seconds)
        async with self._registry.lease(asked.model) as engine:
            plan, limit = asked.plan(engine.info), asked.limit(engine.info)
            engine.validate(plan)
            budget = self._settings.budget(engine.info.max_tokens, engine.device)
            stream = self._scheduler.open(engine, plan, budget=budget, client=context.peer(), output=asked.output)
            intake = asyncio.create_task(
                self._intake(request_iterator, stream, engine, asked, limit=limit, client=context.peer())
            )
            try:
                await writer.write(responses.started(engine.info, asked, plan, engine.device, limit))
                number = 0
                while (block := await stream.next_block()) is not None:
                    for message in responses.chunks(number, block, asked):
                        await writer.write(message)
                    number += 1
                await writer.write(responses.finished(stream))
            finally:
                stream.close()
                intake.cancel()
                await asyncio.gather(intake, return_exceptions=True)

    async def close(self) -> None:
        """Releases the threads."""
        await self._tokenizers.close()

    @asynccontextmanager
    async def _lease(self, spec: ModelSpec, field: str) -> AsyncIterator[Engine]:
        """Lends an engine to a request whose ModelRef is at `field`; the domain names the fields of an EncodeSpec."""
        with _at(field):
            async with self._registry.lease(spec) as engine:
                yield engine

    async def _intake(
        self,
        messages: AsyncIterator[encoder_pb2.EncodeRequest],
        stream: Stream,
        engine: Engine,
        asked: Asked,
        *,
        limit: int,
        client: str,
    ) -> None:
        """Reads texts as fast as the queue takes them, and tells the stream how that ended."""
        try:
            seen = requests.SeenIds()
            async for message in messages:
                if message.HasField("spec"):
                    raise InvalidArgument("spec", "Expected `spec` once, in the first message, but got another")
                texts = later(message, "texts").texts
                offset = len(seen)
                requests.check_texts(texts, "texts.texts", self._settings.max_texts, seen)
                for some in _portions(texts):
                    tokenized = await self._tokenize(
                        engine, some, limit, client, field="texts.texts", offset=offset, language=asked.language
                    )
                    requests.check_tokens(
                        some,
                        tokenized,
                        asked.overflow,
                        limit,
                        "texts.texts",
                        offset=offset,
                        vocabulary=engine.info.vocabulary_size,
                    )
                    _spend(tokenized)
                    await stream.submit([(text.id, tokens) for text, tokens in zip(some, tokenized, strict=True)])
                    offset += len(some)
            if not len(seen):
                raise InvalidArgument("texts", "Expected at least one text, but the stream ended without any")
            stream.finish()
        except Exception as error:  # a boundary between tasks: the stream's own task raises it
            stream.fail(error)

    async def _tokenize(
        self,
        engine: Engine,
        texts: Sequence[text_pb2.Text],
        limit: int,
        client: str,
        *,
        field: str,
        offset: int,
        language: str,
    ) -> list[TokenizedText]:
        """Cuts texts into tokens in a thread, in the client's turn: tokenizers work without the interpreter's lock."""
        strings = [text.text for text in texts]
        languages = [text.language or language for text in texts]
        return await self._tokenizers.take(
            client,
            sum(map(len, strings)),
            lambda: engine.tokenize(strings, max_tokens=limit, languages=languages, field=field, offset=offset),
        )


def _portions(texts: Sequence[text_pb2.Text]) -> Iterator[Sequence[text_pb2.Text]]:
    """Texts in portions that take a turn each."""
    start = held = 0
    for stop, text in enumerate(texts):
        size = len(text.text)
        if stop > start and (stop - start == TOKENIZE_AT_ONCE or held + size > CHARACTERS_AT_ONCE):
            yield texts[start:stop]
            start, held = stop, 0
        held += size
    yield texts[start:]


@contextmanager
def _at(field: str) -> Iterator[None]:
    """Names the place of a ModelRef in errors: the domain knows the fields of an EncodeSpec."""
    try:
        yield
    except InvalidArgument as error:
        raise InvalidArgument(error.field.replace("spec.model", field, 1), error.problem) from error


def _spend(tokenized: Sequence[TokenizedText]) -> None:
    """Counts tokens as the caller's; who has none left is not read from before some have come."""
    current().spend_tokens(sum(map(len, tokenized)))
