"""A collector of OpenTelemetry traces on loopback."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc


@dataclass(frozen=True)
class Span:
    """What a test looks at of a span."""

    service: str
    name: str
    trace: bytes
    id: bytes
    parent: bytes
    attributes: dict[str, Any]


@dataclass
class Collector:
    """What has come so far."""

    endpoint: str = ""
    spans: list[Span] = field(default_factory=list)


@contextmanager
def collecting() -> Iterator[Collector]:
    """A collector that listens on a free port."""
    found = Collector()

    class Servicer(trace_service_pb2_grpc.TraceServiceServicer):
        def Export(self, request: Any, context: Any) -> Any:  # noqa: N802
            del context
            for batch in request.resource_spans:
                service = _values(batch.resource.attributes)["service.name"]
                for scope in batch.scope_spans:
                    found.spans += [
                        Span(
                            service,
                            span.name,
                            span.trace_id,
                            span.span_id,
                            span.parent_span_id,
                            _values(span.attributes),
                        )
                        for span in scope.spans
                    ]
            return trace_service_pb2.ExportTraceServiceResponse()

    server = grpc.server(ThreadPoolExecutor(4))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(Servicer(), server)
    found.endpoint = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    yield found
    server.stop(None).wait()


def _values(attributes: Any) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in attributes}
