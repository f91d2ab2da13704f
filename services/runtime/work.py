"""Domain work beside the event loop: a stream of messages into a thread, a generator's items out of it.

Both ways are bounded. When nobody waits for the work any more, its next look at its input or its check raises
`Stopped`, and the generator is closed in its own thread, so that files are given back and nothing is half-written.

A client that breaks off must not make half a stream look whole: gRPC may show its departure as an end of the stream,
and cancel the request a moment later. `Feed` therefore waits for a moment before it passes an end on. This guard stands
here, for every service whose work *reads its input through a feed*, because such work acts on the end of its input by
itself, and what it then does outlives the request: datagen stores a dataset that `ListDatasets` shows to everybody.
A request that is read on the event loop and handed to a thread whole, as metrics and the encoder do, needs no guard and
does not pay for it with its delay: the cancellation reaches the coroutine itself, the answer goes to nobody, and what
is stored on the way (rows in scratch, sums, maps) is named by its content, so that half of a corpus never takes the
name of the whole.
"""

import asyncio
import contextvars
import queue
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import aclosing, contextmanager
from typing import Any, Final, Generic, TypeVar, overload

from services.runtime.memory import Account, Memory, accounted

In = TypeVar("In")
Out = TypeVar("Out")

_END: Final = object()
_END_SECONDS: Final = 0.05
"""How long an end of a stream is waited for to be none."""

importing: Final = threading.RLock()
"""Held around the import of a large library within a function that several threads may run.

transformers resolves its names lazily: two threads that ask for the first ones at once may be told that a name does not
exist, because the module that has it is half imported.
"""


_AT_ONCE: Final = 2
_TURN_SECONDS: Final = 0.25


class Stopped(Exception):
    """The work was stopped: nobody waits for it."""


_here = threading.local()


def check_here() -> None:
    """Raises `Stopped` where nobody waits for the work of this thread any more.

    For long steps deep within the work, to which no feed's check was passed. Outside of `watched` it does nothing.
    """
    check = getattr(_here, "check", None)
    if check is not None:
        check()


@contextmanager
def watched(check: Callable[[], None]) -> Iterator[None]:
    """While it is open, `check_here` calls `check` in this thread."""
    _here.check = check
    try:
        yield
    finally:
        _here.check = None


async def beside_the_loop(make: Callable[[], Out], places: asyncio.Semaphore) -> Out:
    """Makes something in a thread, and stops it by `check_here` when its caller is cancelled.

    Args:
        make: Makes it.
        places: How many threads may do so at once.
    """
    left = threading.Event()

    def check() -> None:
        if left.is_set():
            raise Stopped

    def watched_make() -> Out:
        with watched(check):
            return make()

    try:
        async with places:
            return await asyncio.to_thread(watched_make)
    finally:
        left.set()


class Turns:
    """Lets a few threads at a time compute, as all of them and the event loop share Python's lock.

    The loop is one of those who wait for the lock. Among 64 threads that compute it would get it a few times a second,
    and a health check takes several times to be answered. A turn is a courtesy that ends of itself after a while: work
    that waits for something else, or is long, holds up nobody.

    Args:
        at_once: Threads that have a turn.
        seconds: Time after which another thread may take a turn over.
    """

    def __init__(self, at_once: int = _AT_ONCE, seconds: float = _TURN_SECONDS) -> None:
        self._at_once = at_once
        self._seconds = seconds
        self._change = threading.Condition()
        self._begun: dict[int, float] = {}

    @contextmanager
    def turn(self) -> Iterator[None]:
        """A turn of this thread."""
        self._begin()
        before, _here.turns = getattr(_here, "turns", None), self
        try:
            yield
        finally:
            _here.turns = before
            self._end()

    @contextmanager
    def pause(self) -> Iterator[None]:
        """No turn of this thread, while it waits for something."""
        self._end()
        try:
            yield
        finally:
            self._begin()

    def _begin(self) -> None:
        with self._change:
            while len(self._begun) >= self._at_once:
                oldest, begun = next(iter(self._begun.items()))
                left = begun + self._seconds - time.monotonic()
                if left <= 0:
                    del self._begun[oldest]
                else:
                    self._change.wait(left)
            self._begun[threading.get_ident()] = time.monotonic()

    def _end(self) -> None:
        with self._change:
            if self._begun.pop(threading.get_ident(), None) is not None:
                self._change.notify()


@contextmanager
def waiting() -> Iterator[None]:
    """While it is open, this thread waits, and others may compute in its turn."""
    turns = getattr(_here, "turns", None)
    if turns is None:
        yield
        return
    with turns.pause():
        yield


class Feed(Generic[In]):
    """A stream of messages, read by a thread while the loop fills it. Make it where a loop runs."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._loop = asyncio.get_running_loop()
        self._asked = asyncio.Semaphore(0)
        self._gone = threading.Event()

    async def fill(self, messages: AsyncIterator[In]) -> None:
        """Passes on all messages; an error in them is raised where they are read.

        The next one is read when it is asked for: what nobody works on yet would wait in memory.
        """
        try:
            await self._asked.acquire()
            async for message in messages:
                self._queue.put(message)
                await self._asked.acquire()
        except Exception as error:  # raised again by the reader, whose request it fails
            self._queue.put(error)
        else:
            # See the module's docstring: an end may be a departure.
            await asyncio.sleep(_END_SECONDS)
            self._queue.put(_END)

    def stop(self) -> None:
        """Nobody waits for the work any more: the reader finds out at its next look."""
        self._gone.set()
        self._queue.put(_END)

    def check(self) -> None:
        """Raises `Stopped` where nobody waits for the work any more."""
        if self._gone.is_set():
            raise Stopped

    def __iter__(self) -> Iterator[In]:
        while True:
            self._loop.call_soon_threadsafe(self._asked.release)
            with waiting():
                message = self._queue.get()
            self.check()
            if message is _END:
                return
            if isinstance(message, Exception):
                raise message
            yield message


class Workers:
    """Threads for requests.

    Args:
        threads: Requests at work at once; others wait their turn between two items of an answer, and one that waits
            for its client's next message holds a thread.
        name: Prefix of the threads' names.
        memory: Memory of the server: what work counts by `memory.hold_here` is taken from it until the work is closed.
    """

    def __init__(self, threads: int, name: str = "work", memory: Memory | None = None) -> None:
        self._memory = memory
        self._turns = Turns()
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._ends = ThreadPoolExecutor(1, thread_name_prefix=f"{name}-end")

    @overload
    def run(
        self, make: Callable[[Feed[In]], Iterator[Out]], messages: AsyncIterator[In] | None = None
    ) -> AsyncGenerator[Out, None]: ...

    @overload
    def run(
        self, make: Callable[[Feed[In]], Iterator[Out]], messages: AsyncIterator[In] | None = None, *, tick: float
    ) -> AsyncGenerator[Out | None, None]: ...

    async def run(
        self,
        make: Callable[[Feed[In]], Iterator[Out]],
        messages: AsyncIterator[In] | None = None,
        *,
        tick: float | None = None,
    ) -> AsyncGenerator[Out | None, None]:
        """Steps a generator in a thread.

        Args:
            make: Function from the feed to the generator; work without input uses the feed's `check` only.
            messages: What the feed gives; nothing where None.
            tick: Seconds after which None is yielded in want of an item.

        Yields:
            What the generator yields.
        """
        feed: Feed[In] = Feed()
        filling = asyncio.create_task(feed.fill(messages)) if messages is not None else None
        work = make(feed)
        context = contextvars.copy_context()  # the thread's log lines, and what it asks of others, are the request's
        account = Account(self._memory) if self._memory is not None else None
        step: Future[Any] | None = None
        try:
            while True:
                step = self._pool.submit(context.run, self._step, work, feed, account)
                stepped = asyncio.wrap_future(step)
                stepped.add_done_callback(_noted)
                while not (await asyncio.wait([stepped], timeout=tick))[0]:
                    yield None
                item = stepped.result()
                if item is _END:
                    return
                yield item
        finally:
            if filling is not None:
                filling.cancel()
            feed.stop()
            if step is None:
                self._ends.submit(_close, work, account)
            else:
                # Not before its last step is over; a step that takes long holds up the end of no other work.
                step.cancel()
                step.add_done_callback(lambda _: self._ends.submit(_close, work, account))

    async def one(self, make: Callable[[Feed[In]], Out], messages: AsyncIterator[In] | None = None) -> Out:
        """Runs a function in a thread, with a feed that says when nobody waits for it any more."""

        def step(feed: Feed[In]) -> Iterator[Out]:
            yield make(feed)

        async with aclosing(self.run(step, messages)) as work:
            async for item in work:
                return item
        raise AssertionError("a function returns or raises")

    async def call(self, work: Callable[[], Out]) -> Out:
        """Runs a function in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, contextvars.copy_context().run, work)

    def _step(self, work: Iterator[Any], feed: Feed[Any], account: Account | None) -> Any:
        """The next item of a generator, or `_END`; meanwhile the thread knows if it is waited for, and who pays."""
        with self._turns.turn(), watched(feed.check), accounted(account):
            return next(work, _END)

    async def close(self) -> None:
        """Lets running steps end and releases the threads."""
        await asyncio.to_thread(self._pool.shutdown, cancel_futures=True)
        await asyncio.to_thread(self._ends.shutdown)


def _noted(waiting: "asyncio.Future[Any]") -> None:
    """Looks at how a step ended, which nobody else does where nobody waits for it."""
    if not waiting.cancelled():
        waiting.exception()


def _close(work: Any, account: Account | None) -> None:
    """Closes a generator (any other iterator has nothing to close), and gives back what it held."""
    try:
        if hasattr(work, "close"):
            work.close()
    finally:
        if account is not None:
            account.give(account.held)
