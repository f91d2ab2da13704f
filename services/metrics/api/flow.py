"""From messages of rows to answers: what is read, encoded, kept and measured, and when.

Views go through scratch: encoded once, measured in all pairs, found again by the next request. A single pair of pushed
views, and one whose rows are more than scratch should hold, is measured while its rows come, and nothing of it is kept.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from contextlib import ExitStack, aclosing
from dataclasses import replace
from functools import partial
from typing import Any, Final, Protocol

from babelscope.data.texts import UNITS, Text
from babelscope.errors import InvalidRequest
from babelscope.v1 import encoder_pb2

from services.metrics.api.intake import Corpus, Intake
from services.metrics.api.sources import Order, Sources, Tell, named
from services.metrics.estimates.estimates import Aligned, Check, Estimate, Event, Found, Progress
from services.metrics.retrieval.index import require
from services.metrics.retrieval.plan import RetrievePlan
from services.metrics.retrieval.ranking import matched, rank
from services.metrics.rows.alignment import align
from services.metrics.rows.plans import StudyPlan
from services.metrics.rows.reports import PairReport, ViewReport
from services.metrics.rows.scratch import Scratch
from services.metrics.rows.tables import RowTable
from services.metrics.settings import MetricsSettings
from services.metrics.similarity.compare import compare, kept_needs
from services.metrics.similarity.plan import ComparePlan
from services.metrics.similarity.shards import Keeper
from services.metrics.similarity.streamed_pair import Spill, StreamedPair
from services.runtime.files.store import Store
from services.runtime.memory import Memory
from services.runtime.work import Workers

_AHEAD: Final = 4096
"""Texts by which one side of a pair may be ahead of the pairs found."""

Specs = Sequence[encoder_pb2.EncodeSpec]
"""How the views are encoded, by index."""

Engine = Callable[[list[RowTable], Check], Iterator[Event]]
"""An engine over tables."""


class Reply(Protocol):
    """Receives what is found."""

    async def tell(self, progress: Progress) -> None:
        """Takes progress."""

    async def found(self, estimates: Sequence[Estimate]) -> None:
        """Takes numbers."""

    async def report(self, views: Sequence[ViewReport], pairs: Sequence[PairReport], state: str = "") -> None:
        """Takes what was used."""


class Flow:
    """Answers requests over views.

    Args:
        settings: Limits.
        scratch: Scratch folder that holds the rows of running requests.
        sources: Source of the rows of texts.
        workers: Threads for measuring.
        store: Store of sums.
        memory: Memory that all requests share.
    """

    def __init__(  # noqa: PLR0917 - what a server is put together from
        self,
        settings: MetricsSettings,
        scratch: Scratch,
        sources: Sources,
        workers: Workers,
        store: Store,
        memory: Memory,
    ) -> None:
        self._store = store
        self._memory = memory
        self._settings = settings
        self._scratch = scratch
        self._sources = sources
        self._workers = workers

    async def compare(self, plan: ComparePlan, specs: Specs, messages: AsyncIterator[Any], answer: Reply) -> None:
        """Similarity of all pairs of views."""
        single = len(plan.views) == 2 and plan.pairs in (((0, 1),), ((1, 0),)) and not plan.preprocessing
        # Sums that are kept come from tables, whose parts do not depend on the order in which rows arrive.
        single = single and not plan.keep_state
        keeper = Keeper(self._store, kept_needs(plan)) if plan.keep_state else None
        with ExitStack() as stack:
            if single and not any(view.encoded for view in plan.views):
                await self._pushed_pair(plan, messages, stack, answer)
                return
            views = await self._read(plan, messages, stack)
            if single and all(isinstance(view, Corpus) and view.plan.pooling not in UNITS for view in views.values()):
                orders = [await self._order(views[index], specs[index]) for index in range(2)]
                if sum(order.bytes for order in orders) > self._scratch.capacity // 2:
                    await self._pulled_pair(plan, orders, stack, answer)
                    return
            budget = self._settings.work_bytes

            def work(tables: list[RowTable], check: Check) -> Iterator[Event]:
                return compare(plan, tables, budget=budget, check=check, keep=keeper.keep if keeper else None)

            def keep(tables: Sequence[RowTable], pairs: Sequence[PairReport]) -> str:
                if keeper is None:
                    return ""
                resolved = [replace(view, layers=table.layers) for view, table in zip(plan.views, tables, strict=True)]
                return keeper.finish(replace(plan, views=tuple(resolved)), [table.report for table in tables], pairs)

            await self._measure(views, specs, stack, work, answer, keep=keep)

    async def retrieve(self, plan: RetrievePlan, specs: Specs, messages: AsyncIterator[Any], answer: Reply) -> None:
        """Retrieval between all pairs of views."""
        with ExitStack() as stack:
            if plan.index != "exact":
                require()
            gold: list[tuple[str, str]] = []
            views = await self._read(plan, messages, stack, gold)
            device = self._settings.device

            def work(tables: list[RowTable], check: Check) -> Iterator[Event]:
                return rank(plan, tables, gold, device=device, check=check)

            await self._measure(views, specs, stack, work, answer)

    async def tables(
        self,
        plan: StudyPlan,
        specs: Specs,
        messages: AsyncIterator[Any],
        stack: ExitStack,
        tell: Tell,
        *,
        check_ids: Callable[..., object] | None = None,
    ) -> list[RowTable]:
        """The rows of all views, pushed or encoded; they lie in scratch until the stack is closed.

        Args:
            plan: The request with its views.
            specs: Encoding of the texts.
            messages: Messages that carry the rows of the views.
            stack: Closes what was opened.
            tell: Receives progress.
            check_ids: Called with the ids of each view before anything is encoded; raises where they do not fit.
        """
        views = await self._read(plan, messages, stack)
        if check_ids is not None:
            await asyncio.to_thread(check_ids, *map(_ids, views.values()))
        return await self._tables(views, specs, stack, tell)

    async def _read(
        self, plan: StudyPlan, messages: AsyncIterator[Any], stack: ExitStack, gold: list[tuple[str, str]] | None = None
    ) -> dict[int, Corpus | RowTable | ViewReport]:
        """Reads all rows, and gold pairs; ids that do not fit are found before anything is encoded."""
        intake = Intake(plan, self._settings, self._memory, self._scratch, stack)
        async for message in messages:
            await asyncio.to_thread(intake.take, message)
        views = intake.finish()
        ids = [_ids(view) for view in views.values()]
        if gold is not None and isinstance(plan, RetrievePlan) and plan.gold:
            gold += intake.gold
            await asyncio.to_thread(matched, plan, ids, gold)
        else:
            await asyncio.to_thread(align, [view.name for view in plan.views], ids, plan.pairs, plan.alignment)
        return views

    async def _measure(
        self,
        views: dict[int, Corpus | RowTable | ViewReport],
        specs: Specs,
        stack: ExitStack,
        work: Engine,
        answer: Reply,
        *,
        keep: Callable[[Sequence[RowTable], Sequence[PairReport]], str] = lambda _tables, _pairs: "",
    ) -> None:
        """Has texts encoded and measures."""
        tables = await self._tables(views, specs, stack, answer.tell)
        reports = [table.report for table in tables]
        await self._answer(lambda check: work(tables, check), reports, answer, lambda pairs: keep(tables, pairs))

    async def _tables(
        self, views: dict[int, Corpus | RowTable | ViewReport], specs: Specs, stack: ExitStack, tell: Tell
    ) -> list[RowTable]:
        """Has texts encoded, a few views at once."""
        turn = asyncio.Semaphore(self._settings.encode_at_once)

        async def table(index: int, view: Any) -> RowTable:
            if isinstance(view, RowTable):
                return view
            async with turn:
                return await self._sources.table(view, specs[index], stack, tell)

        return await _all([table(index, view) for index, view in views.items()])

    async def _answer(
        self,
        work: Callable[[Check], Iterator[Event]],
        views: Sequence[ViewReport],
        answer: Reply,
        keep: Callable[[Sequence[PairReport]], str] = lambda _pairs: "",
    ) -> None:
        """Steps an engine and passes on what it tells."""
        async with aclosing(self._workers.run(lambda feed: work(feed.check))) as events:
            async for event in events:
                match event:
                    case Progress():
                        await answer.tell(event)
                    case Found():
                        await answer.found(event.estimates)
                    case Aligned():
                        state = await asyncio.to_thread(keep, event.pairs)
                        await answer.report(views, event.pairs, state)

    async def _pushed_pair(
        self, plan: ComparePlan, messages: AsyncIterator[Any], stack: ExitStack, answer: Reply
    ) -> None:
        """Measures a pair while its rows come from the client."""
        pairing = self._pairing(plan, stack)
        intake = Intake(plan, self._settings, self._memory, self._scratch, stack, pairing.add)
        async for message in messages:
            await asyncio.to_thread(intake.take, message)
        views = [view for view in intake.finish().values() if isinstance(view, ViewReport)]
        await self._answer(lambda check: pairing.finish(), views, answer)

    async def _pulled_pair(self, plan: ComparePlan, orders: list[Order], stack: ExitStack, answer: Reply) -> None:
        """Measures a pair while its rows come from the encoder, both sides in the same order and in step."""
        views = tuple(replace(view, layers=order.layers) for view, order in zip(plan.views, orders, strict=True))
        pairing = self._pairing(replace(plan, views=views), stack)
        left, right = (order.corpus.texts for order in orders)
        partners = {text.id: text for text in right}
        common = [(text, partners[text.id]) for text in left if text.id in partners]
        facts = [{"tokens": 0, "truncated": 0} for _ in orders]
        moved = asyncio.Condition()

        async def feed(side: int) -> AsyncGenerator[Text, None]:
            for position, pair in enumerate(common):
                async with moved:
                    while position - pairing.n >= _AHEAD:
                        await moved.wait()
                yield pair[side]

        async def pull(side: int) -> None:
            order = orders[side]
            try:
                async with aclosing(self._sources.blocks(order, feed(side))) as blocks:
                    async for block in blocks:
                        ids = [item.id for item in block.items]
                        # One at a time: both sides change the same sums.
                        async with moved:
                            await self._workers.call(partial(pairing.add, side, ids, block.array))
                            moved.notify_all()
                        facts[side]["tokens"] += sum(item.tokens for item in block.items)
                        facts[side]["truncated"] += sum(item.truncated for item in block.items)
                        await answer.tell(Progress("encode", pairing.n, len(common), order.name))
            except InvalidRequest as error:
                raise named(error, order.corpus) from error

        await _all([pull(0), pull(1)])
        for side, only in ((0, left), (1, right)):
            shared = {pair[side].id for pair in common}
            pairing.skip(side, [text.id for text in only if text.id not in shared])
        reports = [order.report(told) for order, told in zip(orders, facts, strict=True)]
        await self._answer(lambda check: pairing.finish(), reports, answer)

    async def _order(self, view: Any, spec: encoder_pb2.EncodeSpec) -> Order:
        try:
            return await self._sources.order(view, spec)
        except InvalidRequest as error:
            raise named(error, view) from error

    def _pairing(self, plan: ComparePlan, stack: ExitStack) -> StreamedPair:
        def spill() -> Spill:
            writer = stack.enter_context(self._scratch.create())
            return writer.append

        return StreamedPair(plan, budget=self._settings.work_bytes, spill=[spill(), spill()])


def _ids(view: Corpus | RowTable | ViewReport) -> Sequence[str]:
    """Ids of a view's rows."""
    if isinstance(view, RowTable):
        return view.ids
    assert isinstance(view, Corpus)
    return view.row_ids


async def _all(work: Sequence[Any]) -> list[Any]:
    """Runs coroutines together; the first error ends them all."""
    tasks = [asyncio.ensure_future(one) for one in work]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
