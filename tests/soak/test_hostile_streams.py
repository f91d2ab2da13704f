"""64 hostile clients at once on a real server of each service: health answers, and memory stays below its bound.

The bound of a server's resident memory, at its highest throughout, is

    resident at the start + held_bytes + received_bytes + streams * 2 * (max_message_bytes + 64 KiB) + own,

with two copies of each stream's message before there is room for it: gRPC's, and the bytes that are made of it. `own`
is what the service counts by limits of its own: `queue_bytes + result_bytes` at the encoder, nothing elsewhere.

Health is asked of a healthy busy server as well, at the same moments: what that one takes is the machine's. A second
beyond it is a fault where it comes again in each of three rounds.
"""

import multiprocessing
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import babelscope
import numpy as np
import pytest

from services.encoder.settings import EncoderSettings
from tests.support import hostile, valid_requests
from tests.support.attacks import CLIENTS, OTHERS, attacks, launch
from tests.support.heartbeat import Heartbeat
from tests.support.models import make_root
from tests.support.mutation import Request
from tests.support.silent_hub import SilentHub
from tests.support.yardstick import yardstick

TEAM: Final = "a-token-of-a-team"
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


@pytest.fixture
def silent_hub() -> Iterator[SilentHub]:
    """A hub that accepts connections and never answers."""
    with SilentHub() as hub:
        yield hub


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


@pytest.mark.parametrize("service", hostile.SERVICES)
def test_attacks(service: str, steady: str, clients: ProcessPoolExecutor, tmp_path: Path) -> None:
    env = {"BABELSCOPE_HELD_BYTES": str(HELD), "BABELSCOPE_IDLE_SECONDS": "3"}
    with hostile.mesh(tmp_path, make_root(tmp_path / "models"), env) as mesh:
        siege = Siege(mesh, hostile.valid(mesh), clients, steady)
        hostile.attack(getattr(mesh, service).address, service, [("", request) for request in siege.valid[service]] * 3)
        bound = _bound(service, siege.highest(service))
        named = [name for name in attacks(siege.valid) if name.startswith(f"{service}:")]
        named = [name for name in named if not name.endswith("hub") and "bodies" not in name]
        assert [told for name in named for told in siege.attack(service, name, bound)] == []


@pytest.mark.parametrize("service", hostile.SERVICES)
def test_bodies_without_a_token(service: str, steady: str, clients: ProcessPoolExecutor, tmp_path: Path) -> None:
    """No body is read: beyond the start, each stream may take 4 MB of what has come, and not its body."""
    env = {"BABELSCOPE_MAX_MESSAGE_BYTES": str(16 << 20), "BABELSCOPE_TOKEN": "a-token-of-a-test"}
    with hostile.mesh(tmp_path, make_root(tmp_path / "models"), env) as mesh:
        valid = {
            "datagen": valid_requests.datagen(),
            "encoder": valid_requests.encoder(),
            "metrics": valid_requests.metrics(),
            "trainer": valid_requests.trainer("datasets/" + "0" * 64, "jobs/a", "jobs/b", "jobs/c"),
        }
        siege = Siege(mesh, valid, clients, steady)
        bound = siege.highest(service) + CLIENTS * (4 << 20)
        named = [name for name in attacks(siege.valid) if name.startswith(f"{service}: bodies")]
        assert [told for name in named for told in siege.attack(service, name, bound)] == []


@pytest.mark.parametrize("service", ["encoder", "trainer"])
def test_a_hub_that_never_answers(
    service: str, steady: str, clients: ProcessPoolExecutor, tmp_path: Path, silent_hub: SilentHub
) -> None:
    """Those who ask it wait; whoever asks for what is there is answered beside them.

    Clients of one address share its places unless named tokens tell them apart, as they do here: what the two sides
    still share is what the server does for them.
    """
    callers = tmp_path / "callers"
    callers.mkdir()
    for name, token in (("team", TEAM), ("others", OTHERS)):
        (callers / name).write_text(token)
    env = {
        "BABELSCOPE_CALLERS": str(callers),
        "BABELSCOPE_HUB": "true",
        "BABELSCOPE_HUB_CACHE": str(tmp_path / "hub"),
        "BABELSCOPE_HELD_BYTES": str(HELD),
        "HF_ENDPOINT": silent_hub.address,
        "no_proxy": "127.0.0.1",
    }
    with hostile.mesh(tmp_path, make_root(tmp_path / "models"), env) as mesh:
        siege = Siege(mesh, {}, clients, steady)
        bound = _bound(service, siege.highest(service))
        addresses = ",".join(f"{name}={getattr(mesh, name).address}" for name in hostile.SERVICES)
        with babelscope.connect(addresses, token=TEAM) as team:
            ask = partial(_encodes if service == "encoder" else _enters, team)
            reference = ask()
            with Beside(ask) as beside:
                assert siege.attack(service, f"{service}: hub", bound) == []
        sys.stderr.write(f"{len(beside.answers)} answers beside it, the slowest in {beside.slowest:.2f} s\n")
        assert silent_hub.accepted
        assert len(beside.answers) >= 3
        for answer in beside.answers:
            np.testing.assert_allclose(answer, reference, atol=1e-5)


def _encodes(team: babelscope.Mesh) -> np.ndarray:
    """Rows of a loaded model."""
    return team.encoder.encode(["the cat sees"], model="tiny", timeout=60).array


def _enters(team: babelscope.Mesh) -> np.ndarray:
    """Enters a job of a local model, looks at it, and takes it back; the state in which it was."""
    job = team.trainer.fine_tune("tiny", "pos", {"en": "datasets/" + "0" * 64})
    found = [job.state, team.trainer.get_job(job.name).state, team.trainer.cancel_job(job.name).state]
    assert found == ["queued", "queued", "cancelled"]
    return np.zeros(1)


class Beside:
    """Asks again and again in a thread of its own.

    Args:
        ask: What is asked.

    Attributes:
        answers: All answers.
        slowest: Seconds that the slowest took.
    """

    def __init__(self, ask: Callable[[], np.ndarray]) -> None:
        self._ask, self._over = ask, threading.Event()
        self._pool = ThreadPoolExecutor(1)
        self.answers: list[np.ndarray] = []
        self.slowest = 0.0

    def __enter__(self) -> "Beside":
        self._running = self._pool.submit(self._run)
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._pool.shutdown()
        self._running.result()

    def _run(self) -> None:
        while not self._over.wait(0.1):
            begun = time.monotonic()
            self.answers.append(self._ask())
            self.slowest = max(self.slowest, time.monotonic() - begun)
