"""The door of the metrics service: messages to domain calls and back."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, aclosing
from typing import Any, Final

from babelscope.v1 import metrics_pb2, metrics_pb2_grpc

from services.metrics import requests, responses
from services.metrics.compare import compare
from services.metrics.estimates import Aligned, Check, Event, Found, Progress
from services.metrics.intake import Corpus, Intake
from services.metrics.plans import StudyPlan
from services.metrics.ranking import rank
from services.metrics.scratch import Scratch
from services.metrics.settings import MetricsSettings
from services.metrics.sources import Sources
from services.metrics.tables import Table
from services.metrics.worker import Workers
from services.runtime.errors import InvalidArgument

_PROGRESS_SECONDS: Final = 0.1


class MetricsServicer(metrics_pb2_grpc.MetricsServiceServicer):
    """Answers `babelscope.v1.MetricsService`.

    Args:
        settings: Limits.
        scratch: Where rows lie.
        sources: Where the rows of texts come from.
        workers: Threads for measuring.
    """

    def __init__(self, settings: MetricsSettings, scratch: Scratch, sources: Sources, workers: Workers) -> None:
        self._settings = settings
        self._scratch = scratch
        self._sources = sources
        self._workers = workers

    async def Compare(  # type: ignore[override]  # noqa: N802 - gRPC's name; it writes instead of yielding
        self, request_iterator: AsyncIterator[metrics_pb2.CompareRequest], context: Any
    ) -> None:
        """Similarity of all pairs of views."""
        spec = await _first(request_iterator)
        plan = requests.read_compare(spec, self._settings)

        def work(tables: list[Table]) -> Callable[[Check], Iterator[Event]]:
            return lambda check: compare(plan, tables, budget=self._settings.work_bytes, check=check)

        answer = _Answer(context, metrics_pb2.CompareResponse)
        await self._study(plan, spec, request_iterator, work, answer)

    async def Retrieve(  # type: ignore[override]  # noqa: N802 - gRPC's name; it writes instead of yielding
        self, request_iterator: AsyncIterator[metrics_pb2.RetrieveRequest], context: Any
    ) -> None:
        """Nearest-neighbour retrieval between all pairs of views."""
        spec = await _first(request_iterator)
        plan = requests.read_retrieve(spec, self._settings)

        def work(tables: list[Table]) -> Callable[[Check], Iterator[Event]]:
            return lambda check: rank(plan, tables, check=check)

        answer = _Answer(context, metrics_pb2.RetrieveResponse)
        await self._study(plan, spec, request_iterator, work, answer)

    async def _study(
        self,
        plan: StudyPlan,
        spec: metrics_pb2.CompareSpec | metrics_pb2.RetrieveSpec,
        messages: AsyncIterator[Any],
        work: Callable[[list[Table]], Callable[[Check], Iterator[Event]]],
        answer: "_Answer",
    ) -> None:
        """Reads the rows of all views, has texts encoded, and measures."""
        with ExitStack() as stack:
            intake = Intake(plan, self._settings, self._scratch, stack)
            async for message in messages:
                await intake.take(message)
            tables = await self._tables(intake.finish(), spec, stack, answer)
            async with aclosing(self._workers.run(work(tables))) as events:
                async for event in events:
                    match event:
                        case Progress():
                            await answer.tell(event)
                        case Found():
                            await answer.write(estimates=responses.estimates(event.estimates))
                        case Aligned():
                            views = [table.report for table in tables]
                            await answer.write(report=responses.report(views, event.pairs))

    async def _tables(
        self,
        views: dict[int, Corpus | Table],
        spec: metrics_pb2.CompareSpec | metrics_pb2.RetrieveSpec,
        stack: ExitStack,
        answer: "_Answer",
    ) -> list[Table]:
        """The rows of all views; texts are encoded, a few views at once."""
        turn = asyncio.Semaphore(self._settings.encode_at_once)

        async def table(index: int, view: Corpus | Table) -> Table:
            if isinstance(view, Table):
                return view
            async with turn:
                return await self._sources.table(view, spec.views[index].encode, stack, answer.tell)

        tasks = [asyncio.create_task(table(index, view)) for index, view in views.items()]
        try:
            return await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


class _Answer:
    """Writes the messages of one answer, one at a time."""

    def __init__(self, context: Any, kind: Callable[..., Any]) -> None:
        self._context = context
        self._kind = kind
        self._lock = asyncio.Lock()
        self._told = 0.0

    async def write(self, **message: Any) -> None:
        """Writes a message."""
        async with self._lock:
            await self._context.write(self._kind(**message))

    async def tell(self, progress: Progress) -> None:
        """Writes progress, but not too often; first and last of a stage always."""
        now = time.monotonic()
        if 0 < progress.done < progress.total and now - self._told < _PROGRESS_SECONDS:
            return
        self._told = now
        await self.write(progress=responses.progress(progress))


async def _first(messages: AsyncIterator[Any]) -> Any:
    """The specification."""
    async for message in messages:
        if message.WhichOneof("message") != "spec":
            got = message.WhichOneof("message") or "an empty message"
            raise InvalidArgument("spec", f"Expected `spec` in the first message, but got {got}")
        return message.spec
    raise InvalidArgument("spec", "Expected `spec` in the first message, but the stream ended without any")
