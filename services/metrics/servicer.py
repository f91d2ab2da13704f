"""The door of the metrics service: messages to domain calls and back."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Final

from babelscope.v1 import metrics_pb2, metrics_pb2_grpc

from services.metrics import requests, responses
from services.metrics.alignment import PairReport
from services.metrics.doors.merging import MergingDoor
from services.metrics.doors.scores import ScoresDoor
from services.metrics.doors.statistics import StatisticsDoor
from services.metrics.estimates import Estimate, Progress, ViewReport
from services.metrics.flow import Flow
from services.metrics.scratch import Scratch
from services.metrics.settings import MetricsSettings
from services.metrics.sources import Sources
from services.metrics.worker import Workers
from services.runtime.errors import InvalidArgument
from services.runtime.store import Store

_PROGRESS_SECONDS: Final = 0.1


class MetricsServicer(MergingDoor, ScoresDoor, StatisticsDoor, metrics_pb2_grpc.MetricsServiceServicer):
    """Answers `babelscope.v1.MetricsService`.

    Args:
        settings: Limits.
        scratch: Where rows lie.
        sources: Where the rows of texts come from.
        workers: Threads for measuring.
        store: Where sums are kept.
    """

    def __init__(
        self, settings: MetricsSettings, scratch: Scratch, sources: Sources, workers: Workers, store: Store
    ) -> None:
        self._settings = settings
        self._workers = workers
        self._store = store
        self._flow = Flow(settings, scratch, sources, workers, store)

    async def Compare(  # type: ignore[override]  # noqa: N802 - gRPC's name; it writes instead of yielding
        self, request_iterator: AsyncIterator[metrics_pb2.CompareRequest], context: Any
    ) -> None:
        """Similarity of all pairs of views."""
        spec = await _first(request_iterator)
        plan = requests.read_compare(spec, self._settings)
        answer = _Answer(context, metrics_pb2.CompareResponse)
        await self._flow.compare(plan, [view.encode for view in spec.views], request_iterator, answer)

    async def Retrieve(  # type: ignore[override]  # noqa: N802 - gRPC's name; it writes instead of yielding
        self, request_iterator: AsyncIterator[metrics_pb2.RetrieveRequest], context: Any
    ) -> None:
        """Nearest-neighbour retrieval between all pairs of views."""
        spec = await _first(request_iterator)
        plan = requests.read_retrieve(spec, self._settings)
        answer = _Answer(context, metrics_pb2.RetrieveResponse)
        await self._flow.retrieve(plan, [view.encode for view in spec.views], request_iterator, answer)


class _Answer:
    """Writes the messages of one answer, one at a time."""

    def __init__(self, context: Any, kind: Callable[..., Any]) -> None:
        self._context = context
        self._kind = kind
        self._lock = asyncio.Lock()
        self._told = 0.0

    async def tell(self, progress: Progress) -> None:
        """Writes progress, but not too often; first and last of a stage always."""
        now = time.monotonic()
        if 0 < progress.done < progress.total and now - self._told < _PROGRESS_SECONDS:
            return
        self._told = now
        await self._write(progress=responses.progress(progress))

    async def found(self, estimates: Sequence[Estimate]) -> None:
        """Writes numbers."""
        await self._write(estimates=responses.estimates(estimates))

    async def report(self, views: Sequence[ViewReport], pairs: Sequence[PairReport], state: str = "") -> None:
        """Writes what was used."""
        await self._write(report=responses.report(views, pairs, state))

    async def _write(self, **message: Any) -> None:
        async with self._lock:
            write = asyncio.ensure_future(self._context.write(self._kind(**message)))
            try:
                await asyncio.shield(write)
            except asyncio.CancelledError:
                # One view's failure cancels the others while they tell of their progress. A write given up half-way
                # would still occupy the stream: gRPC could not send the status, and the client would wait for ever.
                await asyncio.wait([write])
                raise


async def _first(messages: AsyncIterator[Any]) -> Any:
    """The specification."""
    async for message in messages:
        if message.WhichOneof("message") != "spec":
            got = message.WhichOneof("message") or "an empty message"
            raise InvalidArgument("spec", f"Expected `spec` in the first message, but got {got}")
        return message.spec
    raise InvalidArgument("spec", "Expected `spec` in the first message, but the stream ended without any")
