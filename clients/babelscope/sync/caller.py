"""The synchronous caller: one loop of attempts for calls with one answer, one for calls whose answer is a stream."""

import time
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

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
        attempts = self.attempts(name, self.config.timeout if timeout is None else timeout)
        while True:
            failure = Failure()
            broken: grpc.RpcError | None = None
            answer = None
            try:
                if callable(request):
                    sent = failure.guard(request())
                    answer = failure.of(self.method(name).future(sent, **attempts.begin())).result()
                else:
                    answer = self.method(name)(request, **attempts.begin())
            except grpc.FutureCancelledError:
                failure.check()
                raise
            except grpc.RpcError as error:
                broken = error
            finally:
                failure.end()
            failure.check()
            if broken is None:
                attempts.answered()
                return answer
            time.sleep(attempts.delay(broken, repeatable=repeatable))

    def stream(self, call: StreamedCall[Part], timeout: float | None = None) -> Generator[Part, None, None]:
        """What the answer of a call gives, as it comes. The call is made when this is first read.

        Args:
            call: The call.
            timeout: Seconds for all attempts; those configured for streams where None.

        Raises:
            RpcError: The server answered with an error, or could not be reached for too long.
        """
        attempts = self.attempts(call.method, self.stream_timeout(timeout))
        while True:
            failure = Failure()
            request = call.begin()
            sent = failure.guard(request) if isinstance(request, Iterator) else request
            running = failure.of(self.method(call.method)(sent, **attempts.begin()))
            broken: grpc.RpcError | None = None
            try:
                for response in running:
                    parts = call.receive(response)
                    attempts.answered(progress=bool(parts))
                    yield from parts
            except grpc.RpcError as error:
                broken = error
            finally:
                failure.end()
            failure.check()
            if broken is None:
                call.finish()
                return
            time.sleep(attempts.delay(broken, repeatable=call.repeatable))


def together(function: Callable[[Item], Found], items: Iterable[Item]) -> tuple[Found, ...]:
    """A function of each item, all at the same time; results in the order of the items."""
    waiting = tuple(items)
    with ThreadPoolExecutor(max(1, len(waiting))) as pool:
        return tuple(pool.map(function, waiting))
