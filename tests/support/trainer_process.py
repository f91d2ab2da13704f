"""A trainer without a door, as a process: `python -m tests.support.trainer_process URL WORKDIR LEASE SLOTS RUNNER`.

The runner is `process` (forks of a template), `cold` (new interpreters) or `ray`.
"""

import json
import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from services.trainer.cluster.runner import RayRunner
from services.trainer.driver.attempt import DispatchSettings, Tables
from services.trainer.driver.dispatcher import Dispatcher
from services.trainer.driver.families import Child
from services.trainer.driver.process import launch
from services.trainer.driver.warm import Warm
from services.trainer.jobs.checkpoints import Checkpoints
from services.trainer.jobs.database import Database
from services.trainer.jobs.families import Families, Tally
from services.trainer.jobs.records import NewJob
from services.trainer.jobs.table import JobTable

WORKS = {
    name: f"tests.support.job_works:{name}"
    for name in (
        "count",
        "with_children",
        "stubborn",
        "refused",
        "broken",
        "deadly",
        "needs",
        "stumbles",
        "whose",
        "loses",
    )
}

DEAD = "DEVICE_IS_DEAD"
"""Environment variable of a trainer whose device computes in no process."""


class Counts:
    """A job with jobs of its own: its specification is the list of their kinds and specifications."""

    def children(self, spec: bytes) -> list[NewJob]:
        """The jobs."""
        return [
            NewJob(kind, json.dumps(each).encode(), labels={"place": str(place)}, max_attempts=50)
            for place, (kind, each) in enumerate(json.loads(spec))
        ]

    def outcome(self, spec: bytes, children: Sequence[Child]) -> bytes:
        """Their results, in order."""
        return b" ".join(child.result for child in children)

    def progress(self, tally: Tally) -> bytes:
        """Those that have ended, of all."""
        return b"%d of %d" % (tally.ended, tally.total)


def _broken() -> None:
    sys.stdout.write("broken\n")
    sys.stdout.flush()


def main() -> None:
    """Works until SIGTERM."""
    url, workdir, lease, slots, runner = sys.argv[1:]
    database = Database(url)
    address = os.environ.get("RAY_ADDRESS", "")
    warm = Warm((), {})
    starts = {"process": warm.launch, "cold": launch}
    ray = RayRunner(address, cpus=1, gpus=0.0, slots=int(slots), stop_seconds=2.0, env={}) if runner == "ray" else None
    settings = DispatchSettings(
        WORKS,
        Path(workdir),
        slots=int(slots),
        families={"family": Counts()},
        lease_seconds=float(lease),
        idle_seconds=0.05,
        stop_seconds=1.0 if ray is None else 5.0,
        launch=starts[runner] if ray is None else ray.launch,
        shared=frozenset({"count", "whose"} if ray is None else ()),
        computes=lambda: DEAD not in os.environ,
    )
    dispatcher = Dispatcher(Tables(JobTable(database), Checkpoints(database), Families(database)), settings, _broken)
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    dispatcher.start()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    ended.wait()
    dispatcher.close()
    warm.close()
    if ray is not None:
        ray.close()


if __name__ == "__main__":
    main()
