"""Servers that are told to end while they still import their packages, as the first process of a container."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PATIENCE_SECONDS = 200.0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("service", ["encoder", "metrics", "datagen", "trainer"])
def test_a_signal_before_the_server_ends_the_process(service: str, number: signal.Signals, tmp_path: Path) -> None:
    """A signal that is ignored from the start stands for one that Linux drops for want of a handler."""
    reached = tmp_path / "reached"
    slow = tmp_path / "packages" / "grpc"
    slow.mkdir(parents=True)
    code = f"import pathlib, time\npathlib.Path({str(reached)!r}).touch()\ntime.sleep(600)\n"
    (slow / "__init__.py").write_text(code, encoding="utf-8")
    path = os.pathsep.join((str(slow.parent), str(ROOT), str(ROOT / "clients")))
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("BABELSCOPE_")}
    before = signal.signal(number, signal.SIG_IGN)
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", f"services.{service}"], env={**inherited, "PYTHONPATH": path}, cwd=tmp_path
        )
    finally:
        signal.signal(number, before)
    try:
        end = time.monotonic() + PATIENCE_SECONDS
        while not reached.exists():
            assert process.poll() is None
            assert time.monotonic() < end
            time.sleep(0.02)
        process.send_signal(number)
        assert process.wait(PATIENCE_SECONDS) == 0
    finally:
        process.kill()
        process.wait()
