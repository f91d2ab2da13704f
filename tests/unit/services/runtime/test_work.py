import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing

import pytest

from services.runtime import work
from services.runtime.work import Feed, Stopped, Turns, Workers, beside_the_loop, check_here, waiting

PATIENCE = 10.0
"""Seconds after which a test that waits for something fails."""


@pytest.fixture
async def workers() -> AsyncIterator[Workers]:
    made = Workers(2, "test")
    yield made
    await made.close()


async def _numbers(count: int) -> AsyncIterator[int]:
    for number in range(count):
        yield number


async def _reached(event: threading.Event) -> None:
    assert await asyncio.to_thread(event.wait, PATIENCE)


def _doubled(feed: Feed[int]) -> Iterator[int]:
    for number in feed:
        yield 2 * number


async def test_messages_go_in_and_items_come_out_in_order(workers: Workers) -> None:
    items = [item async for item in workers.run(_doubled, _numbers(50))]
    assert items == list(range(0, 100, 2))


async def test_work_without_messages_has_a_feed_to_check(workers: Workers) -> None:
    def steps(feed: Feed[int]) -> Iterator[str]:
        feed.check()
        yield threading.current_thread().name

    (name,) = [item async for item in workers.run(steps)]
    assert name.startswith("test_")


async def test_a_function_runs_once_in_a_thread(workers: Workers) -> None:
    assert await workers.one(sum, _numbers(5)) == 10
    assert await workers.call(lambda: threading.current_thread() is threading.main_thread()) is False


async def test_an_error_of_the_work_and_one_of_its_input_reach_the_caller(workers: Workers) -> None:
    async def broken() -> AsyncIterator[int]:
        yield 1
        raise ConnectionError("the client is gone")

    def failing(feed: Feed[int]) -> int:
        raise ValueError(str(next(iter(feed))))

    with pytest.raises(ConnectionError, match="gone"):
        await workers.one(sum, broken())
    with pytest.raises(ValueError, match="0"):
        await workers.one(failing, _numbers(3))


async def test_a_tick_comes_while_nothing_else_does(workers: Workers) -> None:
    ticked = threading.Event()

    def slow(feed: Feed[int]) -> Iterator[str]:
        assert ticked.wait(PATIENCE)
        yield "item"

    items = []
    async for item in workers.run(slow, tick=0.01):
        ticked.set()
        items.append(item)
    assert items[0] is None
    assert items[-1] == "item"
    assert items.count("item") == 1


async def test_work_that_nobody_waits_for_stops_and_is_closed_in_a_thread(workers: Workers) -> None:
    started, stopped, closed = threading.Event(), threading.Event(), threading.Event()
    threads: list[threading.Thread] = []

    def steps(feed: Feed[int]) -> Iterator[int]:
        try:
            yield 1
            started.set()
            while True:
                try:
                    feed.check()
                except Stopped:
                    stopped.set()
                    raise
        finally:
            threads.append(threading.current_thread())
            closed.set()

    async def read() -> None:
        async with aclosing(workers.run(steps)) as items:
            async for _ in items:
                pass

    task = asyncio.create_task(read())
    await _reached(started)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await _reached(stopped)
    await _reached(closed)
    assert threads[0] is not threading.main_thread()


async def test_work_between_two_items_is_closed_where_its_reader_leaves(workers: Workers) -> None:
    closed = threading.Event()

    def steps(feed: Feed[int]) -> Iterator[int]:
        try:
            yield 1
            yield 2
        finally:
            closed.set()

    async with aclosing(workers.run(steps)) as items:
        assert await anext(items) == 1
    await _reached(closed)


async def test_a_step_that_does_not_end_holds_up_the_end_of_no_other_work(workers: Workers) -> None:
    started, release, closed = threading.Event(), threading.Event(), threading.Event()

    def stubborn(feed: Feed[int]) -> Iterator[int]:
        started.set()
        release.wait(PATIENCE)
        yield 1

    def other(feed: Feed[int]) -> Iterator[int]:
        try:
            yield 1
        finally:
            closed.set()

    async with aclosing(workers.run(other)) as items:
        await anext(items)
        task = asyncio.create_task(anext(aiter(workers.run(stubborn))))
        await _reached(started)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    try:
        await _reached(closed)
        assert not release.is_set()
    finally:
        release.set()


async def test_half_a_stream_is_not_taken_for_a_whole_one(workers: Workers, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client's departure looks like the end of its stream, a moment before the request is cancelled."""
    monkeypatch.setattr(work, "_END_SECONDS", PATIENCE)
    whole: list[int] = []
    half_read, over = threading.Event(), threading.Event()

    def store(feed: Feed[int]) -> int:
        read = []
        try:
            for number in feed:
                read.append(number)
                if len(read) == 3:
                    half_read.set()
            whole.extend(read)
        finally:
            over.set()
        return len(read)

    task = asyncio.create_task(workers.one(store, _numbers(3)))
    await _reached(half_read)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await _reached(over)
    assert whole == []


async def test_a_feed_does_not_run_ahead_of_its_reader(workers: Workers) -> None:
    given = 0
    ask = threading.Event()

    async def messages() -> AsyncIterator[int]:
        nonlocal given
        for number in range(100):
            given = number + 1
            yield number

    def steps(feed: Feed[int]) -> int:
        assert ask.wait(PATIENCE)
        return sum(feed)

    task = asyncio.create_task(workers.one(steps, messages()))
    for _ in range(1000):
        await asyncio.sleep(0)
    assert given == 0
    ask.set()
    assert await task == sum(range(100))


def test_a_few_threads_have_a_turn_and_the_others_wait() -> None:
    turns, inside, go = Turns(2, seconds=3600.0), threading.Semaphore(0), threading.Event()

    def one() -> None:
        with turns.turn():
            inside.release()
            assert go.wait(PATIENCE)

    threads = [threading.Thread(target=one) for _ in range(3)]
    for thread in threads:
        thread.start()
    assert inside.acquire(timeout=PATIENCE)
    assert inside.acquire(timeout=PATIENCE)
    assert not inside.acquire(timeout=0.05)
    go.set()
    assert inside.acquire(timeout=PATIENCE)
    for thread in threads:
        thread.join(PATIENCE)


def test_a_turn_that_lasts_is_taken_over() -> None:
    turns, inside, go = Turns(1, seconds=0.01), threading.Semaphore(0), threading.Event()

    def one() -> None:
        with turns.turn():
            inside.release()
            assert go.wait(PATIENCE)

    threads = [threading.Thread(target=one) for _ in range(5)]
    for thread in threads:
        thread.start()
    for _ in threads:
        assert inside.acquire(timeout=PATIENCE)
    go.set()
    for thread in threads:
        thread.join(PATIENCE)


def test_who_waits_for_something_else_gives_up_its_turn() -> None:
    turns, reached = Turns(1, seconds=3600.0), threading.Event()

    def other() -> None:
        with turns.turn():
            reached.set()

    with waiting():
        pass  # without a turn there is none to give up
    with turns.turn(), waiting():
        thread = threading.Thread(target=other)
        thread.start()
        assert reached.wait(PATIENCE)
        thread.join(PATIENCE)


async def test_the_next_message_is_read_when_it_is_asked_for(workers: Workers) -> None:
    read: list[int] = []

    async def messages() -> AsyncIterator[int]:
        for number in range(3):
            read.append(number)
            yield number

    def one_by_one(feed: Feed[int]) -> Iterator[int]:
        for number in feed:
            assert read == list(range(number + 1))
            yield number

    assert [item async for item in workers.run(one_by_one, messages())] == [0, 1, 2]


async def test_what_is_made_beside_the_loop_comes_back_and_its_errors_too() -> None:
    places = asyncio.Semaphore(1)
    assert await beside_the_loop(threading.get_ident, places) != threading.get_ident()
    with pytest.raises(ZeroDivisionError):
        await beside_the_loop(lambda: 1 // 0, places)
    assert await beside_the_loop(lambda: 2, places) == 2


async def test_what_is_made_beside_the_loop_stops_when_its_caller_has_gone() -> None:
    begun, ended = threading.Event(), threading.Event()

    def endless() -> None:
        begun.set()
        try:
            while True:
                check_here()
        finally:
            ended.set()

    asked = asyncio.create_task(beside_the_loop(endless, asyncio.Semaphore(1)))
    assert await asyncio.to_thread(begun.wait, PATIENCE)
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    assert await asyncio.to_thread(ended.wait, PATIENCE)
