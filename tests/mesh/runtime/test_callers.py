"""Named tokens with limits, from the client's side of a real server."""

import asyncio
import io
import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from prometheus_client import generate_latest

from services.runtime import logs
from services.runtime.rpc.security import UsageError
from tests.support.refusals import failure

ECHO, HOLD, CHAT = (f"/toy.v1.Toy/{name}" for name in ("Echo", "Hold", "Chat"))


def _token(token: str) -> Any:
    return (("authorization", f"Bearer {token}"),)


async def _code(call: Any) -> grpc.StatusCode:
    code: grpc.StatusCode = await call.code()
    return code


def _write(path: Path, callers: dict[str, Any]) -> Path:
    other = path.with_suffix(".new")
    other.write_text(json.dumps(callers))
    other.replace(path)
    return path


@pytest.fixture
def lines() -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """Gives the log's lines as a server writes them."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logs.JsonFormatter())
    logger = logging.getLogger("services")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel("INFO")
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    logger.removeHandler(handler)
    logger.setLevel(level)


async def test_who_asks_is_in_the_log_and_in_the_metrics(
    tmp_path: Path, toy: Any, serve: Any, connect: Any, lines: Any
) -> None:
    path = _write(tmp_path / "callers.json", {"ada": {"token": "a"}, "bob": {"token": "b"}})
    server = await serve(toy, token="single", callers=path)
    channel = connect(server)
    for token in ("a", "b", "b", "single"):
        await channel.unary_unary(ECHO)(b"x" * 10, metadata=_token(token))
    refused = await failure(channel.unary_unary(ECHO)(b"x", metadata=_token("c")))
    assert refused.code == grpc.StatusCode.UNAUTHENTICATED
    for _ in range(1000):  # a line is written after the status has left
        asked = [line.get("caller") for line in lines() if line["event"] == "rpc"]
        if len(asked) == 5:
            break
        await asyncio.sleep(0.01)
    assert asked == ["ada", "bob", "bob", "unnamed", None]
    text = generate_latest(server.telemetry.registry).decode()
    assert 'caller_rpcs_total{caller="bob"} 2.0' in text
    assert 'caller_bytes_total{caller="bob"} 40.0' in text
    assert 'caller_in_flight{caller="ada"} 0.0' in text
    assert 'caller="c"' not in text


async def test_streams_of_a_caller_are_bounded(tmp_path: Path, toy: Any, serve: Any, connect: Any) -> None:
    path = _write(tmp_path / "callers.json", {"ada": {"token": "a", "streams": 1}, "bob": {"token": "b"}})
    channel = connect(await serve(toy, callers=path))
    held = asyncio.ensure_future(channel.unary_unary(HOLD)(b"x", metadata=_token("a")))
    await toy.holding.wait()
    refused = await failure(channel.unary_unary(ECHO)(b"x", metadata=_token("a")))
    assert (refused.code, refused.quota, refused.retry) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "streams", 1)
    assert await channel.unary_unary(ECHO)(b"x", metadata=_token("b")) == b"x"
    toy.go.set()
    assert await held == b"x"


async def test_bytes_a_minute_are_bounded(tmp_path: Path, toy: Any, serve: Any, connect: Any) -> None:
    path = _write(tmp_path / "callers.json", {"ada": {"token": "a", "bytes_per_minute": 6000}, "bob": {"token": "b"}})
    channel = connect(await serve(toy, callers=path))
    assert len(await channel.unary_unary(ECHO)(bytes(6000), metadata=_token("a"))) == 6000
    refused = await failure(channel.unary_unary(ECHO)(b"x", metadata=_token("a")))
    assert (refused.code, refused.quota) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "bytes_per_minute")
    assert 1 < refused.retry <= 61
    assert await channel.unary_unary(ECHO)(b"x", metadata=_token("b")) == b"x"


async def test_a_running_stream_is_slowed_down_and_not_cut(tmp_path: Path, toy: Any, serve: Any, connect: Any) -> None:
    path = _write(tmp_path / "callers.json", {"ada": {"token": "a", "bytes_per_minute": 600_000}})
    server = await serve(toy, callers=path, idle_seconds=250)
    loop = asyncio.get_running_loop()
    call = connect(server).stream_stream(CHAT)(metadata=_token("a"))
    began = loop.time()
    for _ in range(31):  # 10,000 bytes each way at 10,000 a second, after a first minute's amount
        await call.write(bytes(10_000))
        assert len(await call.read()) == 10_000
    await call.write(b"x")
    assert await call.read() == b"x"
    assert loop.time() - began > 1.0
    await call.done_writing()
    assert await call.read() is grpc.aio.EOF


async def test_a_running_server_learns_of_new_tokens(tmp_path: Path, toy: Any, serve: Any, connect: Any) -> None:
    path = _write(tmp_path / "callers.json", {"ada": {"token": "old"}})
    channel = connect(await serve(toy, callers=path))
    assert await channel.unary_unary(ECHO)(b"x", metadata=_token("old")) == b"x"
    _write(path, {"ada": {"token": "new"}})
    async with asyncio.timeout(200):
        while await _code(channel.unary_unary(ECHO)(b"x", metadata=_token("new"))) != grpc.StatusCode.OK:  # noqa: ASYNC110 - no event tells
            await asyncio.sleep(0.05)
    refused = await failure(channel.unary_unary(ECHO)(b"x", metadata=_token("old")))
    assert refused.code == grpc.StatusCode.UNAUTHENTICATED


async def test_a_server_does_not_start_with_callers_that_cannot_be_read(tmp_path: Path, toy: Any, serve: Any) -> None:
    with pytest.raises(UsageError, match="callers: Expected a readable file"):
        await serve(toy, callers=tmp_path / "nowhere.toml")
