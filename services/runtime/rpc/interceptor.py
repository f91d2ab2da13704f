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
from contextlib import aclosing, asynccontextmanager, contextmanager
from functools import partial
from inspect import isasyncgenfunction, iscoroutinefunction
from typing import Any

import grpc

from services.runtime import logs
from services.runtime.callers import accounts
from services.runtime.devices import DeviceLost, is_device_lost, is_out_of_memory
from services.runtime.errors import LimitExceeded, Unauthenticated, release_frames
from services.runtime.files.refusals import refused_by_the_system
from services.runtime.rpc import deadline, status
from services.runtime.rpc.admission import Admission, client_of, key_of
from services.runtime.rpc.health import SERVICE as HEALTH
from services.runtime.rpc.inbox import Form, Inbox, Received
from services.runtime.rpc.incoming import Incoming, Outlet
from services.runtime.rpc.outgoing import Outgoing, laid_out
from services.runtime.rpc.public import READ_SECONDS, Places, Reads
from services.runtime.rpc.tracing import server_span
from services.runtime.telemetry import Method, Telemetry

log = logging.getLogger(__name__)

_REQUEST_ID = re.compile(r"[\x21-\x7e]{1,128}")
_KINDS = {
    (False, False): "unary",
    (True, False): "client_stream",
    (False, True): "server_stream",
    (True, True): "bidi_stream",
}

_MOST_WATCHERS = 1000
_MOST_DESCRIBED = 32
_STREAMS_IN = frozenset({"client_stream", "bidi_stream"})

Handler = Callable[[Any, Any], Awaitable[Any]]


class Door(grpc.aio.ServerInterceptor):
    """The door that every RPC of a server passes.

    gRPC would read the whole message of a unary RPC before it calls the handler. All handlers are therefore registered
    as such that read a stream: who has no token, or no place, is sent away before anything of the body is in memory.

    Args:
        telemetry: Metrics that count the RPCs.
        admission: Who comes in. Health checks need no token; health and reflection hold no place
            of it: they are bounded by themselves.
        inbox: Room for what clients send.
        idle_seconds: Longest wait for a client's next message.
        read_seconds: Longest wait until a client has taken a message of its answer.
        infrastructure: Full names of the services that are there for the server's own sake.
        broken: Set where an RPC finds that the server's device is lost.
    """

    def __init__(
        self,
        telemetry: Telemetry,
        admission: Admission,
        *,
        inbox: Inbox,
        idle_seconds: float,
        read_seconds: float,
        infrastructure: frozenset[str],
        broken: asyncio.Event,
    ) -> None:
        self._telemetry = telemetry
        self._admission = admission
        self._inbox = inbox
        self._idle_seconds = idle_seconds
        self._read_seconds = read_seconds
        self._infrastructure = infrastructure
        self._broken = broken
        self._outlet = Outlet()
        self._reads = Reads()
        self._watchers = Places(_MOST_WATCHERS, "health watchers", "calls of Watch")
        self._described = Places(_MOST_DESCRIBED, "reflection", "streams of reflection")
        self._wrapped: dict[str, Any] = {}

    @property
    def running(self) -> int:
        """RPCs that are in."""
        return self._admission.running

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
        form = Form.of(name, handler.request_deserializer)
        if handler.response_streaming:
            inner = handler.stream_stream if handler.request_streaming else handler.unary_stream
            outer, kind = self._streaming(method, form, _given(inner)), grpc.stream_stream_rpc_method_handler
        else:
            inner = handler.stream_unary if handler.request_streaming else handler.unary_unary
            outer, kind = self._single(method, form, _given(inner)), grpc.stream_unary_rpc_method_handler
        return kind(outer, *self._coders(method, handler))

    def _single(self, method: Method, form: Form, inner: Any) -> Handler:
        """Wraps a handler that returns its answer."""
        if not iscoroutinefunction(inner):
            raise TypeError(f"Expected {method.name} to be a coroutine function")

        async def outer(_messages: Any, context: Any) -> Any:
            async with self._call(method, form, context) as request:
                try:
                    answer = await inner(request, context)
                    # None where the handler has ended the call itself.
                    return None if answer is None else laid_out(answer, self._inbox.max_message_bytes)
                finally:
                    del request  # this frame outlives the request where an error ends it: see `release_frames`

        return outer

    def _streaming(self, method: Method, form: Form, inner: Any) -> Handler:
        """Wraps a handler that yields its answers, or writes them itself."""
        if not isasyncgenfunction(inner) and not iscoroutinefunction(inner):
            raise TypeError(f"Expected {method.name} to be an asynchronous generator or a coroutine function")

        async def outer(_messages: Any, grpc_context: Any) -> None:
            context = Outgoing(grpc_context, self._read_seconds, self._inbox.max_message_bytes)
            async with self._call(method, form, context) as request:
                try:
                    if not isasyncgenfunction(inner):
                        await inner(request, context)
                        return
                    async with aclosing(inner(request, context)) as answers:
                        async for answer in answers:
                            await context.write(answer)
                finally:
                    del request  # this frame outlives the request where an error ends it: see `release_frames`

        return outer

    def _coders(self, method: Method, handler: Any) -> tuple[Callable[[bytes], bytes], Callable[[Any], bytes]]:
        """The (de)serialisers, which count bytes; what comes stays bytes until `Incoming` has room for it.

        An answer that is bytes is a message that its service has laid out already.
        """
        encode = handler.response_serializer or bytes
        received, sent = self._telemetry.received(method), self._telemetry.sent(method)

        def decoder(data: bytes) -> bytes:
            received(len(data))
            accounts.current().spend_bytes(len(data))
            return data

        def encoder(message: Any) -> bytes:
            data: bytes = message if isinstance(message, bytes) else encode(message)
            sent(len(data))
            accounts.current().spend_bytes(len(data))
            return data

        return decoder, encoder

    def _break(self, error: BaseException) -> None:
        """Says once that the device is lost: nothing that this server is sent from now on can be answered."""
        if not self._broken.is_set():
            log.error("device lost", exc_info=error)
            self._broken.set()

    @contextmanager
    def _admitted(self, method: Method, context: Any, incoming: Incoming) -> Iterator[None]:
        """Lets an RPC in and counts it while it runs."""
        if method.service == HEALTH:
            if method.kind == "server_stream":
                with self._watchers.place(client_of(context)):
                    yield
            else:
                yield
            return
        account = self._admission.identify(context)
        logs.caller.set(account.name)
        if method.service in self._infrastructure:
            with self._described.place(key_of(account, context)):
                yield
            return
        with self._admission.place(context, account):
            accounts.enter(account)
            incoming.account = account
            yield

    @asynccontextmanager
    async def _call(self, method: Method, form: Form, context: Any) -> AsyncIterator[Any]:
        """One RPC from its beginning to its end; gives its request, a message or an iterator of them."""
        request_id = _request_id(context)
        logs.caller.set("")
        logs.request_id.set(request_id)  # of the RPC's own task: there is nothing to reset
        context.set_trailing_metadata(((status.REQUEST_ID_KEY, request_id),))
        self._telemetry.begun(method)
        began, given = time.perf_counter(), deadline.remaining(context)
        code = grpc.StatusCode.UNKNOWN
        received = Received(self._inbox, form, client_of(context))
        silence = READ_SECONDS if method.service == HEALTH else self._idle_seconds
        incoming = Incoming(context, min(silence, self._idle_seconds), received)
        metadata, traced = context.invocation_metadata() or (), method.service not in self._infrastructure
        with server_span(method, metadata, request_id, wanted=traced) as span:
            try:
                with self._admitted(method, context, incoming):
                    if method.service == HEALTH:
                        yield form.read(await self._reads.read(incoming))
                    else:
                        yield incoming if method.kind in _STREAMS_IN else await incoming.only()
                code = _code(context)
            except grpc.aio.AbortError as aborted:
                code = _code(context)
                _release_when_ended(aborted)
                raise
            except (Exception, asyncio.CancelledError) as error:  # the boundary: every error gets a status
                if _is_cancellation(error):
                    code = _cancelled(context, given)
                    release_frames(error)
                    raise
                raised = error
                if is_device_lost(error):
                    self._break(error)
                    error = DeviceLost()  # whatever it was told as
                elif is_out_of_memory(error):
                    log.error("out of memory", exc_info=error, extra={"method": method.name})
                    error = LimitExceeded(
                        "memory",
                        "Expected room for this request in the server's memory, but there is none",
                        retry_after=5.0,
                    )
                elif (told := refused_by_the_system(error)) is not None:
                    log.error("refused by the system", exc_info=error, extra={"method": method.name})
                    error = told
                if not status.is_known(error):
                    log.error("rpc failed", exc_info=error, extra={"method": method.name})
                answer = status.to_status(error, request_id)
                code = status.status_code(answer.code)
                release_frames(raised)
                if method.kind in _STREAMS_IN and not isinstance(error, Unauthenticated):
                    await self._outlet.read(incoming)
                try:
                    await context.abort(code, answer.message, status.trailing_metadata(answer, request_id))
                except grpc.aio.AbortError as aborted:
                    _release_when_ended(aborted)
                    raise
            finally:
                received.close()
                seconds = time.perf_counter() - began
                span.ended(code, logs.caller.get())
                self._telemetry.ended(method, code.name, seconds)
                line = {
                    "service": method.service,
                    "method": method.name,
                    "code": code.name,
                    "seconds": round(seconds, 6),
                    "peer": context.peer(),
                }
                level = logging.DEBUG if method.service in self._infrastructure else logging.INFO
                # Written once this task has handed gRPC the status: no client waits for a line of the log.
                asyncio.get_running_loop().call_soon(partial(log.log, level, "rpc", extra=line))


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


def _release_when_ended(aborted: grpc.aio.AbortError) -> None:
    """Drops the traceback of the error that ends an RPC once the RPC's task has ended.

    gRPC keeps that error with the RPC, and its frames refer to the RPC and to what was received of an unread message.
    """
    task = asyncio.current_task()
    if task is not None:
        task.add_done_callback(lambda _: release_frames(aborted))


def _is_cancellation(error: BaseException) -> bool:
    """Whether this very RPC was cancelled.

    A handler may also await something else that was cancelled. gRPC takes either for the client's departure and would
    answer nothing, so that a client that is still there waits for ever.
    """
    task = asyncio.current_task()
    return isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling() > 0


def _cancelled(context: Any, given: float | None) -> grpc.StatusCode:
    """Why an RPC was cancelled: its deadline passed, or its client left."""
    return grpc.StatusCode.DEADLINE_EXCEEDED if deadline.passed(context, given) else grpc.StatusCode.CANCELLED
