"""What happens around every RPC: its id, who calls, limits, telemetry, and errors with details.

One interceptor for all four kinds of RPC. A handler that streams its answer is run as a coroutine that writes, never
as a generator that gRPC pulls from: a client that vanishes then cancels the handler itself, at once, and not some
time later through the garbage collector.
"""

import asyncio
import logging
import re
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager, suppress
from inspect import isasyncgenfunction, iscoroutinefunction
from typing import Any

import grpc

from services.runtime import logs
from services.runtime.errors import InvalidArgument, LimitExceeded, ServiceError, Unavailable
from services.runtime.rpc import deadline, security, status
from services.runtime.rpc.health import SERVICE as HEALTH
from services.runtime.telemetry import Method, Telemetry

log = logging.getLogger(__name__)

_REQUEST_ID = re.compile(r"[\x21-\x7e]{1,128}")
_KINDS = {
    (False, False): "unary",
    (True, False): "client_stream",
    (False, True): "server_stream",
    (True, True): "bidi_stream",
}

_STREAMS_IN = frozenset({"client_stream", "bidi_stream"})
_READ_OUT_SECONDS = 0.2

Handler = Callable[[Any, Any], Awaitable[Any]]


class _Refused:
    """Stands for a message that is refused, until there is a context to say so in."""

    def __init__(self, problem: ServiceError) -> None:
        self.problem = problem


class Door(grpc.aio.ServerInterceptor):
    """The door that every RPC of a server passes.

    Args:
        telemetry: Where RPCs are counted.
        token: Bearer token that clients must present; None for none. Health checks need none.
        max_streams: RPCs at once. Health and reflection are neither counted nor held up.
        max_message_bytes: Longest message of a client.
        infrastructure: Full names of the services that are there for the server's own sake.
    """

    def __init__(
        self,
        telemetry: Telemetry,
        *,
        token: str | None,
        max_streams: int,
        max_message_bytes: int,
        infrastructure: frozenset[str],
    ) -> None:
        self._telemetry = telemetry
        self._token = token
        self._max_streams = max_streams
        self._max_message_bytes = max_message_bytes
        self._infrastructure = infrastructure
        self._wrapped: dict[str, Any] = {}
        self.running = 0
        self.ready = False

    async def intercept_service(self, continuation: Any, handler_call_details: Any) -> Any:
        """Wraps a method's handler, once; unknown methods stay unknown and leave no trace in the metrics."""
        name = handler_call_details.method
        wrapped = self._wrapped.get(name)
        if wrapped is None:
            handler = await continuation(handler_call_details)
            if handler is None:
                return None
            wrapped = self._wrapped[name] = self._wrap(name, handler)
        return wrapped

    def _wrap(self, path: str, handler: Any) -> Any:
        """A handler that does what the given one does, behind the door."""
        service, _, name = path.lstrip("/").rpartition("/")
        method = Method(service, name, _KINDS[handler.request_streaming, handler.response_streaming])
        if handler.response_streaming:
            inner = handler.stream_stream if handler.request_streaming else handler.unary_stream
            outer = self._streaming(method, _given(inner))
            kind = (
                grpc.stream_stream_rpc_method_handler
                if handler.request_streaming
                else grpc.unary_stream_rpc_method_handler
            )
        else:
            inner = handler.stream_unary if handler.request_streaming else handler.unary_unary
            outer = self._single(method, _given(inner))
            kind = (
                grpc.stream_unary_rpc_method_handler
                if handler.request_streaming
                else grpc.unary_unary_rpc_method_handler
            )
        return kind(outer, *self._coders(method, handler))

    def _single(self, method: Method, inner: Any) -> Handler:
        """Wraps a handler that returns its answer."""
        if not iscoroutinefunction(inner):
            raise TypeError(f"Expected {method.name} to be a coroutine function")

        async def outer(request: Any, context: Any) -> Any:
            async with self._call(method, request, context):
                return await inner(_checked(request), context)

        return outer

    def _streaming(self, method: Method, inner: Any) -> Handler:
        """Wraps a handler that yields its answers, or writes them itself."""
        if not isasyncgenfunction(inner) and not iscoroutinefunction(inner):
            raise TypeError(f"Expected {method.name} to be an asynchronous generator or a coroutine function")

        async def outer(request: Any, context: Any) -> None:
            async with self._call(method, request, context):
                if not isasyncgenfunction(inner):
                    await inner(_checked(request), context)
                    return
                async with aclosing(inner(_checked(request), context)) as answers:
                    async for answer in answers:
                        await context.write(answer)

        return outer

    def _coders(self, method: Method, handler: Any) -> tuple[Callable[[bytes], Any], Callable[[Any], bytes]]:
        """The (de)serialisers, which count bytes, and tell a client whose bytes are no message."""
        decode = handler.request_deserializer or bytes
        encode = handler.response_serializer or bytes
        received, sent = self._telemetry.received(method), self._telemetry.sent(method)

        def decoder(data: bytes) -> Any:
            received(len(data))
            try:
                self._measure(data)
                return decode(data)
            except Exception as error:  # a client's bytes may break a parser in any way
                problem: ServiceError = InvalidArgument("request", f"Expected a message of {method.name}: {error}")
                if isinstance(error, LimitExceeded):
                    problem = error
                if handler.request_streaming:  # within the handler, which reads the stream
                    raise problem from None
                return _Refused(problem)

        def encoder(message: Any) -> bytes:
            data: bytes = encode(message)
            sent(len(data))
            return data

        return decoder, encoder

    def _measure(self, data: bytes) -> None:
        """Refuses a message that is too long."""
        if len(data) > self._max_message_bytes:
            problem = f"Expected a message of at most {self._max_message_bytes} bytes, but got {len(data)}"
            raise LimitExceeded("max_message_bytes", problem)

    def _admit(self, method: Method, context: Any) -> None:
        """Refuses whoever may not come in, or not now."""
        if self._token is not None and method.service != HEALTH:
            security.check_token(self._token, context.invocation_metadata() or ())
        if method.service in self._infrastructure:
            return
        if not self.ready:
            raise Unavailable("The server is not ready: it is loading or draining")
        if self.running >= self._max_streams:
            raise LimitExceeded(
                "max_streams", f"Expected at most {self._max_streams} RPCs at once, but got one more", retry_after=1.0
            )

    @contextmanager
    def _admitted(self, method: Method, context: Any) -> Iterator[None]:
        """Lets an RPC in and counts it while it runs."""
        self._admit(method, context)
        if method.service in self._infrastructure:
            yield
            return
        self.running += 1
        try:
            yield
        finally:
            self.running -= 1

    @asynccontextmanager
    async def _call(self, method: Method, request: Any, context: Any) -> AsyncIterator[None]:
        """One RPC from its beginning to its end."""
        request_id = _request_id(context)
        logs.request_id.set(request_id)  # of the RPC's own task: there is nothing to reset
        context.set_trailing_metadata(((status.REQUEST_ID_KEY, request_id),))
        self._telemetry.begun(method)
        began = time.perf_counter()
        code = grpc.StatusCode.UNKNOWN
        try:
            with self._admitted(method, context):
                yield
            code = _code(context)
        except grpc.aio.AbortError:
            code = _code(context)
            raise
        except (Exception, asyncio.CancelledError) as error:  # the boundary: every error gets a status
            if _is_cancellation(error):
                code = _cancelled(context)
                raise
            if not status.is_known(error):
                log.error("rpc failed", exc_info=error, extra={"method": method.name})
            answer = status.to_status(error, request_id)
            code = status.status_code(answer.code)
            if method.kind in _STREAMS_IN:
                await _read_out(request)
            await context.abort(code, answer.message, status.trailing_metadata(answer, request_id))
        finally:
            seconds = time.perf_counter() - began
            self._telemetry.ended(method, code.name, seconds)
            log.log(
                logging.DEBUG if method.service in self._infrastructure else logging.INFO,
                "rpc",
                extra={
                    "service": method.service,
                    "method": method.name,
                    "code": code.name,
                    "seconds": round(seconds, 6),
                    "peer": context.peer(),
                },
            )


async def _read_out(requests: AsyncIterator[Any]) -> None:
    """Takes what a refused client is about to send anyway, for a moment.

    A client that is cut off while it writes may never see why: grpc.aio shows its own failure to write in place of the
    status (grpc issue 36066). Most refused streams are short, and end by themselves.
    """
    with suppress(Exception):  # whatever is wrong with these messages too: they were refused already
        async with asyncio.timeout(_READ_OUT_SECONDS):
            async for _ in requests:
                pass


def _checked(request: Any) -> Any:
    """A request, unless it is refused."""
    if isinstance(request, _Refused):
        raise request.problem
    return request


def _given(inner: Any) -> Any:
    """A service's handler; in place of the generated base's, which is written for threads, one that says the same."""
    return _unimplemented if inner.__module__.endswith("_pb2_grpc") else inner


async def _unimplemented(request: Any, context: Any) -> None:
    """Answers for a method of the contract that a service does not offer yet."""
    del request
    await context.abort(grpc.StatusCode.UNIMPLEMENTED, "This server does not offer this method yet")


def _request_id(context: Any) -> str:
    """The id that the client gave its request where it is printable and short, otherwise a new one."""
    for key, value in context.invocation_metadata() or ():
        if key == status.REQUEST_ID_KEY and isinstance(value, str) and _REQUEST_ID.fullmatch(value):
            return value
    return uuid.uuid4().hex


def _code(context: Any) -> grpc.StatusCode:
    """The status that a handler set, OK where it set none."""
    code = context.code()
    if isinstance(code, grpc.StatusCode):
        return code
    return status.status_code(code or 0)


def _is_cancellation(error: BaseException) -> bool:
    """Whether this very RPC was cancelled.

    A handler may also await something else that was cancelled. gRPC takes either for the client's departure and would
    answer nothing, so that a client that is still there waits for ever.
    """
    task = asyncio.current_task()
    return isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling() > 0


def _cancelled(context: Any) -> grpc.StatusCode:
    """Why an RPC was cancelled: its deadline passed, or its client left."""
    return grpc.StatusCode.DEADLINE_EXCEEDED if deadline.remaining(context) == 0.0 else grpc.StatusCode.CANCELLED
