"""One queue for all clients before one device: batches by token budget, answers to bounded outboxes.

The event loop owns the queue. One thread a device computes: while it runs a batch the next one waits for it, so the
device never waits for the loop. Other threads turn arrays into bytes. Nothing polls.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import accumulate, groupby
from typing import cast

import numpy as np
from babelscope.data.blocks import OutputType
from numpy.typing import NDArray

from services.encoder.queue.answers import Block, cut, cut_predictions
from services.encoder.queue.fairqueue import Entry, FairQueue
from services.encoder.queue.shares import SharedCapacity
from services.encoder.queue.streams import Encoder, Stream
from services.models.spec import Plan, Prediction, PredictPlan
from services.runtime.devices import DeviceLost

log = logging.getLogger(__name__)

AHEAD = 2
"""Batches with the device thread at once: one runs, one waits."""
SMALL_BYTES = 64 << 10
"""Answers of a stream that the device's own thread turns into bytes: that takes less than handing them to another."""


@dataclass(frozen=True)
class BatchReport:
    """What one batch was.

    Attributes:
        texts: Texts in it.
        tokens: Their tokens.
        padded_tokens: Texts times the longest, what a padded batch would compute.
        seconds: Time of the device.
        waited: Seconds that each text was queued.
    """

    texts: int
    tokens: int
    padded_tokens: int
    seconds: float
    waited: tuple[float, ...]


Answers = list[NDArray[np.float32]] | list[Prediction]


@dataclass(frozen=True, eq=False)
class _Part:
    """The texts of one stream in a batch, and what became of them."""

    stream: Stream
    entries: list[Entry]
    answers: Answers
    error: Exception | None = None
    blocks: Sequence[Block] | None = None


class Scheduler:
    """Shares one device among all streams.

    Args:
        queue_tokens: Tokens queued at once, of all streams.
        queue_bytes: Bytes of the queued texts.
        result_bytes: Bytes of answers computed, or about to be, and not yet read.
        queue_seconds: How long a stream with nothing queued waits for room.
        age_cap: Seconds after which a queued text may jump the fair order.
        observe: Told of every batch.
    """

    def __init__(
        self,
        *,
        queue_tokens: int,
        queue_bytes: int = 256 << 20,
        result_bytes: int = 256 << 20,
        queue_seconds: float = 30.0,
        age_cap: float = 1.0,
        observe: Callable[[BatchReport], None] | None = None,
    ) -> None:
        self.queue_seconds = queue_seconds
        self.tokens = SharedCapacity(queue_tokens)
        self.memory = SharedCapacity(queue_bytes)
        self.results = SharedCapacity(result_bytes)
        self._observe = observe
        self._queue = FairQueue(age_cap)
        self._streams: dict[int, Stream] = {}
        self._waiting: list[asyncio.Future[None]] = []
        self._work = asyncio.Event()
        self._slots = asyncio.Semaphore(AHEAD)
        self._device = ThreadPoolExecutor(1, thread_name_prefix="inference")
        self._copiers = ThreadPoolExecutor(2, thread_name_prefix="answers")
        self._tasks: set[asyncio.Task[None]] = set()
        self._dispatcher: asyncio.Task[None] | None = None
        self.lost = asyncio.Event()
        """Set once the device computes no more."""
        self._rate = 1000.0

    @property
    def queued_texts(self) -> int:
        """Texts whose turn has not come."""
        return self._queue.texts

    @property
    def open_streams(self) -> int:
        """Streams that were opened and not closed."""
        return len(self._streams)

    def open(
        self, engine: Encoder, plan: Plan, *, budget: int, client: str = "", output: OutputType = "float32"
    ) -> Stream:
        """Opens a stream. The caller closes it.

        Args:
            engine: The model.
            plan: What to compute; streams with the same engine and equal `plan.key` share batches.
            budget: Padded tokens a batch, at least the longest text that will be submitted.
            client: Client that the stream belongs to; a client's streams divide its share of the device.
            output: Elements of the answer.
        """
        if self._dispatcher is None:
            self._dispatcher = asyncio.create_task(self._dispatch())
        stream = Stream(self, self._queue.open(client), engine, plan, budget=budget, output=output)
        self._streams[stream.flow.number] = stream
        return stream

    async def close(self) -> None:
        """Stops after the batches that run, and releases the threads."""
        if self._dispatcher is not None:
            self._dispatcher.cancel()
            await asyncio.gather(self._dispatcher, *self._tasks, return_exceptions=True)
        await asyncio.to_thread(self._device.shutdown)
        await asyncio.to_thread(self._copiers.shutdown)

    def now(self) -> float:
        """Seconds of the monotonic clock."""
        return time.monotonic()

    def enqueue(self, stream: Stream, entries: Sequence[Entry]) -> None:
        """Queues texts whose answers have their bytes reserved."""
        self._queue.push((stream.engine, stream.plan.key), stream.budget, entries)
        self._work.set()

    async def freed(self, seconds: float | None) -> None:
        """Waits until something was given back; TimeoutError after so many seconds."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        try:
            async with asyncio.timeout(seconds):
                await waiter
        finally:
            # The list is another one where something was given back between the end of the wait and this line.
            if waiter in self._waiting:
                self._waiting.remove(waiter)

    def released(self) -> None:
        """Tells those who wait that something was given back."""
        for stream in self._streams.values():
            stream.advance()
        waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            if not waiter.done():
                waiter.set_result(None)

    def retry_after(self) -> float:
        """Seconds until the queue is likely to have room."""
        return min(60.0, max(0.1, self.tokens.used / self._rate / 2))

    def forget(self, stream: Stream) -> list[Entry]:
        """Takes a stream out and returns its texts that were still queued."""
        self._streams.pop(stream.flow.number, None)
        return self._queue.close(stream.flow)

    async def _dispatch(self) -> None:
        while True:
            await self._work.wait()
            await self._slots.acquire()
            batch = self._queue.take(self.now())
            if not batch:
                self._work.clear()
                self._slots.release()
                continue
            parts = [
                _Part(self._streams[number], list(entries), [])
                for number, entries in groupby(batch, key=lambda entry: entry.flow.number)
            ]
            for part in parts:
                part.stream.started(part.entries)
            self.released()
            task = asyncio.create_task(self._run(parts))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _run(self, parts: list[_Part]) -> None:
        loop = asyncio.get_running_loop()
        try:
            begun, ended, done = await loop.run_in_executor(self._device, _compute, parts)
        finally:
            self._slots.release()
        self._report(done, begun, ended)
        for part in done:
            stream = part.stream
            if isinstance(part.error, DeviceLost) and not self.lost.is_set():
                log.error("device lost", exc_info=part.error)
                self.lost.set()
            if part.error is not None:
                stream.fail(part.error)
            elif not stream.closed:
                stream.queue_seconds += max(begun - min(entry.arrived for entry in part.entries), 0.0)
                stream.compute_seconds += ended - begun
                blocks = part.blocks
                if blocks is None:
                    blocks = await loop.run_in_executor(self._copiers, _blocks, part)
                if not stream.closed:
                    stream.deliver(blocks)

    def _report(self, parts: Sequence[_Part], begun: float, ended: float) -> None:
        entries = [entry for part in parts for entry in part.entries]
        if not entries:
            return
        tokens = sum(entry.length for entry in entries)
        seconds = ended - begun
        self._rate += 0.2 * (tokens / max(seconds, 1e-6) - self._rate)
        if self._observe is not None:
            longest = max(entry.length for entry in entries)
            waited = tuple(begun - entry.arrived for entry in entries)
            self._observe(BatchReport(len(entries), tokens, longest * len(entries), seconds, waited))


def _compute(parts: Sequence[_Part]) -> tuple[float, float, list[_Part]]:
    """Runs a batch on the device's thread: when it began, when it ended, the parts with their answers or errors."""
    begun = time.monotonic()
    live = [part for part in parts if not part.stream.closed]
    done = _attempt(live) if live else []
    if len(done) > 1 and any(part.error is not None for part in done):
        # Who spoilt the batch is not known: alone, each stream fails for itself only.
        done = [part for alone in live for part in _attempt([alone])]
    ended = time.monotonic()
    return begun, ended, [replace(part, blocks=_blocks(part)) if _is_small(part) else part for part in done]


def _is_small(part: _Part) -> bool:
    """Whether the device's thread makes the blocks itself: they are small, and nothing else is done with them."""
    size = sum(entry.reserved for entry in part.entries)
    return part.error is None and part.stream.keep is None and size <= SMALL_BYTES


def _blocks(part: _Part) -> Sequence[Block]:
    """What a stream is given of a batch."""
    if isinstance(part.stream.plan, PredictPlan):
        return cut_predictions(part.entries, cast(list[Prediction], part.answers))
    arrays = cast(list[NDArray[np.float32]], part.answers)
    if part.stream.keep is not None:
        part.stream.keep(part.entries, arrays)
    return cut(part.entries, arrays, part.stream.output)


def _attempt(parts: Sequence[_Part]) -> list[_Part]:
    stream = parts[0].stream
    texts = [entry.text for part in parts for entry in part.entries]
    try:
        plan, engine = stream.plan, stream.engine
        found: Answers = engine.predict(texts, plan) if isinstance(plan, PredictPlan) else engine.encode(texts, plan)
        ends = accumulate(len(part.entries) for part in parts)
        return [
            _Part(part.stream, part.entries, found[end - len(part.entries) : end])
            for part, end in zip(parts, ends, strict=True)
        ]
    except Exception as error:
        return [_Part(part.stream, part.entries, [], error) for part in parts]
