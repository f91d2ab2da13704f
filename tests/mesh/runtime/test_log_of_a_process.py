"""The log of a server as a process: lines of JSON alone, whatever clients send."""

import contextlib
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
PATIENCE_SECONDS = 200.0


def test_failed_handshakes_leave_no_lines_of_another_form(authority: Any, tmp_path: Path) -> None:
    identity = authority("home").issue("server")
    port_file = tmp_path / "port"
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("BABELSCOPE_", "GRPC_"))}
    settings = {
        "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "clients"))),
        "BABELSCOPE_PORT": "0",
        "BABELSCOPE_PORT_FILE": str(port_file),
        "BABELSCOPE_LOG_FORMAT": "json",
        "BABELSCOPE_STORE_URL": str(tmp_path / "store"),
        "BABELSCOPE_SCRATCH_DIR": str(tmp_path / "scratch"),
        "BABELSCOPE_TLS_CERTIFICATE": str(identity.certificate),
        "BABELSCOPE_TLS_KEY": str(identity.key),
    }
    command = [sys.executable, "-m", "services.datagen"]
    with subprocess.Popen(command, env=inherited | settings, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as server:
        try:
            end = time.monotonic() + PATIENCE_SECONDS
            while not port_file.exists():
                assert server.poll() is None
                assert time.monotonic() < end
                time.sleep(0.02)
            address = ("127.0.0.1", int(port_file.read_text()))
            for sent in (b"no handshake at all" * 20, b"GET / HTTP/1.1\r\n\r\n"):
                with socket.create_connection(address) as plain:
                    plain.sendall(sent)
                    while plain.recv(4096):
                        pass
            distrustful = ssl.create_default_context()
            with socket.create_connection(address) as plain, contextlib.suppress(ssl.SSLError):
                distrustful.wrap_socket(plain, server_hostname="localhost")
            server.send_signal(signal.SIGTERM)
            _, log = server.communicate(timeout=PATIENCE_SECONDS)
        finally:
            server.kill()
    lines = log.splitlines()
    assert [line for line in lines if not line.startswith("{")] == []
    assert "listening" in {json.loads(line)["event"] for line in lines}
