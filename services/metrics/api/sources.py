"""Rows of texts from the encoder: messages of its streams to tables, by way of scratch."""

import asyncio
import hashlib
import math
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import ExitStack, aclosing
from dataclasses import dataclass
from typing import Any
from weakref import WeakValueDictionary

import numpy as np
from babelscope.aio.caller import AsyncCaller
from babelscope.aio.streams import AsyncEncodeStream, Texts
from babelscope.calls.encode import EncodeSession
from babelscope.data.activations import EncodedBlock
from babelscope.data.texts import row_ids
from babelscope.errors import DataCorrupted, InvalidRequest
from babelscope.transport.channel import TLS, ClientConfig
from babelscope.transport.retry import RetryPolicy
from babelscope.transport.services import ENCODER
from babelscope.v1 import encoder_pb2, encoder_pb2_grpc, model_pb2
from numpy.typing import NDArray

from services.metrics.api.intake import Corpus
from services.metrics.estimates.estimates import Progress
from services.metrics.rows.reports import ViewReport
from services.metrics.rows.scratch import Scratch
from services.metrics.rows.tables import RowTable, check_finite
from services.metrics.settings import MetricsSettings
from services.runtime import logs
from services.runtime.errors import FailedPrecondition, InvalidArgument

Tell = Callable[[Progress], Awaitable[None]]
"""Receives progress."""

_FORMAT = b"rows-1"
"""Part of every key: a new layout of entries does not read old ones."""


def client_config(settings: MetricsSettings) -> ClientConfig:
    """How the encoder is reached."""
    tls = None
    if settings.encoder_tls or settings.encoder_ca is not None:
        tls = TLS(settings.encoder_ca, settings.encoder_certificate, settings.encoder_key)
    return ClientConfig(
        settings.encoder,
        tls=tls,
        token=settings.encoder_token.get_secret_value() if settings.encoder_token else None,
        insecure=settings.encoder_insecure,
        request_id=logs.request_id.get,
        # The deadline is that of the request whose rows these are: its end cancels the stream.
        stream_timeout=None,
        retry=RetryPolicy(patience=settings.encoder_patience, first_patience=settings.encoder_first_patience),
    )


class SpecClient:
    """Asks the encoder in the words of the contract: a request's specification goes on as it came.

    Args:
        config: Address of the encoder and how to speak to it.
    """

    def __init__(self, config: ClientConfig) -> None:
        self._caller = AsyncCaller(ENCODER, encoder_pb2_grpc.EncoderServiceStub, config)

    async def close(self) -> None:
        """Closes the channel."""
        await self._caller.close()

    async def model(self, spec: encoder_pb2.EncodeSpec) -> model_pb2.Model:
        """The model of a specification, loaded if need be as that has it computed."""
        request = encoder_pb2.GetModelRequest(model=spec.model, backend=spec.backend, compute_dtype=spec.compute_dtype)
        answer: model_pb2.Model = await self._caller.unary("GetModel", request, self._caller.config.load_timeout)
        return answer

    def blocks(self, spec: encoder_pb2.EncodeSpec, texts: Texts) -> AsyncEncodeStream:
        """Blocks of hidden states, resumed where the encoder breaks off."""
        return AsyncEncodeStream(self._caller, EncodeSession(spec), texts)


class Sources:
    """Makes tables of corpora.

    Args:
        settings: Address of the encoder and limits of requests to it.
        scratch: Scratch folder that keeps rows between requests.
    """

    def __init__(self, settings: MetricsSettings, scratch: Scratch) -> None:
        self._client = SpecClient(client_config(settings))
        self._scratch = scratch
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def close(self) -> None:
        """Closes the channel."""
        await self._client.close()

    async def table(self, corpus: Corpus, spec: encoder_pb2.EncodeSpec, stack: ExitStack, tell: Tell) -> RowTable:
        """The rows of a corpus: from scratch where they were made before, otherwise from the encoder.

        Args:
            corpus: The texts.
            spec: Encoding of the texts.
            stack: Closes what was opened, at the request's end.
            tell: Receives progress.

        Raises:
            InvalidArgument: The encoder refuses the specification or a text; names the view.
            LimitExceeded: There is no room for the rows.
            babelscope.errors.RpcError: The encoder answers with another error, or cannot be reached.
        """
        try:
            order = await self.order(corpus, spec)
            lock = self._locks.setdefault(order.key, asyncio.Lock())
            # Two requests for the same rows: the second waits and finds them.
            async with lock:
                found = await asyncio.to_thread(self._scratch.find, order.key)
                if found is None:
                    return await self._encode(order, stack, tell)
                meta, rows = found
                await tell(Progress("encode", len(rows), len(rows), corpus.plan.name))
                return order.table(rows, meta.facts)
        except InvalidRequest as error:
            raise named(error, corpus) from error

    async def order(self, corpus: Corpus, spec: encoder_pb2.EncodeSpec) -> "Order":
        """Finds out what a specification means: the model's digest, its layers, its width."""
        model = await self._client.model(spec)
        data = await asyncio.to_thread(corpus.digest)
        return Order(corpus, spec, tuple(spec.layers) or tuple(range(model.layers + 1)), model, data)

    async def blocks(self, order: "Order", texts: Texts) -> AsyncGenerator[EncodedBlock, None]:
        """Blocks of hidden states of texts of an order, checked."""
        async with self._client.blocks(order.spec, texts) as stream:
            async for block in stream:
                if stream.info.model.digest != order.model.digest:
                    raise FailedPrecondition(
                        f"model {order.spec.model.name}", "Expected one model for a view, but the encoder's has changed"
                    )
                field = f"{order.corpus.field}.encode"
                ids = [item.id for item in block.items for _ in range(item.rows)]
                check_finite(block.array, ids, order.layers, order.name, field)
                yield block

    async def _encode(self, order: "Order", stack: ExitStack, tell: Tell) -> RowTable:
        n = order.shape[0]
        counts = np.array([len(row_ids(text, order.corpus.plan.pooling)) for text in order.corpus.texts], np.intp)
        starts = np.cumsum(counts) - counts
        writer = stack.enter_context(self._scratch.create())
        await asyncio.to_thread(writer.reserve, order.bytes)
        facts: dict[str, Any] = {"tokens": 0, "truncated": 0, "empty": []}
        done = 0
        async with aclosing(self.blocks(order, order.corpus.texts)) as blocks:
            async for block in blocks:
                for item in block.items:
                    if item.rows != counts[item.index]:
                        raise DataCorrupted(
                            f"Expected {counts[item.index]} rows of text {item.id!r}, but got {item.rows}",
                            method="EncoderService.Encode",
                        )
                    facts["empty"] += [int(starts[item.index]) + row for row in item.empty_rows]
                positions = np.concatenate([starts[item.index] + np.arange(item.rows) for item in block.items])
                await asyncio.to_thread(writer.place, positions, block.array)
                facts["tokens"] += sum(item.tokens for item in block.items)
                facts["truncated"] += sum(item.truncated for item in block.items)
                done += len(positions)
                await tell(Progress("encode", done, n, order.name))
        facts["empty"].sort()
        kept = n - len(facts["empty"])
        if not kept:
            raise InvalidArgument(
                f"{order.corpus.field}.encode.pooling",
                f"Expected rows with pieces in view {order.name!r}, but all {n} have none",
            )
        shape = (kept, *order.shape[1:])
        await asyncio.to_thread(writer.drop, facts["empty"], order.shape, "<f4")
        # Mapped before it is published: publishing moves the folder, and the mapping stays.
        rows = writer.rows(shape, "<f4")
        await asyncio.to_thread(writer.publish, order.key, shape, "<f4", facts)
        return order.table(rows, facts)


@dataclass(frozen=True, eq=False)
class Order:
    """A corpus to be encoded, with all that determines its rows.

    Args:
        corpus: The texts.
        spec: Encoding of the texts.
        layers: Layers to encode.
        model: The model, as the encoder describes it.
        data: Digest of the texts.
    """

    corpus: Corpus
    spec: encoder_pb2.EncodeSpec
    layers: tuple[int, ...]
    model: model_pb2.Model
    data: str

    @property
    def name(self) -> str:
        """Of the view."""
        return self.corpus.plan.name

    @property
    def shape(self) -> tuple[int, int, int]:
        """n, K, d, with the rows that have no pieces."""
        return self.corpus.rows, len(self.layers), self.model.hidden_size

    @property
    def bytes(self) -> int:
        """Of the rows."""
        return math.prod(self.shape) * 4

    @property
    def key(self) -> str:
        """The same for the same rows, and for no others."""
        plain = encoder_pb2.EncodeSpec()
        plain.CopyFrom(self.spec)
        del plain.layers[:]
        plain.layers.extend(self.layers)
        # A tag changes the rows of those models only that must be told the language of a text.
        plain.ClearField("language")
        languages = [text.language or self.spec.language for text in self.corpus.texts] if self.model.languages else []
        parts = (
            _FORMAT,
            plain.SerializeToString(deterministic=True),
            self.model.digest.encode(),
            self.data.encode(),
            *(language.encode() for language in languages),
        )
        return hashlib.sha256(b"".join(len(part).to_bytes(8, "little") + part for part in parts)).hexdigest()

    def report(self, facts: dict[str, Any]) -> ViewReport:
        """What the answer says of the view."""
        return ViewReport(
            self.name,
            self.corpus.rows - len(facts.get("empty", ())),
            int(facts["truncated"]),
            int(facts["tokens"]),
            self.model.digest,
            self.data,
            len(facts.get("empty", ())),
        )

    def table(self, rows: NDArray[Any], facts: dict[str, Any]) -> RowTable:
        """The rows, made."""
        empty = frozenset(facts.get("empty", ()))
        ids = tuple(one for place, one in enumerate(self.corpus.row_ids) if place not in empty)
        return RowTable(ids, self.layers, rows, self.report(facts))


def named(error: InvalidRequest, corpus: Corpus) -> InvalidArgument:
    """The encoder's complaint in terms of the request that this server got."""
    path = f"{corpus.field}.encode"
    field = error.field
    if field.startswith("spec"):
        field = path + field.removeprefix("spec")
    elif field.startswith("model"):
        field = f"{path}.{field}"
    return InvalidArgument(field or path, f"view {corpus.plan.name!r}: {error.problem}")
