"""Threads that clients share: order, the room kept for small pieces, errors, and those who leave."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable

import pytest

from services.encoder.queue.turns import Turns
from services.runtime.work import check_here

LARGE = 100


class Gate:
    """Work that waits until it is let go, and notes what began."""

    def __init__(self) -> None:
        self.began: list[str] = []
        self.go = threading.Event()
        self.started = threading.Semaphore(0)

    def held(self, name: str) -> Callable[[], str]:
        def work() -> str:
            self.began.append(name)
            self.started.release()
            assert self.go.wait(30)
            return name

        return work

    def quick(self, name: str) -> Callable[[], str]:
        def work() -> str:
            self.began.append(name)
            return name

        return work

    async def wait(self, count: int) -> None:
        for _ in range(count):
            assert await asyncio.to_thread(self.started.acquire, timeout=30)


@pytest.fixture
async def turns() -> AsyncIterator[Turns]:
    made = Turns(2, LARGE, "turn")
    yield made
    await made.close()


@pytest.fixture
def gate() -> Gate:
    return Gate()


async def test_large_pieces_of_many_clients_leave_a_thread_to_small_ones(turns: Turns, gate: Gate) -> None:
    giants = [
        asyncio.create_task(turns.take(f"giant{number % 2}", 10**6, gate.held(f"giant{number}"))) for number in range(6)
    ]
    await gate.wait(1)
    assert await turns.take("third", 5, gate.quick("a cat")) == "a cat"
    assert gate.began == ["giant0", "a cat"]
    gate.go.set()
    assert await asyncio.gather(*giants) == [f"giant{number}" for number in range(6)]


async def test_who_has_much_to_do_takes_turns_with_who_has_little(turns: Turns, gate: Gate) -> None:
    held = [asyncio.create_task(turns.take("first", 1, gate.held(f"held{number}"))) for number in range(2)]
    await gate.wait(2)
    many = [asyncio.create_task(turns.take("many", 90, gate.quick(f"many{number}"))) for number in range(50)]
    await asyncio.sleep(0)
    few = [asyncio.create_task(turns.take("few", 10, gate.quick(f"few{number}"))) for number in range(5)]
    await asyncio.sleep(0)
    gate.go.set()
    await asyncio.gather(*held, *many, *few)
    order = gate.began[2:]
    assert max(order.index(f"few{number}") for number in range(5)) < 10
    assert [name for name in order if name.startswith("many")] == [f"many{number}" for number in range(50)]


async def test_a_client_that_did_nothing_has_no_credit(turns: Turns, gate: Gate) -> None:
    for _ in range(20):
        await turns.take("old", 90, gate.quick("old"))
    assert len(turns._ends) <= 1
    await turns.take("new", 1, gate.quick("new"))
    assert turns._clock >= 19 * 90


async def test_errors_reach_those_who_asked_and_nobody_else(turns: Turns, gate: Gate) -> None:
    def fails() -> str:
        raise ValueError("no tokens")

    results = await asyncio.gather(
        *(turns.take("a", 1, fails if number % 2 else gate.quick("b")) for number in range(10)), return_exceptions=True
    )
    assert [type(result) for result in results] == [str, ValueError] * 5


async def test_work_of_those_who_left_is_not_begun(turns: Turns, gate: Gate) -> None:
    held = [asyncio.create_task(turns.take("first", 1, gate.held(f"held{number}"))) for number in range(2)]
    await gate.wait(2)
    gone = [asyncio.create_task(turns.take("gone", 1, gate.quick("gone"))) for _ in range(5)]
    await asyncio.sleep(0)
    for task in [*gone, held[0]]:
        task.cancel()
    assert all(isinstance(each, asyncio.CancelledError) for each in await asyncio.gather(*gone, return_exceptions=True))
    gate.go.set()
    assert await turns.take("last", 1, gate.quick("last")) == "last"
    assert "gone" not in gate.began
    assert await held[1] == "held1"


async def test_what_waits_at_the_end_is_not_done(gate: Gate) -> None:
    turns = Turns(2, LARGE, "turn")
    held = [asyncio.create_task(turns.take("first", 1, gate.held(f"held{number}"))) for number in range(2)]
    await gate.wait(2)
    waiting = asyncio.create_task(turns.take("second", 1, gate.quick("late")))
    await asyncio.sleep(0)
    closing = asyncio.create_task(turns.close())
    await asyncio.sleep(0)
    gate.go.set()
    await closing
    assert await asyncio.gather(*held) == ["held0", "held1"]
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert "late" not in gate.began


async def test_work_ends_early_when_its_caller_has_left(turns: Turns) -> None:
    """What looks after its caller gives its thread back; what nobody waits for is no error."""
    began, ended = threading.Event(), threading.Event()

    def work() -> None:
        began.set()
        try:
            while not ended.wait(0.001):
                check_here()
        finally:
            ended.set()

    waiting = asyncio.create_task(turns.take("a", 1, work))
    assert await asyncio.to_thread(began.wait, 30)
    assert not ended.is_set()
    waiting.cancel()
    assert await asyncio.to_thread(ended.wait, 30)
    assert await turns.take("a", 1, lambda: "next") == "next"
