"""Traces of calls, by OpenTelemetry: a call, its attempts and the servers behind it are one trace (W3C Trace Context).

An application that uses OpenTelemetry finds the calls of this library in its own traces. Where none is in use, nothing
is imported and nothing is done. A command, or a server, that is given a collector's address starts to use it here.
"""

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final

ENDPOINT: Final = "BABELSCOPE_OTLP_ENDPOINT"
"""Environment variable: collector of traces, `http://HOST:4317`."""

_TRACE: Final = "opentelemetry.trace"
_NAME: Final = "babelscope"


class TracingError(ValueError):
    """Traces are asked for and cannot be sent; the message is for the person who asked."""


def api() -> Any:
    """The module `opentelemetry.trace` where something in this process uses it; None otherwise."""
    return sys.modules.get(_TRACE)


def headers(span: Any = None) -> tuple[tuple[str, str], ...]:
    """What a call carries of its trace.

    Args:
        span: Span of the call; the current one where None.

    Returns:
        Metadata, `traceparent` among it; nothing where there is no trace.
    """
    trace = api()
    if trace is None:
        return ()
    from opentelemetry import propagate

    carrier: dict[str, str] = {}
    propagate.inject(carrier, context=None if span is None else trace.set_span_in_context(span))
    return tuple(carrier.items())


def above(metadata: Iterable[tuple[str, str | bytes]]) -> Any:
    """The place in a trace that a call carries: OpenTelemetry's context, to begin a server's span in.

    Args:
        metadata: Metadata of the call.
    """
    from opentelemetry import propagate

    return propagate.extract({key: value for key, value in metadata if isinstance(value, str)})


class CallSpan:
    """The span of one call with all its attempts. It is never the current span: calls may end in any order.

    Args:
        method: `EncoderService.Encode`.
        full_name: Name of the service with its package.
        address: Address of the server.
        request_id: Id of the request.
    """

    def __init__(self, method: str, full_name: str, address: str, request_id: str) -> None:
        trace = api()
        self._span: Any = None
        if trace is not None:
            self._span = trace.get_tracer(_NAME).start_span(
                method,
                kind=trace.SpanKind.CLIENT,
                attributes={
                    "rpc.system": "grpc",
                    "rpc.service": full_name,
                    "rpc.method": method.rpartition(".")[2],
                    "server.address": address,
                    "babelscope.request_id": request_id,
                },
            )

    def headers(self) -> tuple[tuple[str, str], ...]:
        """What the attempts carry."""
        return () if self._span is None else headers(self._span)

    def retried(self, error: BaseException, seconds: float) -> None:
        """Notes an attempt that broke, and the wait after it."""
        if self._span is not None:
            self._span.add_event("retry", {"error": str(error), "seconds": seconds})

    def end(self, error: BaseException | None) -> None:
        """Ends the span.

        Args:
            error: Exception of the call; None where it was answered, or its caller wanted no more of it.
        """
        if self._span is None:
            return
        if error is not None:
            trace = api()
            self._span.set_attribute("error.type", getattr(error, "status", "") or type(error).__name__)
            self._span.set_status(trace.Status(trace.StatusCode.ERROR, str(error)))
        self._span.end()


def export(endpoint: str, service: str) -> Callable[[], None]:
    """Has this process send its spans to a collector. All else follows OpenTelemetry's own `OTEL_*` variables.

    Args:
        endpoint: Address of a collector that takes OTLP over gRPC, `http://HOST:4317`; `https://` for TLS.
        service: Name of the service in the traces, unless `OTEL_SERVICE_NAME` gives one.

    Returns:
        What sends the last spans and ends.

    Raises:
        TracingError: The address is none, or the extra `otel` is not installed.
    """
    if not endpoint.startswith(("http://", "https://")):
        raise TracingError(f"Expected the collector's address as http://HOST:PORT or https://, but got {endpoint!r}")
    try:
        from opentelemetry import trace
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise TracingError(f"Expected babelscope[otel] to be installed for traces: {error}") from None
    name = os.environ.get("OTEL_SERVICE_NAME", service)
    provider = TracerProvider(resource=Resource.create({"service.name": name}))
    exporter = OTLPSpanExporter(endpoint=endpoint, insecure=endpoint.startswith("http://"))
    provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    return provider.shutdown


@contextmanager
def command(name: str) -> Iterator[None]:
    """One trace of all that a command asks for, where the environment names a collector.

    Args:
        name: Name of the command.

    Raises:
        TracingError: As for `export`.
    """
    endpoint = os.environ.get(ENDPOINT, "")
    if not endpoint:
        yield
        return
    end = export(endpoint, _NAME)
    try:
        # An exit is an exception here, and no fault.
        with api().get_tracer(_NAME).start_as_current_span(name, record_exception=False, set_status_on_exception=False):
            yield
    finally:
        end()
