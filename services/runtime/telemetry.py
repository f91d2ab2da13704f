"""Prometheus metrics: of every RPC, and helpers for a service's own.

Each server has a registry of its own, so that several may live in one process.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from wsgiref.simple_server import WSGIServer

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    start_http_server,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from services.runtime.callers.accounts import Account

_RPC = ("grpc_type", "grpc_service", "grpc_method")
# Seconds: a health check takes less than a millisecond, a study's stream hours.
_SECONDS = (0.001, 0.005, 0.02, 0.1, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0, 1800.0, 7200.0)


@dataclass(frozen=True)
class Method:
    """One RPC method, as Prometheus names it.

    Attributes:
        service: Full name, `babelscope.v1.EncoderService`.
        name: `Encode`.
        kind: `unary`, `client_stream`, `server_stream` or `bidi_stream`.
    """

    service: str
    name: str
    kind: str

    @property
    def labels(self) -> tuple[str, str, str]:
        """Values of the labels grpc_type, grpc_service, grpc_method."""
        return self.kind, self.service, self.name


class Telemetry:
    """Metrics of one server.

    Args:
        registry: Registry of the metrics; a new one where not given.
    """

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        self._started = self.counter("grpc_server_started", "RPCs begun", _RPC)
        self._handled = self.counter("grpc_server_handled", "RPCs ended, by status", (*_RPC, "grpc_code"))
        self._seconds = self.histogram("grpc_server_handling_seconds", "Length of RPCs in seconds", _RPC)
        self._running = Gauge("grpc_server_in_flight", "RPCs running", _RPC, registry=self.registry)
        self._received = self.counter("grpc_server_received_bytes", "Bytes of messages received", _RPC)
        self._sent = self.counter("grpc_server_sent_bytes", "Bytes of messages sent", _RPC)

    def counter(self, name: str, text: str, labels: Sequence[str] = ()) -> Counter:
        """A number that only grows.

        Args:
            name: Without the ending `_total`.
            text: Description of what is counted.
            labels: Names of its labels.

        Returns:
            The counter, registered.
        """
        return Counter(name, text, labels, registry=self.registry)

    def histogram(
        self, name: str, text: str, labels: Sequence[str] = (), buckets: Sequence[float] = _SECONDS
    ) -> Histogram:
        """A distribution.

        Args:
            name: Name, with its unit.
            text: What it measures.
            labels: Names of its labels.
            buckets: Upper bounds.

        Returns:
            The histogram, registered.
        """
        return Histogram(name, text, labels, buckets=buckets, registry=self.registry)

    def gauge(self, name: str, text: str, read: Callable[[], float] | None = None) -> Gauge:
        """A number that goes up and down.

        Args:
            name: Name, with its unit.
            text: What it measures.
            read: Called at every scrape, from another thread; without it the caller sets the gauge.

        Returns:
            The gauge, registered.
        """
        gauge = Gauge(name, text, registry=self.registry)
        if read is not None:
            gauge.set_function(read)
        return gauge

    def watch_callers(self, read: Callable[[], Iterable[Account]]) -> None:
        """Tells at every scrape what each caller has used. Callers that are no longer known are left out.

        Args:
            read: Function that gives the accounts; called from another thread.
        """
        self.registry.register(_Callers(read))

    def begun(self, method: Method) -> None:
        """Counts an RPC that begins."""
        self._started.labels(*method.labels).inc()
        self._running.labels(*method.labels).inc()

    def ended(self, method: Method, code: str, seconds: float) -> None:
        """Counts an RPC that ended.

        Args:
            method: Method of the RPC.
            code: Name of its status, `OK`.
            seconds: Its length.
        """
        self._running.labels(*method.labels).dec()
        self._handled.labels(*method.labels, code).inc()
        self._seconds.labels(*method.labels).observe(seconds)

    def received(self, method: Method) -> Callable[[float], None]:
        """Returns what counts the bytes that a method receives."""
        count: Callable[[float], None] = self._received.labels(*method.labels).inc
        return count

    def sent(self, method: Method) -> Callable[[float], None]:
        """Returns what counts the bytes that a method sends."""
        count: Callable[[float], None] = self._sent.labels(*method.labels).inc
        return count

    def process(self) -> None:
        """Adds the metrics of the process: memory, processor time, files, garbage collection."""
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)

    def serve(self, host: str, port: int) -> Callable[[], None]:
        """Answers Prometheus over HTTP, from a thread of its own.

        Args:
            host: Address to listen on.
            port: Port to listen on.

        Returns:
            What stops it.

        Raises:
            OSError: Where the port is taken.
        """
        server: WSGIServer
        server, thread = start_http_server(port, host, self.registry)

        def stop() -> None:
            server.shutdown()
            server.server_close()
            thread.join()

        return stop


class _Callers(Collector):
    """Metrics of callers, read at every scrape: as many series as there are callers now.

    Args:
        read: Function that gives the accounts.
    """

    def __init__(self, read: Callable[[], Iterable[Account]]) -> None:
        self._read = read

    def collect(self) -> Iterator[Metric]:
        """All metrics."""
        begun = CounterMetricFamily("caller_rpcs", "RPCs begun, by caller", labels=("caller",))
        tokens = CounterMetricFamily("caller_tokens", "Tokens computed for a caller", labels=("caller",))
        data = CounterMetricFamily("caller_bytes", "Bytes of a caller's messages, both ways", labels=("caller",))
        refused = CounterMetricFamily("caller_refused", "RPCs refused, by limit", labels=("caller", "limit"))
        running = GaugeMetricFamily("caller_in_flight", "RPCs running, by caller", labels=("caller",))
        for account in self._read():
            name = [account.name]
            begun.add_metric(name, account.begun)
            tokens.add_metric(name, account.spent_tokens)
            data.add_metric(name, account.spent_bytes)
            running.add_metric(name, account.running)
            for limit, count in sorted(account.refusals.copy().items()):
                refused.add_metric([account.name, limit], count)
        yield from (begun, tokens, data, refused, running)
