"""Predictions by replicas of Ray Serve: equal to the trainer's own, also while replicas, Ray and the way to it die."""

import os
import signal
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import babelscope
import pytest

from services.trainer.cluster.session import members
from tests.support.tagged import tagged_sentences
from tests.support.tiny_models import build_model

pytestmark = [pytest.mark.soak, pytest.mark.timeout(1800)]
HOW = {"epochs": 2.0, "learning_rate": 2e-3, "step_tokens": 128}


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[babelscope.LocalMesh]:
    """Metrics, datagen and a trainer with Ray."""
    folder = tmp_path_factory.mktemp("mesh")
    build_model("bert", folder / "models" / "tiny")
    with tempfile.TemporaryDirectory(prefix="rp-") as short:
        env = {"HUB": "false", "SLOTS": "1", "THREADS": "1", "RUNNER": "ray", "PREDICT_REPLICAS": "2"}
        env = {f"BABELSCOPE_{name}": value for name, value in env.items()} | {"BABELSCOPE_PREDICT_THREADS": "4"}
        services = ("metrics", "datagen", "trainer")
        with babelscope.local(
            services, store=folder / "store", model_roots=[folder / "models"], env=env | {"TMPDIR": short}
        ) as made:
            yield made
        for _ in range(600):
            if not list(Path(short).glob("babelscope-*")):
                break
            time.sleep(0.1)
        assert not list(Path(short).glob("babelscope-*"))


def _sessions(name: str) -> dict[int, int]:
    """Processes of a name with their sessions."""
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if name.encode() in (path / "cmdline").read_bytes():
                found[int(path.name)] = os.getsid(int(path.name))
        except OSError:
            continue
    return found


def test_replicas_answer_as_the_trainer_does_and_are_replaced(mesh: babelscope.LocalMesh) -> None:
    train = mesh.datagen.put_dataset(tagged_sentences(60, "en", 0)).name
    job = mesh.trainer.wait_for_job(mesh.trainer.fine_tune("tiny", "pos", {"en": train}, **HOW).name)
    assert job.state == "succeeded", job
    examples = tagged_sentences(700, "en", 5)
    expected = list(mesh.trainer.predict(job.checkpoint, examples))
    assert [each.id for each in expected] == [each.id for each in examples]
    log = mesh.logs["trainer"]
    assert "Ray does not predict" not in log.read_text()
    replicas = _sessions("ServeReplica")
    assert len(replicas) == 2, (replicas, log.read_text()[-3000:])
    with pytest.raises(babelscope.InvalidRequest):
        list(mesh.trainer.predict(job.checkpoint, tagged_sentences(2, "en", 1), max_tokens=100_000))

    def ask(_: int) -> bool:
        return list(mesh.trainer.predict(job.checkpoint, examples)) == expected

    # A replica dies, then both: calls are tried again, and Serve starts others.
    with ThreadPoolExecutor(4) as pool:
        for doomed in (list(replicas)[:1], list(replicas)[1:]):
            answers = [pool.submit(ask, number) for number in range(4)]
            for pid in doomed:
                os.kill(pid, signal.SIGKILL)
            assert all(answer.result() for answer in answers)
    assert "Ray does not predict" not in log.read_text()
    # The way to Ray dies: the trainer answers by itself, and finds a new way at the next call.
    [gateway] = _sessions("services.trainer.serving.gateway")
    os.kill(gateway, signal.SIGKILL)
    assert ask(0)
    assert ask(1)
    assert len(_sessions("services.trainer.serving.gateway")) == 1
    # Ray itself dies.
    [session] = set(_sessions("services.trainer.cluster.host"))
    [raylet] = [pid for pid, name in members(session).items() if name == "raylet"]
    os.kill(raylet, signal.SIGKILL)
    assert ask(2)
    assert ask(3)
