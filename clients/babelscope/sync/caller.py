"""The synchronous caller: one loop of attempts for calls with one answer, one for calls whose answer is a stream."""

import time
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self, TypeVar

import grpc

from babelscope.transport.attempts import CallerBase, StreamedCall
from babelscope.transport.channel import ClientConfig, open_channel
from babelscope.transport.failure import Failure
from babelscope.transport.services import Service

Part = TypeVar("Part")
Item = TypeVar("Item")
Found = TypeVar("Found")


class Caller(CallerBase):
    """Calls one service. Threads may share one caller.

    Args:
        service: The service.
        stub: Makes its stub.
        config: Where the server is, and how to speak to it; an address alone will do.
        channel: The transport; opened to the configured address where None.
    """

    def __init__(
        self,
        service: Service,
        stub: Callable[[grpc.Channel], Any],
        config: ClientConfig | str,
        channel: grpc.Channel | None = None,
    ) -> None:
        super().__init__(service, config)
        self._channel = channel or open_channel(self.config)
        self._stub = stub(self._channel)

    def method(self, name: str) -> Any:
        """A method of the stub."""
        return getattr(self._stub, name)

    def close(self) -> None:
        """Closes the channel."""
        self._channel.close()

    def unary(self, name: str, request: Any, timeout: float | None = None, *, repeatable: bool = True) -> Any:
        """The answer of a call that has one.

        Args:
            name: Name of the method.
            request: A message, or a function that makes the iterator over the messages of an attempt.
            timeout: Seconds for all attempts; the configured ones where None.
            repeatable: Whether the call can be made again.

        Raises:
            RpcError: The server answered with an error, or could not be reached for too long.
        """
        with self.attempts(name, self.config.timeout if timeout is None else timeout) as attempts:
            while True:
                answer = None
                with _Attempt() as attempt:
                    if callable(request):
                        answer = attempt.call(self.method(name).future, request(), attempts.begin()).result()
                    else:
                        answer = self.method(name)(request, **attempts.begin())
                attempt.check()
                if attempt.error is None:
                    attempts.answered()
                    return answer
                time.sleep(attempts.delay(attempt.error, repeatable=repeatable))

    def stream(self, call: StreamedCall[Part], timeout: float | None = None) -> Generator[Part, None, None]:
        """What the answer of a call gives, as it comes. The call is made when this is first read.

        Args:
            call: The call.
            timeout: Seconds for all attempts; those configured for streams where None.

        Raises:
            RpcError: The server answered with an error, or could not be reached for too long.
        """
        with self.attempts(call.method, self.stream_timeout(timeout)) as attempts:
            while True:
                with _Attempt() as attempt:
                    for response in attempt.call(self.method(call.method), call.begin(), attempts.begin()):
                        parts = call.receive(response)
                        attempts.answered(progress=bool(parts))
                        yield from parts
                attempt.check()
                if attempt.error is None:
                    call.finish()
                    return
                time.sleep(attempts.delay(attempt.error, repeatable=call.repeatable))


class _Attempt:
    """One attempt of a call, which ends with its context."""

    def __init__(self) -> None:
        self.error: grpc.RpcError | None = None
        """How the attempt broke; None where it did not."""
        self._failure = Failure()

    def call(self, method: Any, request: Any, settings: dict[str, Any]) -> Any:
        """Makes the call.

        Args:
            method: The method of the stub.
            request: A message, or an iterator of messages.
            settings: What the call takes besides.
        """
        sent = self._failure.guard(request) if isinstance(request, Iterator) else request
        return self._failure.of(method(sent, **settings))

    def check(self) -> None:
        """Raises what kept the messages from being made, if anything did."""
        self._failure.check()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        self._failure.end()
        if isinstance(error, grpc.RpcError):
            self.error = error
        elif isinstance(error, grpc.FutureCancelledError):
            self.check()  # the call was cancelled because a message could not be made
        return self.error is not None


def together(function: Callable[[Item], Found], items: Iterable[Item]) -> tuple[Found, ...]:
    """A function of each item, all at the same time; results in the order of the items."""
    waiting = tuple(items)
    with ThreadPoolExecutor(max(1, len(waiting))) as pool:
        return tuple(pool.map(function, waiting))
