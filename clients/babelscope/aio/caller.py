"""The asynchronous caller: one loop of attempts for calls with one answer, one for calls whose answer is a stream."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator
from types import TracebackType
from typing import Any, Self, TypeVar

import grpc

from babelscope.transport.attempts import CallerBase, StreamedCall
from babelscope.transport.channel import ClientConfig, open_aio_channel
from babelscope.transport.first_status import FirstStatus
from babelscope.transport.services import Service

Part = TypeVar("Part")
Item = TypeVar("Item")
Found = TypeVar("Found")


class AsyncCaller(CallerBase):
    """Calls one service. Tasks of one loop may share one caller.

    Args:
        service: The service.
        stub: Makes its stub.
        config: Address of the server and how to speak to it; a plain address will do.
        channel: The transport; opened to the configured address, at the first call, where None.
    """

    def __init__(
        self,
        service: Service,
        stub: Callable[[grpc.aio.Channel], Any],
        config: ClientConfig | str,
        channel: grpc.aio.Channel | None = None,
    ) -> None:
        super().__init__(service, config)
        self._make_stub = stub
        self._channel = channel
        self._stub: Any = None

    def method(self, name: str) -> Any:
        """A method of the stub; a channel belongs to the loop that runs when it is opened."""
        if self._stub is None:
            self._channel = self._channel or open_aio_channel(self.config)
            self._stub = self._make_stub(self._channel)
        return getattr(self._stub, name)

    async def close(self) -> None:
        """Closes the channel."""
        if self._channel is not None:
            await self._channel.close()

    async def unary(self, name: str, request: Any, timeout: float | None = None, *, repeatable: bool = True) -> Any:
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
                sent = request() if callable(request) else request
                answer = None
                async with _Attempt(self.method(name), sent, attempts.begin()) as attempt:
                    answer = await attempt.call
                attempt.check()
                if attempt.error is None:
                    attempts.answered()
                    return answer
                await asyncio.sleep(attempts.delay(attempt.status or attempt.error, repeatable=repeatable))

    async def stream(self, call: StreamedCall[Part], timeout: float | None = None) -> AsyncGenerator[Part, None]:
        """What the answer of a call gives, as it comes. The call is made when this is first read.

        Args:
            call: The call.
            timeout: Seconds for all attempts; those configured for streams where None.

        Raises:
            RpcError: The server answered with an error, or could not be reached for too long.
        """
        with self.attempts(call.method, self.stream_timeout(timeout)) as attempts:
            while True:
                async with _Attempt(self.method(call.method), call.begin(), attempts.begin()) as attempt:
                    async for response in attempt.call:
                        parts = call.receive(response)
                        attempts.answered(progress=bool(parts))
                        for part in parts:
                            yield part
                attempt.check()
                if attempt.status is None:
                    call.finish()
                    return
                await asyncio.sleep(attempts.delay(attempt.status, repeatable=call.repeatable))


class _Attempt:
    """One attempt of a call, which ends with its context, and the task that sends its messages where there are several.

    Args:
        method: The method of the stub.
        request: A message, or an iterator of messages.
        settings: What the call takes besides.
    """

    def __init__(self, method: Any, request: Any, settings: dict[str, Any]) -> None:
        self.error: grpc.RpcError | None = None
        """How the attempt broke; None where it did not."""
        self.status: Any = None
        """The same with the status that the server sent; None where that was OK."""
        self._sender: asyncio.Task[None] | None = None
        if isinstance(request, Iterator):
            self.call = method(**settings)
            self._sender = asyncio.create_task(_send(self.call, request))
        else:
            self.call = method(request, **settings)
        self._first_status = FirstStatus(self.call)

    def check(self) -> None:
        """Raises what kept the messages from being made, if anything did."""
        if self._sender is not None and self._sender.done() and not self._sender.cancelled():
            error = self._sender.exception()
            if error is not None:
                raise error

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        self.call.cancel()
        if self._sender is not None:
            self._sender.cancel()
            await asyncio.wait([self._sender])
        if isinstance(error, grpc.RpcError):
            self.error, self.status = error, self._first_status.of(error)
        elif isinstance(error, asyncio.CancelledError):
            self.check()  # the call was cancelled because a message could not be made
        return self.error is not None


async def _send(call: Any, requests: Iterator[Any]) -> None:
    """Sends all messages of an attempt; one that cannot be made cancels the call: half a stream must not look whole."""
    try:
        for request in requests:
            await call.write(request)
        await call.done_writing()
    except (grpc.RpcError, asyncio.InvalidStateError):
        return  # the call is over; the reader learns why
    except Exception:
        call.cancel()
        raise


async def together(function: Callable[[Item], Awaitable[Found]], items: Iterable[Item]) -> tuple[Found, ...]:
    """A function of each item, all at the same time; results in the order of the items."""
    return tuple(await asyncio.gather(*map(function, items)))
