"""Work in threads that clients share fairly: who has much to do does not keep others waiting.

Each piece of work has a cost and gets a start tag, `max(clock, the end of the client's last piece)`; the piece of the
smallest tag is next (start-time fair queueing, Goyal et al. 1996). Pieces of more than `large` never take all threads,
so that a small one waits for small ones at most.
"""

import asyncio
import heapq
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, TypeVar

from services.runtime.work import Stopped, watched

_Result = TypeVar("_Result")


@dataclass(order=True, slots=True)
class _Piece:
    """Work that waits for its turn.

    Args:
        tag: Place in the order.
        number: Place among equal tags: first come, first served.
        client: Client whose work it is.
        work: Function that does it.
        done: Future that is given the result.
    """

    tag: float
    number: int
    client: str = field(compare=False)
    work: Callable[[], Any] = field(compare=False)
    done: "asyncio.Future[Any]" = field(compare=False)


class Turns:
    """Threads, and the pieces of work that wait for them. All methods are called from one event loop.

    Args:
        threads: Number of threads; at least 2.
        large: Cost above which a piece is large.
        name: Prefix of the threads' names.
    """

    def __init__(self, threads: int, large: int, name: str) -> None:
        self._large: Final = large
        self._most_large = threads - 1
        self._free = threads
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._small_waiting: list[_Piece] = []
        self._large_waiting: list[_Piece] = []
        self._large_running = self._number = 0
        self._clock = 0.0
        self._ends: dict[str, float] = {}
        """By client, the end tag of its last piece while it is ahead of the clock."""

    async def take(self, client: str, cost: int, work: Callable[[], _Result]) -> _Result:
        """Has a piece of work done when its turn has come; not at all, or not to its end, where the caller has gone.

        Args:
            client: Client whose work it is.
            cost: Size of the work, in any unit.
            work: Function that is called in a thread.
        """
        tag = max(self._clock, self._ends.get(client, 0.0))
        self._ends[client] = tag + cost
        self._number += 1
        done: asyncio.Future[_Result] = asyncio.get_running_loop().create_future()
        queue = self._large_waiting if cost > self._large else self._small_waiting
        heapq.heappush(queue, _Piece(tag, self._number, client, work, done))
        self._start()
        return await done

    async def close(self) -> None:
        """Ends the threads, after the work in hand; what waits is not done."""
        for queue in (self._small_waiting, self._large_waiting):
            for piece in queue:
                piece.done.cancel()
            queue.clear()
        await asyncio.to_thread(self._pool.shutdown)

    def _start(self) -> None:
        """Starts what has its turn, as long as threads are free."""
        while self._free and (queue := self._next()) is not None:
            piece = heapq.heappop(queue)
            if piece.done.cancelled():
                continue
            self._clock = max(self._clock, piece.tag)
            self._ends = {client: end for client, end in self._ends.items() if end > self._clock}
            is_large = queue is self._large_waiting
            self._free -= 1
            self._large_running += is_large
            running = asyncio.get_running_loop().run_in_executor(self._pool, partial(_done, piece))
            running.add_done_callback(partial(self._end, piece, is_large))

    def _next(self) -> list[_Piece] | None:
        """The queue whose first piece is next; None where nothing may start."""
        queues = [self._small_waiting]
        if self._large_running < self._most_large:
            queues.append(self._large_waiting)
        return min(filter(None, queues), key=lambda queue: queue[0], default=None)

    def _end(self, piece: _Piece, large: bool, ended: "asyncio.Future[Any]") -> None:
        """Hands on what became of a piece, and starts the next."""
        self._free += 1
        self._large_running -= large
        error = ended.exception()
        if not piece.done.cancelled():
            if error is None:
                piece.done.set_result(ended.result())
            else:
                piece.done.set_exception(error)
        self._start()


def _done(piece: _Piece) -> Any:
    """Does a piece of work in this thread; it stops at its next `check_here` where nobody waits for it any more."""

    def check() -> None:
        if piece.done.cancelled():
            raise Stopped

    with watched(check):
        return piece.work()
