"""64 hostile clients at once on a real server of each service: health answers, and memory stays below its bound.

The bound of a server's resident memory, at its highest throughout, is

    resident at the start + held_bytes + received_bytes + streams * 2 * (max_message_bytes + 64 KiB) + own,

with two copies of each stream's message before there is room for it: gRPC's, and the bytes that are made of it. `own`
is what the service counts by limits of its own: `queue_bytes + result_bytes` at the encoder, nothing elsewhere.

Health is asked of a healthy busy server as well, at the same moments: what that one takes is the machine's. A second
beyond it is a fault where it comes again in each of three rounds.
"""

import asyncio
import multiprocessing
import os
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import babelscope
import numpy as np
import pytest

from services.encoder.settings import EncoderSettings
from tests.support import hostile, valid_requests
from tests.support.attacks import CLIENTS, attacks, launch
from tests.support.heartbeat import Heartbeat
from tests.support.models import make_root
from tests.support.mutation import Request
from tests.support.yardstick import yardstick

SECONDS: Final = float(os.environ.get("SOAK_ATTACK_SECONDS", "10"))
HEALTH_SECONDS: Final = 1.0
ROUNDS: Final = 3
HELD: Final = 256 << 20
MESSAGE: Final = 4 << 20

pytestmark = [pytest.mark.soak, pytest.mark.timeout(3600)]


@pytest.fixture(scope="module")
def steady() -> Iterator[str]:
    """The address of the healthy busy server."""
    with yardstick() as address:
        yield address


@pytest.fixture(scope="module")
def clients() -> Iterator[ProcessPoolExecutor]:
    """A process for the hostile clients, so that they do not slow down those who ask for health."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        yield pool


def _bound(service: str, start: int, message: int = MESSAGE) -> int:
    settings = EncoderSettings.model_fields
    own = settings["queue_bytes"].default + settings["result_bytes"].default if service == "encoder" else 0
    received = settings["received_bytes"].default
    return start + HELD + received + own + CLIENTS * 2 * (message + (64 << 10))


@dataclass
class Siege:
    """Servers under attack, and what they are held against.

    Attributes:
        mesh: The servers.
        valid: Valid requests of each service.
        clients: Process of the hostile clients.
        steady: Address of the healthy busy server.
    """

    mesh: babelscope.LocalMesh
    valid: Mapping[str, Sequence[Request]]
    clients: ProcessPoolExecutor
    steady: str

    def highest(self, service: str) -> int:
        """Resident bytes of a server at their highest so far."""
        pid = self.mesh.pids[service]
        assert pid is not None, self.mesh.logs[service].read_text()[-3000:]
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM:"))

    def attack(self, service: str, name: str, bound: int) -> list[str]:
        """Attacks, again where health seems slow; what the server did not keep of its promises."""
        address = getattr(self.mesh, service).address
        rounds = []
        with Heartbeat(address) as heartbeat, Heartbeat(self.steady) as machine:
            for _ in range(ROUNDS):
                seen = self.clients.submit(launch, address, self.valid, name, SECONDS).result()
                rounds.append((heartbeat.reset(), machine.reset()))
                if (slow := rounds[-1][0] > rounds[-1][1] + HEALTH_SECONDS) is False:
                    break
        highest = self.highest(service)
        told = " ".join(f"{own:.2f}/{other:.2f}" for own, other in rounds)
        figures = f"{name}: health/machine {told} s, highest {highest >> 20} of {bound >> 20} MB, {seen}"
        sys.stderr.write(f"{figures}\n")
        wrong = {"INTERNAL", "UNKNOWN", "DATA_LOSS", "UNAVAILABLE"} & set(seen)
        kept = not slow and not wrong and not heartbeat.failed and highest <= bound
        return [] if kept and self.mesh.restarts[service] == 0 else [figures]


@pytest.mark.parametrize("service", hostile.READERS)
def test_attacks(service: str, steady: str, clients: ProcessPoolExecutor, tmp_path: Path) -> None:
    env = {"BABELSCOPE_HELD_BYTES": str(HELD), "BABELSCOPE_IDLE_SECONDS": "3"}
    with hostile.mesh(tmp_path, make_root(tmp_path / "models"), env) as mesh:
        siege = Siege(mesh, hostile.valid(mesh), clients, steady)
        hostile.attack(getattr(mesh, service).address, service, [("", request) for request in siege.valid[service]] * 3)
        bound = _bound(service, siege.highest(service))
        named = [name for name in attacks(siege.valid) if name.startswith(f"{service}:")]
        named = [name for name in named if not name.endswith("hub") and "bodies" not in name]
        assert [told for name in named for told in siege.attack(service, name, bound)] == []


@pytest.mark.parametrize("service", hostile.READERS)
def test_bodies_without_a_token(service: str, steady: str, clients: ProcessPoolExecutor, tmp_path: Path) -> None:
    """No body is read: beyond the start, each stream may take 4 MB of what has come, and not its body."""
    env = {"BABELSCOPE_MAX_MESSAGE_BYTES": str(16 << 20), "BABELSCOPE_TOKEN": "a-token-of-a-test"}
    with hostile.mesh(tmp_path, make_root(tmp_path / "models"), env) as mesh:
        valid = {"datagen": valid_requests.datagen(), "encoder": valid_requests.encoder()}
        siege = Siege(mesh, {**valid, "metrics": valid_requests.metrics()}, clients, steady)
        bound = siege.highest(service) + CLIENTS * (4 << 20)
        named = [name for name in attacks(siege.valid) if name.startswith(f"{service}: bodies")]
        assert [told for name in named for told in siege.attack(service, name, bound)] == []


def test_a_hub_that_never_answers(steady: str, clients: ProcessPoolExecutor, tmp_path: Path) -> None:
    """Those who ask it wait; `Encode` of a loaded model answers the same numbers beside them."""
    with SilentHub() as hub:
        env = {
            "BABELSCOPE_HUB": "true",
            "BABELSCOPE_HUB_CACHE": str(tmp_path / "hub"),
            "BABELSCOPE_HELD_BYTES": str(HELD),
            "HF_ENDPOINT": hub.address,
            "no_proxy": "127.0.0.1",
        }
        with hostile.mesh(tmp_path, make_root(tmp_path / "models"), env) as mesh:
            siege = Siege(mesh, hostile.valid(mesh), clients, steady)
            reference = mesh.encoder.encode(["the cat sees"], model="tiny").array
            over, answers = threading.Event(), []

            def encode() -> None:
                while not over.wait(0.1):
                    answers.append(mesh.encoder.encode(["the cat sees"], model="tiny", timeout=60).array)

            beside = threading.Thread(target=encode)
            beside.start()
            try:
                bound = _bound("encoder", siege.highest("encoder"))
                assert siege.attack("encoder", "encoder: hub", bound) == []
            finally:
                over.set()
                beside.join()
            sys.stderr.write(f"{len(answers)} answers of Encode beside it\n")
            assert hub.accepted
            assert len(answers) >= 3
            for answer in answers:
                np.testing.assert_allclose(answer, reference, atol=1e-5)


class SilentHub:
    """Accepts connections and never answers, from a thread of its own."""

    def __init__(self) -> None:
        self.accepted: list[asyncio.StreamWriter] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)

    def __enter__(self) -> "SilentHub":
        self._thread.start()
        server = asyncio.run_coroutine_threadsafe(asyncio.start_server(self._keep, "127.0.0.1", 0), self._loop).result()
        self.address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _keep(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted.append(writer)
