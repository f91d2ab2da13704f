"""The door of the encoder: messages to domain calls and back."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from babelscope.v1 import encoder_pb2, encoder_pb2_grpc, model_pb2

from services.encoder.api import requests, responses
from services.encoder.api.corpora import CorpusDoor
from services.encoder.api.decoding import PredictionDoor
from services.encoder.api.intake import Intake, Work
from services.encoder.api.kept import KeptRows
from services.encoder.api.paths import at
from services.encoder.api.requests import Asked
from services.encoder.api.units import grouper
from services.encoder.cache.cache import Cache
from services.encoder.engine import Engine
from services.encoder.queue.answers import RowBlock
from services.encoder.queue.scheduler import Scheduler
from services.encoder.registry import Registry
from services.encoder.settings import EncoderSettings
from services.models.api.messages import read_model
from services.models.artifacts import Stored
from services.models.spec import ModelSpec
from services.runtime.errors import LimitExceeded
from services.runtime.memory import Account, Memory, accounted
from services.runtime.paging import cut_page, read_page
from services.runtime.streams import first


class EncoderServicer(encoder_pb2_grpc.EncoderServiceServicer):
    """Answers `babelscope.v1.EncoderService`.

    Args:
        registry: The models.
        scheduler: The device.
        store: Store that holds the arrays of interventions, and means.
        settings: Limits.
        cache: Rows kept of earlier requests; None where none are.

    Attributes:
        memory: Bytes that requests hold beside their texts, which the scheduler counts.
    """

    def __init__(
        self,
        registry: Registry,
        scheduler: Scheduler,
        store: Stored,
        settings: EncoderSettings,
        cache: Cache | None = None,
    ) -> None:
        self._registry = registry
        self._scheduler = scheduler
        self._store = store
        self._settings = settings
        self._cache = cache
        self.memory = Memory(settings.held_bytes)
        self._intake = Intake(settings.max_texts, self.memory)
        corpora = CorpusDoor(registry, scheduler, store, settings, intake=self._intake, memory=self.memory)
        decoding = PredictionDoor(registry, scheduler, store, settings, intake=self._intake, memory=self.memory)
        for door, call in ((corpora, "EncodeWords"), (corpora, "MeanActivations"), (decoding, "PredictTokens")):
            setattr(self, call, getattr(door, call))

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
        model, _ = requests.read_engine(request)
        async with self._lease(model, "model") as engine:
            return responses.loaded_model(engine.info)

    async def LoadModel(  # noqa: N802 - gRPC's name
        self, request: encoder_pb2.LoadModelRequest, context: Any
    ) -> encoder_pb2.LoadModelResponse:
        """Loads a model."""
        with at("spec.model", "model"):
            info = await self._registry.load(requests.read_engine(request)[0], pin=request.pin)
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
            tokenized = await self._intake.tokenize(
                engine, request.texts, overflow, limit, context.peer(), language=request.language
            )
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
            edits = bool(spec.interventions)
            asked = await requests.beside_the_loop(lambda: self._read_spec(spec, account), edits=edits)
            await self._encode(request_iterator, context, asked)

    def _read_spec(self, spec: encoder_pb2.EncodeSpec, account: Account) -> Asked:
        """Reads what is asked for; the arrays of its interventions are held by the account."""
        with accounted(account):
            return requests.read_spec(spec, self._store, self._settings.max_interventions)

    async def _encode(
        self, request_iterator: AsyncIterator[encoder_pb2.EncodeRequest], context: Any, asked: Asked
    ) -> None:
        """Reads texts and writes blocks."""
        async with self._registry.lease(asked.model) as engine:
            plan, limit = asked.plan(engine.info), asked.limit(engine.info)
            engine.validate(plan)
            budget = self._settings.budget(engine.info.max_tokens, engine.device)
            stream = self._scheduler.open(engine, plan, budget=budget, client=context.peer(), output=asked.output)
            kept = None
            if self._cache is not None and self._cache.serves(plan.pooling):
                kept = KeptRows(self._cache, engine, plan, asked, limit)
                stream.keep = kept.keep
            work = Work(stream, engine, asked, limit, context.peer(), grouper(plan.pooling), kept)
            async with self._intake.filling(request_iterator, work):
                await context.write(responses.started(engine.info, asked, plan, engine.device, limit))
                while (block := await stream.next_block()) is not None:
                    assert isinstance(block, RowBlock)
                    for chunk in block.chunks:
                        await context.write(chunk.message)
                await context.write(encoder_pb2.EncodeResponse(finished=responses.finished(stream)))

    async def close(self) -> None:
        """Releases the threads."""
        await self._intake.close()

    @asynccontextmanager
    async def _lease(self, spec: ModelSpec, field: str) -> AsyncIterator[Engine]:
        """Lends an engine to a request whose ModelRef is at `field`; the domain names the fields of an EncodeSpec."""
        with at("spec.model", field):
            async with self._registry.lease(spec) as engine:
                yield engine
