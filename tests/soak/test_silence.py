"""A server whose models run on ONNX Runtime reports nothing to anybody."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import babelscope
import pytest

from tests.support.models import make_root

pytestmark = pytest.mark.soak
PATIENCE = 15.0
"""Seconds after which ONNX Runtime would have sent its first report: about ten."""


@pytest.fixture
def proxy() -> Iterator[tuple[str, list[bytes]]]:
    """The address of a proxy that leads nowhere, and the first lines of what it was asked."""
    asked: list[bytes] = []

    def answer(door: socket.socket) -> None:
        with suppress(OSError):
            while True:
                caller, _ = door.accept()
                with closing(caller):
                    caller.settimeout(5)
                    asked.append(caller.recv(1024).partition(b"\r\n")[0])

    with socket.create_server(("127.0.0.1", 0)) as door:
        threading.Thread(target=answer, args=(door,), daemon=True).start()
        yield f"http://127.0.0.1:{door.getsockname()[1]}", asked
        door.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("telemetry", [False, True])
def test_nobody_is_told_what_the_encoder_runs(telemetry: bool, proxy: tuple[str, list[bytes]], tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="the extra babelscope[onnx]")
    address, asked = proxy
    env = dict.fromkeys(("https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY"), address)
    env |= {"no_proxy": "127.0.0.1,localhost", "NO_PROXY": "127.0.0.1,localhost", "BABELSCOPE_HUB": "false"}
    if telemetry:
        env["ORT_DISABLE_TELEMETRY"] = "0"
    root = make_root(tmp_path / "models")
    with babelscope.local(("encoder",), model_roots=[root], store=tmp_path / "store", env=env) as mesh:
        mesh.encoder.encode(["a b c"], model="tiny", backend="onnx")
        time.sleep(PATIENCE)
    # That it is heard where it is let shows that silence would be broken here.
    assert any(b"microsoft" in each for each in asked) is telemetry, asked
    assert telemetry or not asked, asked
