"""A server as a process: signals, exit codes, its log."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

ROOT = Path(__file__).resolve().parents[3]

MAIN = """
import asyncio, os, resource, time, grpc
from services.runtime import server
from services.runtime.errors import FailedPrecondition
from services.runtime.server import run
from services.runtime.settings import ServerSettings, load

class Slow:
    name = "slow.v1.Slow"
    def register(self, server):
        handler = grpc.unary_stream_rpc_method_handler(self.sleep)
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(self.name, {"Sleep": handler}),))
    def __init__(self):
        self.broken = asyncio.Event()
    async def sleep(self, request, context):
        if request == b"break":
            self.broken.set()
            await asyncio.sleep(600)
        yield b"begun"
        await asyncio.sleep(float(request))
        yield b"done"
    async def start(self):
        match os.environ.get("SLOW"):
            case "load": await asyncio.sleep(600)
            case "thread": await asyncio.to_thread(time.sleep, 600)
            case "refuse": raise FailedPrecondition("model x", "it is stored as pickle")
            case "fail": raise ValueError("a fault")
    async def stop(self):
        match os.environ.get("SLOW"):
            case "stop": await asyncio.sleep(600)
            case "stop-fails": raise ValueError("a fault")

if "FEW_FILES" in os.environ:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (int(os.environ["FEW_FILES"]), most))
if "STOP_SECONDS" in os.environ:
    server.STOP_SECONDS = float(os.environ["STOP_SECONDS"])

run(Slow(), load(ServerSettings))
"""


class Process:
    """A server process with its log's lines as they come."""

    def __init__(self, environment: dict[str, str]) -> None:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("BABELSCOPE_")}
        path = os.pathsep.join((str(ROOT), str(ROOT / "clients")))
        self.popen = subprocess.Popen(
            [sys.executable, "-c", MAIN],
            env={**inherited, "PYTHONPATH": path, **environment},
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.popen.stderr is not None
        self._stderr: IO[str] = self.popen.stderr
        self.events: list[dict[str, Any]] = []

    def until(self, event: str) -> dict[str, Any]:
        """Reads the log up to an event."""
        for line in self._stderr:
            if line.startswith("{"):
                self.events.append(json.loads(line))
                if self.events[-1]["event"] == event:
                    return self.events[-1]
        raise AssertionError(f"no {event!r} in {self.events}")

    def end(self) -> tuple[int, str]:
        """Waits for the end. Returns the exit code and the rest of the log."""
        rest = self._stderr.read()
        return self.popen.wait(), rest

    def channel(self) -> grpc.Channel:
        return grpc.insecure_channel(f"127.0.0.1:{self.until('listening')['port']}")


@pytest.fixture
def launch() -> Iterator[Callable[..., Process]]:
    """Starts server processes; kills what is left of them."""
    processes: list[Process] = []

    def start(**environment: str) -> Process:
        processes.append(Process(environment))
        return processes[-1]

    yield start
    for process in processes:
        if process.popen.poll() is None:
            process.popen.kill()
        process.end()
        process._stderr.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains_and_ends_with_0(number: signal.Signals, launch: Any, tmp_path: Path) -> None:
    file = tmp_path / "port"
    process = launch(BABELSCOPE_PORT_FILE=str(file))
    with process.channel() as channel:
        process.until("serving")
        assert int(file.read_text()) > 0
        running = channel.unary_stream("/slow.v1.Slow/Sleep")(b"0.5")
        assert next(running) == b"begun"
        process.popen.send_signal(number)
        process.until("draining")
        assert list(running) == [b"done"]
        process.until("stopped")
    code, rest = process.end()
    assert (code, rest) == (0, "")
    assert not file.exists()


def test_a_server_takes_more_connections_than_old_programs_may_have(launch: Any) -> None:
    """Forty open files would be used up by clients that do nothing but connect."""
    process = launch(FEW_FILES="40")
    port = process.until("listening")["port"]
    process.until("serving")
    with contextlib.ExitStack() as opened, grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        for _ in range(200):
            opened.enter_context(socket.create_connection(("127.0.0.1", port)))
        answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=60)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING


def test_a_second_signal_cuts_the_drain(launch: Any) -> None:
    process = launch()
    with process.channel() as channel:
        process.until("serving")
        running = channel.unary_stream("/slow.v1.Slow/Sleep")(b"600")
        assert next(running) == b"begun"
        process.popen.terminate()
        process.until("draining")
        process.popen.terminate()
        process.until("stopped")
        assert running.code() in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}
    assert process.end()[0] == 0


def test_the_drains_time_limit_cuts(launch: Any) -> None:
    process = launch(BABELSCOPE_DRAIN_SECONDS="0.1")
    with process.channel() as channel:
        process.until("serving")
        running = channel.unary_stream("/slow.v1.Slow/Sleep")(b"600")
        assert next(running) == b"begun"
        process.popen.terminate()
        process.until("stopped")
    assert process.end()[0] == 0


def test_a_signal_while_loading_ends_with_0(launch: Any) -> None:
    process = launch(SLOW="load")
    with process.channel() as channel:
        answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
        assert answer.status == health_pb2.HealthCheckResponse.NOT_SERVING
        process.popen.terminate()
        process.until("stopped")
    assert process.end()[0] == 0


def test_a_thread_that_loads_does_not_hold_up_the_end(launch: Any) -> None:
    process = launch(SLOW="thread", STOP_SECONDS="0.3")
    process.until("listening")
    process.popen.terminate()
    process.until("threads left")
    assert process.end()[0] == 0


def test_a_stop_that_hangs_or_fails_does_not_hold_up_the_end(launch: Any) -> None:
    process = launch(SLOW="stop", STOP_SECONDS="0.3")
    process.until("serving")
    process.popen.terminate()
    process.until("stop takes too long")
    assert process.end()[0] == 0
    process = launch(SLOW="stop-fails")
    process.until("serving")
    process.popen.terminate()
    assert "ValueError: a fault" in process.until("stop failed")["traceback"]
    assert process.end()[0] == 1


def test_a_start_that_fails_ends_with_1(launch: Any) -> None:
    process = launch(SLOW="refuse")
    line = process.until("start failed")
    assert line["problem"] == "model x: it is stored as pickle"
    assert "traceback" not in line
    assert process.end()[0] == 1
    process = launch(SLOW="fail")
    assert "ValueError: a fault" in process.until("start failed")["traceback"]
    assert process.end()[0] == 1


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"BABELSCOPE_HOST": "0.0.0.0"}, "Expected `host` to be a loopback address, or TLS, but got '0.0.0.0' without"),
        ({"BABELSCOPE_PORT": "70000"}, "BABELSCOPE_PORT: Input should be less than or equal to 65535"),
        ({"BABELSCOPE_TOKEN": ""}, "BABELSCOPE_TOKEN: Expected `token` to be printable ASCII"),
        ({"BABELSCOPE_TLS_KEY": "key.pem"}, "Expected `tls_certificate` and `tls_key` together"),
        ({"BABELSCOPE_LOG_FORMAT": "xml"}, "BABELSCOPE_LOG_FORMAT: Input should be 'json' or 'text'"),
        ({"BABELSCOPE_CALLERS": "/no/such/callers.toml"}, "Expected a readable file or folder of callers"),
        ({"BABELSCOPE_OTLP_ENDPOINT": "collector:4317"}, "BABELSCOPE_OTLP_ENDPOINT: "),
    ],
)
def test_wrong_settings_end_with_2_and_say_why(environment: dict[str, str], message: str, launch: Any) -> None:
    code, rest = launch(**environment).end()
    assert code == 2
    assert message in rest
    assert "Traceback" not in rest


def test_a_service_that_broke_says_so_and_ends_with_1(launch: Any) -> None:
    process = launch()
    with process.channel() as channel:
        process.until("serving")
        call = channel.unary_stream("/slow.v1.Slow/Sleep")(b"break")
        process.until("service broken")
        answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
        assert answer.status == health_pb2.HealthCheckResponse.NOT_SERVING
        with pytest.raises(grpc.RpcError):
            list(call)
        process.until("stopped")
    assert process.end()[0] == 1
