"""A model without weights, whose device the test holds and lets go."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from services.encoder.queue.scheduler import BatchReport, Scheduler
from services.models.spec import EncodePlan, ModelInfo, Pooling, TokenizedText
from services.runtime.errors import InvalidArgument


def make_text(length: int, seed: int = 0, *, truncated: bool = False) -> TokenizedText:
    """A text of so many tokens, the first and the last special."""
    ids = np.arange(length, dtype=np.int64) + 1000 * seed
    special = np.zeros(length, dtype=bool)
    special[[0, -1]] = True
    places = np.arange(length, dtype=np.int32)
    return TokenizedText(ids, special, places, places + 1, truncated, length)


class FakeEngine:
    """Hidden states that are the tokens' ids times the layer plus one, over d = 4."""

    device = "cpu"

    def __init__(self, name: str = "fake", max_tokens: int = 512) -> None:
        self.info = ModelInfo(name, "", "bert", 2, 4, 1, 10**6, max_tokens, 10, f"digest-{name}", False)
        self.batches: list[list[int]] = []
        self.open = threading.Event()
        self.open.set()
        self.running = threading.Semaphore(0)
        self.poison: set[int] = set()
        self.closed = False

    def hold(self) -> None:
        """Stops the device before its next batch."""
        self.open.clear()

    def validate(self, plan: EncodePlan) -> None:
        """Knows two layers."""
        for place, layer in enumerate(plan.layers):
            if not 0 <= layer <= self.info.layers:
                raise InvalidArgument(f"spec.layers[{place}]", f"Expected `layers` within 0..2, but got {layer}")

    def tokenize(self, texts: Sequence[str], *, max_tokens: int | None = None, **_: object) -> list[TokenizedText]:
        """A token a word, between two special ones."""
        limit = max_tokens or self.info.max_tokens
        lengths = [len(text.split()) + 2 for text in texts]
        return [
            replace(make_text(min(length, limit), n), truncated=length > limit, full_length=length)
            for n, length in enumerate(lengths)
        ]

    def pieces(self, ids: Sequence[int]) -> list[str]:
        """A piece a token."""
        return [f"piece{token}" for token in ids]

    def close(self) -> None:
        """Remembers that it was called."""
        self.closed = True

    def encode(self, batch: Sequence[TokenizedText], plan: EncodePlan) -> list[NDArray[np.float32]]:
        """Computes a batch once the device is let go."""
        self.running.release()
        assert self.open.wait(30)
        self.batches.append([len(text) for text in batch])
        if any(int(text.ids[0]) in self.poison for text in batch):
            raise ValueError("poisoned")
        answers = []
        for text in batch:
            rows = text.ids[:, None, None] * (np.asarray(plan.layers)[:, None] + 1.0) * np.ones(4)
            if plan.pooling is not Pooling.TOKEN:
                rows = rows.mean(axis=0, keepdims=True)
            answers.append(rows.astype(np.float32))
        return answers


@pytest.fixture
def fake_text() -> Callable[..., TokenizedText]:
    """Makes texts."""
    return make_text


@pytest.fixture
def engine() -> FakeEngine:
    """The model."""
    return FakeEngine()


@pytest.fixture
def make_engine() -> Callable[..., FakeEngine]:
    """Makes models."""
    return FakeEngine


class Rig:
    """A scheduler with what it reported."""

    def __init__(self, **settings: Any) -> None:
        self.reports: list[BatchReport] = []
        defaults = {"queue_tokens": 100_000, "queue_seconds": 5.0}
        self.scheduler = Scheduler(**{**defaults, **settings}, observe=self.reports.append)

    async def drain(self, stream: Any) -> dict[int, NDArray[Any]]:
        """Reads a stream to its end: arrays by index."""
        answers = {}
        while (block := await stream.next_block()) is not None:
            width = np.dtype("<f4") if stream.output == "float32" else np.dtype("<u2")
            array = np.frombuffer(b"".join(chunk.data for chunk in block.chunks), width).reshape(block.shape)
            row = 0
            for item in block.items:
                assert item.index not in answers
                answers[item.index] = array[row : row + item.rows]
                row += item.rows
            assert row == len(array)
        return answers

    async def run(self, engine: FakeEngine, plan: EncodePlan, lengths: Sequence[int], **options: Any) -> Any:
        """Sends texts through a stream of its own and reads the answers."""
        stream = self.scheduler.open(engine, plan, **{"budget": 64, **options})
        try:
            await stream.submit([(f"t{n}", make_text(length, n)) for n, length in enumerate(lengths)])
            stream.finish()
            return await self.drain(stream)
        finally:
            stream.close()


@pytest.fixture
async def rig() -> AsyncIterator[Callable[..., Rig]]:
    """Makes schedulers; closes them after the test and checks that nothing is left in them."""
    rigs: list[Rig] = []

    def make(**settings: Any) -> Rig:
        rigs.append(Rig(**settings))
        return rigs[-1]

    yield make
    for each in rigs:
        await each.scheduler.close()
        scheduler = each.scheduler
        assert (scheduler.queued_texts, scheduler.open_streams) == (0, 0)
        assert (scheduler.tokens.used, scheduler.memory.used, scheduler.results.used) == (0, 0, 0)


@pytest.fixture
def until() -> Callable[..., Any]:
    """Lets the event loop run until a condition holds."""

    async def wait(condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not condition():  # noqa: ASYNC110 - the scheduler tells nobody of its inner state
                await asyncio.sleep(0.001)

    return wait
