"""Jobs of all kinds while their processes, Ray and the trainer are killed: all end with the undisturbed numbers.

SOAK_KILLS sets how many kills, 100 by default, of which a quarter meets the runner `ray`; SOAK_SEED the moments. Jobs
are entered one after the other: training, training by two workers, evaluating, a sweep. A kill comes after a random
time or a random number of events, so that it meets the start of a process as well as steps, states and evaluations.
A job fails after five starts in which it gets no further; one that has been started five times in all is let alone,
which is more than it needs and keeps a slow machine from failing the test.
"""

import logging
import os
import random
import sqlite3
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from signal import SIGKILL
from typing import Any

import babelscope
import pytest
from babelscope import Job, SweepTask
from babelscope.errors import RpcError
from babelscope.local.supervision import RestartPolicy

from services.trainer.cluster.session import members
from tests.support.job_processes import jobs_by_process, work_folder
from tests.support.ray_processes import children, parent
from tests.support.tagged import tagged_sentences
from tests.support.tiny_models import build_model

log = logging.getLogger(__name__)

ALL = int(os.environ.get("SOAK_KILLS", "100"))
KILLS = {"process": ALL - ALL // 4, "ray": ALL // 4}
SEED = int(os.environ.get("SOAK_SEED", "0"))
STARTS = 5
"""Starts of a job after which it is let alone."""
LEASE_SECONDS = 3
LONGEST = 15.0
"""Seconds between two kills, from when there is something to kill, drawn evenly."""
MOST_EVENTS = 60
SETTLE_SECONDS = 60.0
VICTIMS = {
    "process": ("child", "child", "child", "trainer", "template"),
    "ray": ("child", "worker", "driver", "host", "raylet", "gcs_server", "trainer"),
}

pytestmark = [pytest.mark.soak, pytest.mark.timeout(1200 + 60 * ALL)]


@pytest.fixture(params=["process", "ray"])
def runner(request: Any) -> str:
    """What runs jobs."""
    return str(request.param)


@pytest.fixture
def mesh(runner: str, tmp_path: Path) -> Iterator[babelscope.LocalMesh]:
    """Metrics, datagen and a trainer that may die as often as it likes; Ray has left nothing when they have ended."""
    build_model("bert", tmp_path / "models" / "tiny")
    env = {"HUB": "false", "LEASE_SECONDS": str(LEASE_SECONDS), "SLOTS": "2", "THREADS": "1", "RUNNER": runner}
    policy = RestartPolicy(limit=ALL + 1, span=10**6, initial=0.1, maximum=0.1)
    with tempfile.TemporaryDirectory(prefix="tk-") as short:  # names of sockets must be short
        with babelscope.local(
            ("metrics", "datagen", "trainer"),
            store=tmp_path / "store",
            model_roots=[tmp_path / "models"],
            env={f"BABELSCOPE_{name}": value for name, value in env.items()} | {"TMPDIR": short},
            restart=policy,
        ) as made:
            yield made
        _settles(lambda: not list(Path(short).glob("babelscope-*")))


class _Jobs:
    """Jobs of each kind, and what comes of them where nothing is killed.

    Args:
        mesh: The servers.
    """

    def __init__(self, mesh: babelscope.LocalMesh) -> None:
        self._mesh = mesh
        put = mesh.datagen.put_dataset
        self._train, self._dev = put(tagged_sentences(80, "en", 0)).name, put(tagged_sentences(20, "en", 1)).name
        self._tests = {language: put(tagged_sentences(150, language, 2)).name for language in ("sv", "de", "fi")}
        self._kinds: dict[str, Callable[[], Job]] = {
            "fine-tuning": lambda: self._tune(1),
            "two workers": lambda: self._tune(2),
            "sweep": self._sweep,
        }
        first = self.undisturbed("fine-tuning")
        self._checkpoint = first.checkpoint
        self._kinds["evaluation"] = lambda: mesh.trainer.evaluate(self._checkpoint, self._tests)
        self.expected = {"fine-tuning": first} | {
            kind: self.undisturbed(kind) for kind in self._kinds if kind != "fine-tuning"
        }

    def enter(self, kind: str) -> Job:
        """Enters a job."""
        return self._kinds[kind]()

    def undisturbed(self, kind: str) -> Job:
        """A job that has ended with nothing killed."""
        job = self._mesh.trainer.wait_for_job(self.enter(kind).name)
        assert job.state == "succeeded", job
        return job

    def _tune(self, workers: int) -> Job:
        return self._mesh.trainer.fine_tune(
            "tiny",
            "pos",
            {"en": self._train},
            dev={"en": self._dev},
            test=self._tests,
            epochs=4.0,
            learning_rate=2e-3,
            step_tokens=128,
            evaluations=2,
            dropout=0.1,
            workers=workers,
        )

    def _sweep(self) -> Job:
        task = SweepTask("pos", {"en": (self._train, self._dev)}, {"en": self._dev, "sv": self._tests["sv"]})
        axes: Any = {"random_init": {"1-2": (1, 2)}, "seeds": (0, 1)}
        return self._mesh.trainer.sweep("tiny", [task], axes=axes, epochs=2.0, learning_rate=2e-3, step_tokens=128)


def test_all_jobs_end_with_the_undisturbed_numbers(mesh: babelscope.LocalMesh, runner: str) -> None:
    jobs = _Jobs(mesh)
    draw, killer = random.Random(f"{SEED} {runner}"), _Killer(mesh, runner)
    ended: Counter[str] = Counter()
    while killer.killed.total() < KILLS[runner]:
        kind = list(jobs.expected)[ended.total() % len(jobs.expected)]
        job = jobs.enter(kind)
        while killer.killed.total() < KILLS[runner] and killer.kill(draw, job.name):
            pass
        done, expected = mesh.trainer.wait_for_job(job.name), jobs.expected[kind]
        assert (done.state, done.reason) == ("succeeded", ""), (kind, done, mesh.logs["trainer"].read_text()[-6000:])
        assert (done.checkpoint, done.figures, done.sweep) == (expected.checkpoint, expected.figures, expected.sweep)
        ended[kind] += 1
        log.info("%s after %d kills: %s", kind, killer.killed.total(), dict(killer.killed))
    log.info("%d kills %s; ended %s", killer.killed.total(), dict(killer.killed), dict(ended))
    for kind in jobs.expected:  # what a killed writer has left is removed by the next one that writes there
        jobs.undisturbed(kind)
    _leaves_nothing(mesh)


class _Killer:
    """Kills what works on a job, at random moments.

    Args:
        mesh: The servers.
        runner: What runs jobs.
    """

    def __init__(self, mesh: babelscope.LocalMesh, runner: str) -> None:
        self._mesh, self._runner = mesh, runner
        self.killed: Counter[str] = Counter()

    def kill(self, draw: random.Random, job: str) -> bool:
        """Waits for a random moment and kills; whether the job may be hit again."""
        if not self._moment(draw, job):
            return False
        working = jobs_by_process(self._mesh)
        trainer = self._mesh.pids["trainer"]
        open_jobs = [each for each in self._family(job) if not each.ended]
        victim = draw.choice(VICTIMS[self._runner])
        if trainer is None or not working or max((each.attempts for each in open_jobs), default=STARTS) >= STARTS:
            # Once more may be once too often: this job is let alone until it has ended.
            return bool(open_jobs) and all(each.attempts < STARTS for each in open_jobs)
        if victim != "child" and any(each.state == "queued" and each.attempts == STARTS - 1 for each in open_jobs):
            return True  # it may be claimed for the last time while Ray or the trainer is killed
        with suppress(OSError, ValueError, IndexError):  # it has ended meanwhile, or is not there yet
            os.kill(self._find(draw, victim, trainer, list(working)), SIGKILL)
            self.killed[victim] += 1
        return True

    def _find(self, draw: random.Random, victim: str, trainer: int, working: list[int]) -> int:
        match victim:
            case "child":
                return draw.choice(working)
            case "worker":
                return parent(draw.choice(working))
            case "trainer":
                return trainer
            case "driver" | "host":
                return draw.choice(children(trainer, f"services.trainer.cluster.{victim}"))
            case "template":
                return draw.choice(children(trainer, "services.trainer.driver.template"))
            case _:
                [host] = children(trainer, "services.trainer.cluster.host")
                [found] = [pid for pid, name in members(host).items() if name == victim]
                return found

    def _family(self, job: str) -> list[Job]:
        """A job that is worked on, or the jobs of one that has some."""
        trainer = self._mesh.trainer
        return trainer.list_jobs(parent=job) or [trainer.get_job(job)]

    def _moment(self, draw: random.Random, job: str) -> bool:
        """Waits until some process works, and then for some time or some events; False once the job has ended."""
        trainer = self._mesh.trainer
        while not jobs_by_process(self._mesh):
            if trainer.get_job(job).ended:
                return False
            time.sleep(0.1)
        wanted = draw.randint(1, MOST_EVENTS) if draw.random() < 0.7 else None
        end = time.monotonic() + draw.uniform(0.0, LONGEST)
        before = self._told(job)
        while time.monotonic() < end and not (wanted and self._told(job) >= before + wanted):
            with suppress(RpcError):
                if trainer.get_job(job).ended:
                    return False
            time.sleep(0.05)
        return True

    def _told(self, job: str) -> int:
        """Events so far."""
        try:
            return sum(each.last_event for each in self._family(job))
        except RpcError:
            return 0


def _settles(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + SETTLE_SECONDS
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)


def _leaves_nothing(mesh: babelscope.LocalMesh) -> None:
    """No process of a job, no file of one, no partial file in the store, and no lease."""
    work = work_folder(mesh)
    _settles(lambda: not jobs_by_process(mesh))
    _settles(lambda: not list(work.iterdir()))
    assert not list(work.parent.parent.rglob(".*.babelscope-partial"))
    with closing(sqlite3.connect(f"file:{work.parent / 'jobs.db'}?mode=ro", uri=True)) as database:
        held = "SELECT count(*) FROM jobs WHERE lease_token != '' OR owner != '' OR state IN ('queued', 'running')"
        assert database.execute(held).fetchone() == (0,)
