"""The door to predicted tokens: texts come in, what the model's head says at every position goes out."""

from collections.abc import AsyncIterator
from typing import Any

from babelscope.v1 import encoder_pb2

from services.encoder.api import responses
from services.encoder.api.intake import Intake, Work
from services.encoder.api.paths import at
from services.encoder.api.predictions import (
    AskedPrediction,
    NamedPieces,
    check_size,
    predicted,
    predicting,
    read_prediction,
)
from services.encoder.api.requests import beside_the_loop
from services.encoder.api.units import grouper
from services.encoder.queue.answers import PredictedBlock
from services.encoder.queue.scheduler import Scheduler
from services.encoder.registry import Registry
from services.encoder.settings import EncoderSettings
from services.models.artifacts import Objects
from services.models.spec import Pooling
from services.runtime.memory import Account, Memory, accounted
from services.runtime.streams import first


class PredictionDoor:
    """Answers `PredictTokens`.

    Args:
        registry: The models.
        scheduler: The device.
        store: Store of interventions' arrays.
        settings: Limits.
        intake: Reader of texts.
        memory: Bytes that requests hold beside their texts.
    """

    def __init__(
        self,
        registry: Registry,
        scheduler: Scheduler,
        store: Objects,
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

    async def PredictTokens(  # noqa: N802 - gRPC's name; it writes instead of yielding
        self, request_iterator: AsyncIterator[encoder_pb2.PredictTokensRequest], context: Any
    ) -> None:
        """Predicted tokens: reads texts and writes predictions at the same time."""
        spec = await first(request_iterator)
        with self._memory.account() as account:
            edits = bool(spec.encode.interventions or spec.settings)
            asked = await beside_the_loop(lambda: self._read(spec, account), edits=edits)
            await self._predict(request_iterator, context, asked)

    def _read(self, spec: encoder_pb2.PredictTokensSpec, account: Account) -> AskedPrediction:
        """Reads what is asked for; the arrays of its interventions are held by the account."""
        settings = self._settings
        with accounted(account):
            return read_prediction(
                spec,
                self._store,
                max_interventions=settings.max_interventions,
                max_settings=settings.max_settings,
            )

    async def _predict(
        self, messages: AsyncIterator[encoder_pb2.PredictTokensRequest], context: Any, asked: AskedPrediction
    ) -> None:
        """Reads texts and writes predictions."""
        settings = self._settings
        with at("spec.model", "spec.encode.model"):
            async with self._registry.lease(asked.encode.model) as engine:
                plan, limit = asked.plan(engine.info), asked.limit(engine.info)
                engine.validate_prediction(plan)
                check_size(plan, limit, settings.max_message_bytes)
                budget = settings.budget(engine.info.max_tokens, engine.device)
                stream = self._scheduler.open(engine, plan, budget=budget, client=context.peer())
                # Every token is predicted: no text has rows of its own choice.
                work = Work(stream, engine, asked.encode, limit, context.peer(), grouper(Pooling.MEAN))
                async with self._intake.filling(messages, work):
                    await context.write(predicting(engine.info, asked, plan, engine.device, limit))
                    named = NamedPieces(engine)
                    while (block := await stream.next_block()) is not None:
                        assert isinstance(block, PredictedBlock)
                        for message in named.messages(block):
                            await context.write(message)
                        await context.write(predicted(block))
                    await context.write(encoder_pb2.PredictTokensResponse(finished=responses.finished(stream)))
