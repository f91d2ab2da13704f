"""What Prometheus is told of the queue and of the device."""

from services.encoder.cache.cache import Cache
from services.encoder.cache.shelf import Event
from services.encoder.queue.scheduler import BatchReport, Scheduler
from services.encoder.registry import Registry
from services.runtime.telemetry import Telemetry

_WAIT_SECONDS = (0.001, 0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0)
_CACHE_COUNTERS = {
    Event.HIT: "hits",
    Event.MISS: "misses",
    Event.READ: "read_bytes",
    Event.WRITTEN: "written_bytes",
    Event.EVICTED: "evicted_bytes",
    Event.DAMAGED: "damaged",
    Event.DROPPED: "dropped_texts",
}


class Gauges:
    """Metrics of one encoder server.

    Args:
        telemetry: Metrics in which they are registered.
    """

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry
        self._batches = telemetry.counter("encoder_batches", "Batches computed")
        self._texts = telemetry.counter("encoder_texts", "Texts computed")
        self._tokens = telemetry.counter("encoder_tokens", "Tokens computed")
        self._padded = telemetry.counter(
            "encoder_padded_tokens", "Tokens that padded batches would have computed: texts times the longest"
        )
        self._seconds = telemetry.counter("encoder_compute_seconds", "Time of the device in seconds")
        self._cached = {
            event: telemetry.counter(f"encoder_cache_{name}", f"Cache: {event.value}")
            for event, name in _CACHE_COUNTERS.items()
        }
        self._rate = telemetry.gauge("encoder_tokens_per_second", "Tokens a second of the last batch")
        self._waited = telemetry.histogram(
            "encoder_queue_wait_seconds", "Time that texts waited for the device", buckets=_WAIT_SECONDS
        )

    def watch(self, scheduler: Scheduler, registry: Registry) -> None:
        """Reads the queue's and the registry's state at every scrape."""
        gauge = self._telemetry.gauge
        gauge("encoder_queued_texts", "Texts admitted whose turn has not come", lambda: scheduler.queued_texts)
        gauge("encoder_queued_tokens", "Tokens of the queued texts", lambda: scheduler.tokens.used)
        gauge("encoder_queued_bytes", "Bytes of the queued texts", lambda: scheduler.memory.used)
        gauge("encoder_unread_bytes", "Bytes reserved for answers not yet read", lambda: scheduler.results.used)
        gauge("encoder_streams", "Streams open", lambda: scheduler.open_streams)
        gauge("encoder_models", "Models in memory", lambda: registry.loaded)
        gauge("encoder_model_bytes", "Bytes of the weights of models in memory", lambda: registry.loaded_bytes)

    def watch_cache(self, cache: Cache) -> None:
        """Reads the cache's state at every scrape."""
        self._telemetry.gauge("encoder_cache_texts", "Texts, by layers, whose rows are kept", lambda: cache.texts)
        self._telemetry.gauge("encoder_cache_shards", "Shards of kept rows", lambda: cache.shards)

    def observe_cache(self, event: Event, amount: int) -> None:
        """Counts what the cache did."""
        self._cached[event].inc(amount)

    def observe(self, report: BatchReport) -> None:
        """Counts a batch."""
        self._batches.inc()
        self._texts.inc(report.texts)
        self._tokens.inc(report.tokens)
        self._padded.inc(report.padded_tokens)
        self._seconds.inc(report.seconds)
        self._rate.set(report.tokens / max(report.seconds, 1e-9))
        for seconds in report.waited:
            self._waited.observe(seconds)
