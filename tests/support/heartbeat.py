"""A server's health, asked again and again while something else goes on."""

import threading
import time

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc


class Heartbeat:
    """Asks for a server's health every 100 ms until it is left.

    Args:
        address: Of the server.

    Attributes:
        slowest: Seconds that the slowest answer took since `reset`.
        failed: Answers other than SERVING.
    """

    def __init__(self, address: str) -> None:
        self._channel = grpc.insecure_channel(address)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._asked = 0.0
        self.slowest = 0.0
        self.failed = 0

    def __enter__(self) -> "Heartbeat":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._channel.close()

    def reset(self) -> float:
        """The slowest answer since the last time; one that is still waited for counts as it is."""
        asked = self._asked
        slowest, self.slowest = self.slowest, 0.0
        return max(slowest, time.monotonic() - asked) if asked else slowest

    def _run(self) -> None:
        stub = health_pb2_grpc.HealthStub(self._channel)
        while not self._over.wait(0.1):
            self._asked = began = time.monotonic()
            try:
                answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=60)
                self.failed += answer.status != health_pb2.HealthCheckResponse.SERVING
            except grpc.RpcError:
                self.failed += 1
            self.slowest = max(self.slowest, time.monotonic() - began)
            self._asked = 0.0
