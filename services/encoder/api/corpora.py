"""The door to what a corpus is reduced to: texts come in, means of tokens or of words go out."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from babelscope.data.tensors import to_proto
from babelscope.v1 import encoder_pb2, model_pb2
from numpy.typing import NDArray

from services.encoder.api import requests, responses
from services.encoder.api.intake import Intake
from services.encoder.api.requests import Asked
from services.encoder.api.units import Grouper, grouper
from services.encoder.corpus.means import LayerSums
from services.encoder.engine import Engine
from services.encoder.queue.answers import Item, RowBlock
from services.encoder.queue.scheduler import Scheduler
from services.encoder.queue.streams import Stream
from services.encoder.registry import Registry
from services.encoder.settings import EncoderSettings
from services.models.artifacts import Stored, write_layers
from services.models.spec import EncodePlan, Pooling
from services.runtime.errors import InvalidArgument
from services.runtime.streams import Writer, first


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
            yield block.items, _array(block)


class CorpusDoor:
    """Answers `MeanActivations`.

    Args:
        registry: The models.
        scheduler: The device.
        store: Where interventions' arrays are kept, and means.
        settings: Limits.
        intake: Reads texts.
    """

    def __init__(
        self, registry: Registry, scheduler: Scheduler, store: Stored, settings: EncoderSettings, intake: Intake
    ) -> None:
        self._registry = registry
        self._scheduler = scheduler
        self._store = store
        self._settings = settings
        self._intake = intake

    async def MeanActivations(  # noqa: N802 - gRPC's name; it writes instead of yielding
        self, request_iterator: AsyncIterator[encoder_pb2.MeanActivationsRequest], context: Any
    ) -> None:
        """Means over all tokens of a corpus, by layer."""
        spec = await first(request_iterator)
        if spec.pooling not in {model_pb2.POOLING_UNSPECIFIED, model_pb2.POOLING_MEAN}:
            raise InvalidArgument(
                "spec.pooling",
                f"Expected MEAN, the mean over tokens, but got {model_pb2.Pooling.Name(spec.pooling)}"
                if spec.pooling in model_pb2.Pooling.values()
                else f"Expected MEAN, the mean over tokens, but got {spec.pooling}",
            )
        asked = await self._asked(spec)
        writer = Writer(context, self._settings.read_seconds)
        async with self._pass(request_iterator, asked, grouper(Pooling.MEAN), context) as work:
            await writer.write(encoder_pb2.MeanActivationsResponse(started=work.started))
            sums = LayerSums(len(work.plan.layers), work.engine.info.hidden_size)
            async with aclosing(work.rows()) as blocks:
                async for items, rows in blocks:
                    sums.add(rows, [item.content for item in items])
                    await writer.write(encoder_pb2.MeanActivationsResponse(progress=work.progress))
            means = sums.means()
            about = {"model": work.engine.info.name, "digest": work.engine.info.digest, "tokens": sums.tokens}
            name = await asyncio.to_thread(write_layers, self._store, means, work.plan.layers, about)
            answer = encoder_pb2.LayerMeans(
                means=to_proto(means),
                layers=work.plan.layers,
                tokens=sums.tokens,
                texts=sums.texts,
                truncated=work.stream.truncated,
                artifact=name,
            )
            await writer.write(encoder_pb2.MeanActivationsResponse(means=answer))

    async def _asked(self, spec: encoder_pb2.EncodeSpec) -> Asked:
        """A specification, read; rows of a pass stay float32."""
        asked = await asyncio.to_thread(requests.read_spec, spec, self._store, self._settings.max_interventions)
        return replace(asked, output="float32")

    @asynccontextmanager
    async def _pass(
        self, messages: AsyncIterator[Any], asked: Asked, group: Grouper, context: Any
    ) -> AsyncIterator[Pass]:
        """Opens a pass over the texts of a request."""
        async with self._registry.lease(asked.model) as engine:
            plan, limit = asked.plan(engine.info), asked.limit(engine.info)
            engine.validate(plan)
            budget = self._settings.budget(engine.info.max_tokens, engine.device)
            stream = self._scheduler.open(engine, plan, budget=budget, client=context.peer())
            intake = asyncio.create_task(self._intake.fill(messages, stream, engine, asked, limit, group))
            try:
                started = responses.started(engine.info, asked, plan, engine.device, limit).started
                yield Pass(engine, plan, started, stream)
            finally:
                stream.close()
                intake.cancel()
                await asyncio.gather(intake, return_exceptions=True)


def _array(block: RowBlock) -> NDArray[np.float32]:
    """The rows of a block, [r, K, d]."""
    return np.frombuffer(b"".join(block.chunks), "<f4").reshape(block.shape)
