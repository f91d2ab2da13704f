"""A mesh under load for minutes: right numbers throughout, memory that stops growing, servers that come back.

`make soak` runs it for SOAK_SECONDS, 600 by default. Request loops are bounded in time and number, on loopback only.
"""

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import babelscope
import numpy as np
import pytest
from babelscope.local.supervision import RestartPolicy

from tests.support.models import WORDS, make_root

SECONDS = float(os.environ.get("SOAK_SECONDS", "600"))
CLIENTS = 6
KILLS = 3
REQUESTS_AT_MOST = 200_000
GROWTH_AT_MOST_MB = 100.0

pytestmark = [pytest.mark.soak, pytest.mark.timeout(SECONDS + 600)]


def _resident_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _texts(rng: np.random.Generator) -> list[str]:
    lengths = np.clip(rng.lognormal(2.2, 0.7, size=int(rng.integers(1, 65))), 1, 60).astype(int)
    return [" ".join(rng.choice(WORDS, size=length)) for length in lengths]


class _Client:
    """One client that asks until the time is over and holds every answer against what it knows."""

    def __init__(self, mesh: babelscope.Mesh, seed: int, reference: dict[str, np.ndarray], end: float) -> None:
        self.mesh, self.rng, self.reference, self.end = mesh, np.random.default_rng(seed), reference, end
        self.requests = 0
        self.wrong = 0

    def __call__(self) -> None:
        probes = list(self.reference)
        while time.monotonic() < self.end and self.requests < REQUESTS_AT_MOST // CLIENTS:
            probe = probes[int(self.rng.integers(len(probes)))]
            answer = self.mesh.encoder.encode([*_texts(self.rng), probe], model="tiny", timeout=120)
            self.wrong += not np.allclose(answer.array[-1], self.reference[probe], atol=1e-5)
            self.requests += 1


def test_hours_of_work_leave_no_trace(tmp_path: Path) -> None:
    root = make_root(tmp_path / "models")
    rng = np.random.default_rng(0)
    policy = RestartPolicy(limit=KILLS + 1)
    with babelscope.local(("encoder",), store=tmp_path / "store", model_roots=[root], restart=policy) as mesh:
        probes = [" ".join(rng.choice(WORDS, size=n)) for n in range(2, 40)]
        known = mesh.encoder.encode(probes, model="tiny")
        reference = dict(zip(probes, known.array, strict=True))
        end = time.monotonic() + SECONDS
        clients = [_Client(mesh, seed, reference, end) for seed in range(CLIENTS)]
        over = threading.Event()
        resident: list[float] = []
        with ThreadPoolExecutor(CLIENTS) as pool:
            pending = [pool.submit(client) for client in clients]
            for _ in range(KILLS):
                over.wait(SECONDS / (2 * KILLS))
                pid = mesh.pids["encoder"]
                if pid is not None:
                    os.kill(pid, signal.SIGKILL)
            while time.monotonic() < end:
                over.wait(min(SECONDS / 40, max(end - time.monotonic(), 0.01)))
                pid = mesh.pids["encoder"]
                if pid is not None:
                    resident.append(_resident_mb(pid))
            for future in pending:
                future.result()
        assert sum(client.wrong for client in clients) == 0
        assert min(client.requests for client in clients) > 0
        assert mesh.restarts["encoder"] == KILLS
    warm = len(resident) // 3
    assert max(resident[2 * warm :]) - max(resident[:warm]) < GROWTH_AT_MOST_MB, resident
