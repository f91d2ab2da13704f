"""What a client sees of each error, in all four kinds of RPC, through a real server."""

import asyncio
import json
import logging
import threading
from typing import Any

import grpc
import pytest
from babelscope import errors as client_errors
from babelscope.transport.status import from_rpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from services.runtime import logs


@pytest.fixture
async def toy_channel(toy: Any, serve: Any, connect: Any) -> grpc.aio.Channel:
    channel: grpc.aio.Channel = connect(await serve(toy))
    return channel


KINDS = ("Echo", "Count", "Write", "Sum", "Chat")


async def call(channel: grpc.aio.Channel, method: str, request: bytes, **options: Any) -> list[bytes]:
    path = f"/toy.v1.Toy/{method}"
    if method in {"Echo", "Hold", "Strict"}:
        return [await channel.unary_unary(path)(request, **options)]
    if method in {"Count", "Write", "Endless"}:
        return [answer async for answer in channel.unary_stream(path)(request, **options)]
    if method == "Sum":
        return [await channel.stream_unary(path)(iter([b"a", request]), **options)]
    return [answer async for answer in channel.stream_stream(path)(iter([b"a", request]), **options)]


async def fail(channel: grpc.aio.Channel, method: str, request: bytes, **options: Any) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call(channel, method, request, timeout=200, **options)
    return caught.value


def details(error: grpc.aio.AioRpcError) -> dict[str, Any]:
    status = rpc_status.from_call(error)
    found = {}
    for item in status.details:
        message = getattr(error_details_pb2, item.TypeName().rsplit(".", 1)[1])()
        assert item.Unpack(message)
        found[message.DESCRIPTOR.name] = message
    return found


@pytest.mark.parametrize("method", KINDS)
async def test_each_kind_of_rpc_answers(method: str, toy: Any, serve: Any, connect: Any) -> None:
    channel = connect(await serve(toy))
    expected = {
        "Echo": [b"b"],
        "Count": [b"0", b"1", b"2"],
        "Write": [b"0", b"1", b"2"],
        "Sum": [b"ab"],
        "Chat": [b"a", b"b"],
    }
    assert await call(channel, method, b"b") == expected[method]


@pytest.mark.parametrize("method", KINDS)
@pytest.mark.parametrize(
    ("request_bytes", "expected"),
    [
        (b"invalid", ("INVALID_ARGUMENT", "BadRequest")),
        (b"tensor", ("INVALID_ARGUMENT", "BadRequest")),
        (b"relayed", ("INVALID_ARGUMENT", "BadRequest")),
        (b"missing", ("NOT_FOUND", "ResourceInfo")),
        (b"unusable", ("FAILED_PRECONDITION", "PreconditionFailure")),
        (b"limit", ("RESOURCE_EXHAUSTED", "QuotaFailure")),
        (b"full", ("RESOURCE_EXHAUSTED", "RetryInfo")),
        (b"disk", ("RESOURCE_EXHAUSTED", "RetryInfo")),
        (b"quota", ("RESOURCE_EXHAUSTED", "RetryInfo")),
        (b"files", ("RESOURCE_EXHAUSTED", "RetryInfo")),
        (b"mapped", ("RESOURCE_EXHAUSTED", "RetryInfo")),
        (b"forbidden", ("FAILED_PRECONDITION", "PreconditionFailure")),
        (b"read-only", ("FAILED_PRECONDITION", "PreconditionFailure")),
        (b"broken", ("UNAVAILABLE", "RetryInfo")),
        (b"loading", ("UNAVAILABLE", "RetryInfo")),
        (b"late", ("DEADLINE_EXCEEDED", "ErrorInfo")),
        (b"damaged", ("DATA_LOSS", "ErrorInfo")),
    ],
)
async def test_each_error_has_its_status_and_details(
    method: str, request_bytes: bytes, expected: tuple[str, str], toy_channel: grpc.aio.Channel
) -> None:
    code, detail = expected
    error = await fail(toy_channel, method, request_bytes, metadata=(("x-request-id", "id-1"),))
    found = details(error)
    assert error.code().name == code
    assert detail in found
    assert "secret" not in str(found)
    assert found["RequestInfo"].request_id == "id-1"


async def test_the_details_say_what_to_mend(toy: Any, serve: Any, connect: Any) -> None:
    channel = connect(await serve(toy))
    violation = details(await fail(channel, "Echo", b"invalid"))["BadRequest"].field_violations[0]
    assert (violation.field, violation.description) == (
        "spec.layers[0]",
        "Expected a layer within 0..12, but got 14",
    )
    missing = details(await fail(channel, "Echo", b"missing"))
    assert missing["ResourceInfo"].resource_name == "bert-bas"
    assert missing["ErrorInfo"].metadata["nearby"] == "bert-base, bert-large"
    full = details(await fail(channel, "Echo", b"full"))
    assert full["QuotaFailure"].violations[0].subject == "queue"
    assert full["RetryInfo"].retry_delay.ToTimedelta().total_seconds() == 2.5
    assert "RetryInfo" not in details(await fail(channel, "Echo", b"limit"))


async def test_the_client_library_reads_the_same(toy: Any, serve: Any, connect: Any) -> None:
    channel = connect(await serve(toy))

    async def seen(request: bytes) -> client_errors.RpcError:
        return from_rpc(await fail(channel, "Echo", request), method="Toy.Echo")

    missing = await seen(b"missing")
    assert isinstance(missing, client_errors.NotFound)
    assert missing.nearby == ("bert-base", "bert-large")
    invalid = await seen(b"invalid")
    assert isinstance(invalid, client_errors.InvalidRequest)
    assert invalid.field == "spec.layers[0]"
    full = await seen(b"full")
    assert isinstance(full, client_errors.LimitExceeded)
    assert (full.subject, full.retry_after) == ("queue", 2.5)
    assert isinstance(await seen(b"damaged"), client_errors.DataCorrupted)
    fault = await seen(b"fault")
    assert isinstance(fault, client_errors.ServerFault)
    assert fault.request_id


@pytest.mark.parametrize("method", KINDS)
async def test_a_fault_tells_the_client_only_its_id_and_the_log_everything(
    method: str, toy: Any, serve: Any, connect: Any, caplog: pytest.LogCaptureFixture
) -> None:
    error = await fail(connect(await serve(toy)), method, b"fault", metadata=(("x-request-id", "id-2"),))
    assert error.code() is grpc.StatusCode.INTERNAL
    assert "hunter2" not in str(error.debug_error_string()) + str(error.details()) + str(error.trailing_metadata())
    assert details(error)["RequestInfo"].request_id == "id-2"
    [record] = [record for record in caplog.records if record.message == "rpc failed"]
    assert "hunter2" in logs.JsonFormatter().format(record)


async def test_a_fault_behind_a_relayed_call_names_the_other_request(toy: Any, serve: Any, connect: Any) -> None:
    error = await fail(connect(await serve(toy)), "Echo", b"elsewhere")
    assert error.code() is grpc.StatusCode.INTERNAL
    assert "'abc'" in str(error.details())


@pytest.mark.parametrize("method", KINDS)
async def test_abort_passes(method: str, toy: Any, serve: Any, connect: Any) -> None:
    error = await fail(connect(await serve(toy)), method, b"abort")
    assert error.code() is grpc.StatusCode.OUT_OF_RANGE
    assert error.details() == "aborted"


@pytest.mark.parametrize("method", KINDS)
async def test_a_stray_cancellation_leaves_no_client_waiting(
    method: str, toy: Any, serve: Any, connect: Any, caplog: pytest.LogCaptureFixture
) -> None:
    error = await fail(connect(await serve(toy)), method, b"stray")
    assert error.code() is grpc.StatusCode.INTERNAL
    assert "rpc failed" in caplog.text


@pytest.mark.parametrize("method", KINDS)
async def test_an_error_about_a_long_name_still_arrives(method: str, toy: Any, serve: Any, connect: Any) -> None:
    error = await fail(connect(await serve(toy)), method, b"long")
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert details(error)["BadRequest"].field_violations[0].field.startswith("名名")


async def test_bytes_that_are_no_message_are_the_clients_mistake(toy: Any, serve: Any, connect: Any) -> None:
    channel = connect(await serve(toy))
    for method in ("Strict", "StrictChat"):
        error = await fail(channel, method, b"\xff")
        assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert details(error)["BadRequest"].field_violations[0].field == "request"


async def test_an_unknown_method_is_unimplemented_and_leaves_no_metric(toy: Any, serve: Any, connect: Any) -> None:
    server = await serve(toy)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await connect(server).unary_unary("/toy.v1.Toy/Nothing")(b"")
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert not [
        sample
        for metric in server.telemetry.registry.collect()
        for sample in metric.samples
        if "grpc_method" in sample.labels
    ]


@pytest.mark.parametrize("given", ["", "with space", "x" * 129])
async def test_the_request_id_is_the_clients_or_a_new_one(given: str, toy: Any, serve: Any, connect: Any) -> None:
    channel = connect(await serve(toy))
    good = channel.unary_unary("/toy.v1.Toy/Echo")(b"a", metadata=(("x-request-id", "study-7/1"),))
    await good
    assert dict(await good.trailing_metadata())["x-request-id"] == "study-7/1"
    bad = channel.unary_unary("/toy.v1.Toy/Echo")(b"a", metadata=(("x-request-id", given),))
    await bad
    assert len(dict(await bad.trailing_metadata())["x-request-id"]) == 32


async def test_every_rpc_is_logged_with_its_id(
    toy: Any, serve: Any, connect: Any, caplog: pytest.LogCaptureFixture
) -> None:
    lines: list[dict[str, Any]] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(json.loads(logs.JsonFormatter().format(record)))

    handler = Keep()
    logger = logging.getLogger("services.runtime.rpc.interceptor")
    logger.addHandler(handler)
    try:
        with caplog.at_level(logging.INFO):
            await call(connect(await serve(toy)), "Chat", b"b", metadata=(("x-request-id", "id-3"),))
    finally:
        logger.removeHandler(handler)
    [line] = [line for line in lines if line["event"] == "rpc"]
    assert (line["request_id"], line["method"], line["code"]) == ("id-3", "Chat", "OK")


async def test_no_client_waits_for_a_line_of_the_log(toy: Any, serve: Any) -> None:
    answered, in_time = threading.Event(), []

    class Slow(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.getMessage() == "rpc":
                in_time.append(answered.wait(10.0))

    def ask(port: int) -> list[bytes]:
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            answers = list(channel.stream_stream("/toy.v1.Toy/Chat")(iter([b"a"])))
            answered.set()
            return answers

    handler, logger = Slow(), logging.getLogger("services.runtime.rpc.interceptor")
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        server = await serve(toy)
        assert await asyncio.to_thread(ask, server.port) == [b"a"]
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)
    assert in_time == [True]


async def test_a_refusal_reaches_a_client_that_still_writes(toy: Any, serve: Any, connect: Any) -> None:
    channel = connect(await serve(toy))
    call = channel.stream_stream("/toy.v1.Toy/Chat")
    for _ in range(100):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            async for _ in call(iter([b"invalid", *[b"a" * 1000] * 20]), timeout=200):
                pass
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_refused_client_that_never_ends_its_stream_is_told(toy: Any, serve: Any, connect: Any) -> None:
    call = connect(await serve(toy)).stream_stream("/toy.v1.Toy/Chat")(timeout=200)
    await call.write(b"invalid")
    assert await call.code() is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize("method", KINDS)
@pytest.mark.parametrize("request_bytes", [b"device", b"wrapped"])
async def test_a_lost_device_breaks_any_server(
    method: str, request_bytes: bytes, toy: Any, serve: Any, connect: Any
) -> None:
    server = await serve(toy)
    error = await fail(connect(server), method, request_bytes)
    assert error.code() is grpc.StatusCode.UNAVAILABLE
    assert details(error)["RetryInfo"].retry_delay.seconds == 5
    assert "CUDA" not in str(error.details())
    assert server.broken.is_set()


@pytest.mark.parametrize("method", KINDS)
async def test_a_full_memory_is_a_limit(method: str, toy: Any, serve: Any, connect: Any) -> None:
    server = await serve(toy)
    channel = connect(server)
    error = await fail(channel, method, b"memory")
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert details(error)["QuotaFailure"].violations[0].subject == "memory"
    assert not server.broken.is_set()
    assert await call(channel, method, b"b")
