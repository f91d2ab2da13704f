"""Prometheus metrics."""

from prometheus_client import generate_latest

from services.runtime.telemetry import Method, Telemetry

ENCODE = Method("babelscope.v1.EncoderService", "Encode", "bidi_stream")


def text(telemetry: Telemetry) -> str:
    return generate_latest(telemetry.registry).decode()


def test_several_servers_live_in_one_process() -> None:
    first, second = Telemetry(), Telemetry()
    first.begun(ENCODE)
    assert 'grpc_method="Encode"' in text(first)
    assert 'grpc_method="Encode"' not in text(second)


def test_an_rpc_is_counted_from_its_beginning_to_its_end() -> None:
    telemetry = Telemetry()
    labels = dict(zip(("grpc_type", "grpc_service", "grpc_method"), ENCODE.labels, strict=True))
    value = telemetry.registry.get_sample_value
    telemetry.begun(ENCODE)
    telemetry.begun(ENCODE)
    assert value("grpc_server_in_flight", labels) == 2
    telemetry.ended(ENCODE, "OK", 0.3)
    assert value("grpc_server_in_flight", labels) == 1
    assert value("grpc_server_started_total", labels) == 2
    assert value("grpc_server_handled_total", {**labels, "grpc_code": "OK"}) == 1
    assert value("grpc_server_handling_seconds_bucket", {**labels, "le": "0.1"}) == 0
    assert value("grpc_server_handling_seconds_bucket", {**labels, "le": "0.5"}) == 1


def test_a_gauge_is_read_at_every_scrape() -> None:
    telemetry = Telemetry()
    queue = [1, 2]
    telemetry.gauge("queue_tokens", "Tokens that wait", lambda: len(queue))
    assert "queue_tokens 2.0" in text(telemetry)
    queue.append(3)
    assert "queue_tokens 3.0" in text(telemetry)


def test_the_process_is_measured() -> None:
    telemetry = Telemetry()
    telemetry.process()
    assert "process_resident_memory_bytes" in text(telemetry)
