"""Servers of all three services killed at random moments under load: nothing acknowledged is lost, no number differs.

SOAK_KILLS sets how many, 100 by default; SOAK_SEED the moments. While they happen, clients store datasets and sums,
encode, and run a study again and again. Whatever a server acknowledged must be in the store afterwards, whole, with its
digest; every answer must be right; and every study must end with the numbers of one that nothing disturbed. A study
whose server broke off too often for a client's patience ends with an error, and goes on when it is run again.
"""

import logging
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import babelscope
import grpc
import numpy as np
import pytest
from babelscope import Example, View
from babelscope.errors import RpcError
from babelscope.local.mesh import LocalMesh
from babelscope.local.supervision import RestartPolicy
from babelscope.study import Row, StudyResult, load_study, run_study
from babelscope.transport import health
from babelscope.transport.channel import ClientConfig, open_channel
from babelscope.transport.services import SERVICES

from services.runtime.files.store import Store
from tests.support.models import WORDS, make_root

log = logging.getLogger(__name__)

KILLS = int(os.environ.get("SOAK_KILLS", "100"))
SEED = int(os.environ.get("SOAK_SEED", "0"))
NAMES = ("encoder", "metrics", "datagen")
BETWEEN = (0.1, 3.0)
"""Seconds between two kills, drawn evenly, once there is a server to kill."""
CLOSE = 2e-4
STUDY = """
name: small
title: Does it end?
corpus: {format: lines, pattern: "{language}.txt"}
languages: [en, fr, sw]
models: [tiny]
measures: [{name: cka, estimator: debiased}, svcca, cosine]
retrieval: {similarities: [cosine, csls]}
"""

pytestmark = [pytest.mark.soak, pytest.mark.timeout(600 + 20 * KILLS)]


class _Load:
    """What clients do while servers are killed, and what they were told.

    Args:
        mesh: The servers.
        folder: For the study and what comes of it.
    """

    def __init__(self, mesh: LocalMesh, folder: Path) -> None:
        self.mesh, self.folder = mesh, folder
        self.over = threading.Event()
        self.counts: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.datasets: dict[str, list[Example]] = {}
        self.states: set[str] = set()
        draw = random.Random(SEED)
        self.probes = [" ".join(draw.choices(WORDS, k=draw.randint(2, 30))) for _ in range(40)]
        self.known = mesh.encoder.encode(self.probes, model="tiny")
        self.study = _study(folder / "corpus")
        self.undisturbed = run_study(load_study(self.study), mesh, folder / "undisturbed")

    def repeat(self, name: str, once: Callable[[random.Random], None]) -> None:
        """Does one thing again and again; a call that fails is no wrong, as long as it says so."""
        draw = random.Random(f"{SEED} {name}")
        while not self.over.is_set():
            try:
                once(draw)
                self.counts[name] += 1
            except RpcError:
                self.counts[f"{name}, failed"] += 1

    def put(self, draw: random.Random) -> None:
        """Stores a dataset that nobody has stored before."""
        size = draw.choice((1, 20, 2000))
        made = [Example(f"e{n}", " ".join(draw.choices(WORDS, k=9)) + f" {draw.random()}", "en") for n in range(size)]
        self.datasets[self.mesh.datagen.put_dataset(made, title="kept").name] = made

    def keep(self, draw: random.Random) -> None:
        """Has sums kept in the store."""
        rng = np.random.default_rng(draw.getrandbits(32))
        ids = [str(number) for number in range(64)]
        views = {name: View(activations=rng.standard_normal((64, 1, 8)).astype(np.float32), ids=ids) for name in "ab"}
        self.states.add(self.mesh.metrics.compare(views, ("cka",), keep_state=True).state)

    def encode(self, draw: random.Random) -> None:
        """Encodes what is known."""
        chosen = draw.sample(range(len(self.probes)), 10)
        answer = self.mesh.encoder.encode([self.probes[place] for place in chosen], model="tiny")
        if not np.allclose(answer.array, self.known.array[chosen], atol=1e-5):
            self.wrong.append("activations")

    def run_study(self, draw: random.Random) -> None:
        """Runs the study until it ends, and looks at its numbers."""
        out = self.folder / f"study-{draw.getrandbits(64)}"
        while True:
            try:
                found = run_study(load_study(self.study), self.mesh, out)
                break
            except RpcError:
                self.counts["study, interrupted"] += 1
        self.wrong += _differences(found, self.undisturbed)


def test_kills_lose_nothing(tmp_path: Path) -> None:
    root = make_root(tmp_path / "models")
    policy = RestartPolicy(limit=KILLS + 1, span=10**6, initial=0.1, maximum=0.1)
    store = tmp_path / "store"
    with babelscope.local(
        NAMES, store=store, model_roots=[root], env={"BABELSCOPE_HUB": "false"}, threads=1, restart=policy
    ) as mesh:
        load = _Load(mesh, tmp_path)
        tasks = {
            "datasets": load.put,
            "sums": load.keep,
            "encoded": load.encode,
            "encoded beside": load.encode,
            "studies": load.run_study,
        }
        with ThreadPoolExecutor(len(tasks)) as pool:
            pending = [pool.submit(load.repeat, name, once) for name, once in tasks.items()]
            try:
                killed = _kill(mesh, random.Random(SEED))
            finally:
                load.over.set()
            for future in pending:
                future.result()
        load.run_study(random.Random("the last"))
        for name, made in load.datasets.items():
            if list(mesh.datagen.get_dataset(name)) != made:
                load.wrong.append(name)
        assert sum(mesh.restarts.values()) == KILLS
    kept = Store(str(store))
    for name in kept.list():
        kept.get(name)  # raises where a digest is wrong
    objects = set(kept.list())
    lost = (load.states | load.datasets.keys()) - objects
    log.info("%d kills %s; %s; %d objects", killed.total(), dict(killed), dict(load.counts), len(objects))
    assert not lost
    assert not load.wrong
    assert min(load.counts[name] for name in tasks if name != "studies") > 0


def _kill(mesh: LocalMesh, draw: random.Random) -> Counter[str]:
    """Kills servers that serve, at random moments."""
    killed: Counter[str] = Counter()
    channels = {name: open_channel(ClientConfig(getattr(mesh, name).address)) for name in NAMES}
    try:
        while killed.total() < KILLS:
            name = draw.choice(NAMES)
            time.sleep(draw.uniform(*BETWEEN))
            pid = mesh.pids[name]
            if pid is not None and _serves(channels[name], name):
                os.kill(pid, signal.SIGKILL)
                killed[name] += 1
    finally:
        for channel in channels.values():
            channel.close()
    return killed


def _serves(channel: grpc.Channel, name: str) -> bool:
    """Whether a server takes requests, so that the kill meets some."""
    try:
        return bool(health.check(channel)(SERVICES[name].full_name, timeout=5) == "serving")
    except grpc.RpcError:
        return False


def _study(folder: Path) -> Path:
    """A study and its texts: sentences of 300 ids, alike in all languages but for some words."""
    draw = random.Random(0)
    folder.mkdir()
    sentences = [[draw.choice(WORDS) for _ in range(draw.randint(3, 12))] for _ in range(300)]
    for language, changed in (("en", 0.0), ("fr", 0.3), ("sw", 0.8)):
        lines = [
            f"s{at}\t" + " ".join(draw.choice(WORDS) if draw.random() < changed else word for word in words) + "\n"
            for at, words in enumerate(sentences)
        ]
        (folder / f"{language}.txt").write_text("".join(lines))
    (folder / "study.yaml").write_text(STUDY)
    return folder / "study.yaml"


def _differences(one: StudyResult, two: StudyResult) -> list[str]:
    """Numbers of one study that are not those of another."""

    def numbers(result: StudyResult) -> dict[tuple[object, ...], float]:
        def key(row: Row) -> tuple[object, ...]:
            return (row.kind, row.metric, row.estimator, row.source, row.target, row.layer, row.n)

        return {key(row): row.value for row in result.rows}

    first, second = numbers(one), numbers(two)
    if first.keys() != second.keys():
        return ["the rows of a study"]
    return [str(name) for name, value in first.items() if second[name] != pytest.approx(value, abs=CLOSE)]
