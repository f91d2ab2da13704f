"""A healthy busy server: the time that its health takes is what the machine costs, and no fault of a server.

Latencies on a shared machine are noise for the most part. What a server under attack takes beyond this one, asked at
the same moments, is its own.
"""

import contextlib
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from services.runtime.server import run
from services.runtime.settings import ServerSettings, load

ROOT = Path(__file__).resolve().parents[2]


class Busy:
    """Computes in one thread for ever, as a server does that has work, and has no method."""

    name = "babelscope.test.Busy"

    def register(self, server: grpc.aio.Server) -> None:
        """Has nothing to add."""

    async def start(self) -> None:
        """Begins to compute."""
        threading.Thread(target=self._compute, daemon=True).start()

    async def stop(self) -> None:
        """Leaves the thread to the end of the process."""

    def _compute(self) -> None:
        while True:
            sum(range(1000))


@contextlib.contextmanager
def yardstick() -> Iterator[str]:
    """Runs such a server as a process; gives its address."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "port"
        log = Path(folder) / "log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.yardstick"],
                cwd=ROOT,
                env={
                    **{name: value for name, value in os.environ.items() if not name.startswith("BABELSCOPE_")},
                    "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "clients")]),
                    "BABELSCOPE_PORT_FILE": str(file),
                },
                stdout=output,
                stderr=output,
            )
        try:
            while not file.exists():
                assert process.poll() is None, log.read_text()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(0.05)
            address = f"127.0.0.1:{int(file.read_text())}"
            with grpc.insecure_channel(address) as channel:
                for answer in health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest()):
                    if answer.status == health_pb2.HealthCheckResponse.SERVING:
                        break
            yield address
        finally:
            process.kill()
            process.wait()


if __name__ == "__main__":
    run(Busy(), load(ServerSettings))
