"""One client's stream through the scheduler: texts in, blocks out, and what it holds of the shared capacities."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, Protocol

import numpy as np
from babelscope.data.blocks import OutputType
from numpy.typing import NDArray

from services.encoder.queue.answers import Block, RowBlock, bytes_of, weight
from services.encoder.queue.fairqueue import Entry, Flow
from services.encoder.queue.shares import SharedCapacity
from services.models.spec import EncodePlan, ModelInfo, Plan, Prediction, PredictPlan, TokenizedText
from services.runtime.errors import LimitExceeded

_REMEDIES: Final = {
    EncodePlan: "ask for fewer layers or pool",
    PredictPlan: "ask for fewer settings, layers or candidates",
}


Keep = Callable[[Sequence[Entry], Sequence[NDArray[np.float32]]], None]
"""Takes the texts of a batch and their hidden states, in a thread, before they are delivered; it must not raise."""


class Encoder(Protocol):
    """The part of an engine that the scheduler uses."""

    info: ModelInfo

    def encode(self, batch: Sequence[TokenizedText], plan: EncodePlan) -> list[NDArray[np.float32]]:
        """Hidden states of a batch: one [rows, K, d] float32 array a text, in order."""

    def predict(self, batch: Sequence[TokenizedText], plan: PredictPlan) -> list[Prediction]:
        """Predicted tokens of a batch: one prediction a text, in order."""


class Queue(Protocol):
    """The part of the scheduler that a stream uses."""

    queue_seconds: float
    tokens: SharedCapacity
    memory: SharedCapacity
    results: SharedCapacity

    def now(self) -> float:
        """Seconds of the monotonic clock."""

    def enqueue(self, stream: "Stream", entries: Sequence[Entry]) -> None:
        """Queues texts whose answers have their bytes reserved."""

    async def freed(self, seconds: float | None) -> None:
        """Waits until something was given back; TimeoutError after so many seconds."""

    def released(self) -> None:
        """Tells those who wait that something was given back."""

    def retry_after(self) -> float:
        """Seconds until the queue is likely to have room."""

    def forget(self, stream: "Stream") -> list[Entry]:
        """Takes a stream out and returns its texts that were still queued."""


class Stream:
    """Texts of one request on their way through the device.

    A text passes three gates. Admission bounds queued tokens and bytes; the reservation of its answer's bytes bounds
    what a slow reader leaves unread; the queue decides its turn.

    Attributes:
        engine: The model.
        plan: What is computed.
        budget: Padded tokens a batch.
        output: Elements of the answer.
        flow: Its place in the fair order.
        keep: Function that takes hidden states as they are computed; None where nothing does.
        answered: Texts whose blocks were taken by `next_block`.
        tokens: Tokens computed.
        truncated: Texts that were cut.
        empty_rows: Rows of no token.
        queue_seconds: Time its texts waited for the device, summed over its batches.
        compute_seconds: Time of the device spent on batches that held its texts.
    """

    def __init__(
        self, queue: Queue, flow: Flow, engine: Encoder, plan: Plan, *, budget: int, output: OutputType
    ) -> None:
        self.engine = engine
        self.plan = plan
        self.budget = budget
        self.output = output
        self.flow = flow
        self.keep: Keep | None = None
        self.answered = self.tokens = self.truncated = self.empty_rows = 0
        self.queue_seconds = self.compute_seconds = 0.0
        self.closed = False
        self.held_tokens = self.held_memory = self.held_results = 0
        self._queue = queue
        self._submitted = self._delivered = 0
        self._backlog: deque[Entry] = deque()
        self._outbox: deque[Block] = deque()
        self._written: Block | None = None
        self._ready = asyncio.Event()
        self._finished = False
        self._error: BaseException | None = None

    async def submit(self, texts: Sequence[tuple[str, TokenizedText]], places: Sequence[int] | None = None) -> None:
        """Queues texts, waiting for room where there is none.

        A stream that has texts in the queue waits for its own progress, without limit. One that has none waits for
        others, at most `queue_seconds`.

        Args:
            texts: Ids and tokens.
            places: Index of each; the next ones where not given.

        Raises:
            LimitExceeded: The queue stayed full, or one text's answer is larger than the server holds at once.
        """
        for number, (name, text) in enumerate(texts):
            length, memory = len(text), weight(name, text)
            reserved = bytes_of(name, text, self.plan, self.engine.info.hidden_size)
            if reserved > self._queue.results.capacity:
                raise LimitExceeded(
                    "result_bytes",
                    f"Expected an answer of at most {self._queue.results.capacity} bytes a text, but text {name!r} "
                    f"of {length} tokens needs {reserved}; {_REMEDIES[type(self.plan)]}",
                )
            if not self._admits(length, memory):
                self.advance()
                await self._room(length, memory)
            self._queue.tokens.take(length)
            self._queue.memory.take(memory)
            self.held_tokens += length
            self.held_memory += memory
            index = self._submitted if places is None else places[number]
            entry = Entry(self.flow, index, name, text, length, self._queue.now(), reserved, memory)
            self._backlog.append(entry)
            self._submitted += 1
        self.advance()

    async def answer(self, block: RowBlock) -> None:
        """Delivers texts that need not be computed, once the bytes of their rows can be reserved.

        Args:
            block: Texts with indices of their own, which `submit` was given for no other.

        Raises:
            LimitExceeded: The rows are more than the server holds at once.
        """
        results = self._queue.results
        if block.reserved > results.capacity:
            raise LimitExceeded(
                "result_bytes",
                f"Expected an answer of at most {results.capacity} bytes a text, but text {block.items[0].id!r} needs "
                f"{block.reserved}; {_REMEDIES[type(self.plan)]}",
            )
        while not results.admits(self.held_results, block.reserved):
            await self._queue.freed(None)
        results.take(block.reserved)
        self.held_results += block.reserved
        self._submitted += len(block.items)
        self.deliver([block])

    def finish(self) -> None:
        """Says that no more texts come."""
        self._finished = True
        self._ready.set()

    def fail(self, error: BaseException) -> None:
        """Ends the stream: `next_block` raises `error`."""
        self._error = self._error or error
        self._ready.set()

    async def next_block(self) -> Block | None:
        """Waits for the next block; None at the end. Asking for the next gives back the bytes of the last.

        Raises:
            BaseException: What `fail` was given.
        """
        self._give_written()
        while True:
            if self._error is not None:
                raise self._error
            if self._outbox:
                block = self._outbox.popleft()
                self._written = block
                self.answered += len(block.items)
                return block
            if self._finished and self._delivered == self._submitted:
                return None
            self._ready.clear()
            await self._ready.wait()

    def close(self) -> None:
        """Drops what is queued and unread, at once. May be called again."""
        if self.closed:
            return
        self.closed = True
        self.started([*self._backlog, *self._queue.forget(self)])
        self._backlog.clear()
        self._outbox.clear()
        self._queue.results.give(self.held_results)
        self.held_results = 0
        self._queue.released()

    def advance(self) -> None:
        """Queues texts of the backlog as far as their answers' bytes can be reserved."""
        ready = []
        results = self._queue.results
        while self._backlog and results.admits(self.held_results, self._backlog[0].reserved):
            entry = self._backlog.popleft()
            results.take(entry.reserved)
            self.held_results += entry.reserved
            ready.append(entry)
        if ready:
            self._queue.enqueue(self, ready)

    def started(self, entries: Sequence[Entry]) -> None:
        """Gives back what texts held of the queue, when they leave it."""
        tokens = sum(entry.length for entry in entries)
        memory = sum(entry.memory for entry in entries)
        self._queue.tokens.give(tokens)
        self._queue.memory.give(memory)
        self.held_tokens -= tokens
        self.held_memory -= memory

    def deliver(self, blocks: Sequence[Block]) -> None:
        """Receives computed blocks."""
        for block in blocks:
            self._outbox.append(block)
            self._delivered += len(block.items)
            self.tokens += sum(item.tokens for item in block.items)
            self.truncated += sum(item.truncated for item in block.items)
            self.empty_rows += sum(len(item.empty) for item in block.items)
        self._ready.set()

    def _admits(self, length: int, memory: int) -> bool:
        queue = self._queue
        return queue.tokens.admits(self.held_tokens, length) and queue.memory.admits(self.held_memory, memory)

    async def _room(self, length: int, memory: int) -> None:
        patience = self._queue.queue_seconds
        until = self._queue.now() + patience
        while not self._admits(length, memory):
            if self.held_tokens:
                until = self._queue.now() + patience
                await self._queue.freed(None)
                continue
            try:
                await self._queue.freed(max(0.0, until - self._queue.now()))
            except TimeoutError:
                raise LimitExceeded(
                    "queue_tokens",
                    f"Expected room in the queue of {self._queue.tokens.capacity} tokens within {patience:g} s, but "
                    f"{self._queue.tokens.used} are queued",
                    self._queue.retry_after(),
                ) from None

    def _give_written(self) -> None:
        if self._written is not None and not self.closed:
            self._queue.results.give(self._written.reserved)
            self.held_results -= self._written.reserved
            self._written = None
            self.advance()
            self._queue.released()
