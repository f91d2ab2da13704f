"""The server's side of traces: a span an RPC, below the client's, around all that the RPC does and asks of others."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import grpc
from babelscope.transport import tracing

from services.runtime import logs
from services.runtime.telemetry import Method

# What is the server's fault, as OpenTelemetry counts it: all else is an answer.
_FAULTS = frozenset(
    {
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.UNIMPLEMENTED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DATA_LOSS,
    }
)


class ServerSpan:
    """What is told of an RPC.

    Args:
        span: Span of OpenTelemetry; None where it is not in use.
    """

    def __init__(self, span: Any = None) -> None:
        self._span = span

    def ended(self, code: grpc.StatusCode, caller: str) -> None:
        """Notes how the RPC ended, and who asked."""
        if self._span is None:
            return
        self._span.set_attribute("rpc.grpc.status_code", code.value[0])
        if caller:
            self._span.set_attribute("babelscope.caller", caller)
        if code in _FAULTS:
            status = tracing.api()
            self._span.set_status(status.Status(status.StatusCode.ERROR, code.name))


@contextmanager
def server_span(
    method: Method, metadata: Iterable[tuple[str, str | bytes]], request_id: str, *, wanted: bool = True
) -> Iterator[ServerSpan]:
    """The current span while an RPC runs.

    Args:
        method: Method that is called.
        metadata: Metadata of the RPC, with the trace of the client.
        request_id: Id of the request.
        wanted: Whether there is to be a span.
    """
    trace = tracing.api()
    logs.trace_id.set("")
    if trace is None or not wanted:
        yield ServerSpan()
        return
    with trace.get_tracer("babelscope").start_as_current_span(
        f"{method.service}/{method.name}",
        context=tracing.above(metadata),
        kind=trace.SpanKind.SERVER,
        attributes={
            "rpc.system": "grpc",
            "rpc.service": method.service,
            "rpc.method": method.name,
            "babelscope.request_id": request_id,
        },
        record_exception=False,
        set_status_on_exception=False,
    ) as span:
        if (context := span.get_span_context()).is_valid:
            logs.trace_id.set(trace.format_trace_id(context.trace_id))
        yield ServerSpan(span)
