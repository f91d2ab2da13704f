"""A job on Ray as its trainer sees it: `python -m services.trainer.cluster.driver MODULE:FUNCTION PLAN`.

Keeps to the protocol of a job's process: reads the assignment and renewals, writes reports. The job itself is done by a
process that an actor holds, wherever Ray has room for it. Where Ray, the actor or this process dies, the attempt has
failed like that of any process that dies, and the next one goes on from the last state.
"""

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO, Final, NoReturn

from services.trainer.cluster import folders
from services.trainer.cluster.plan import Plan
from services.trainer.cluster.seats import seats
from services.trainer.driver.child import Lease
from services.trainer.driver.protocol import EVENTS_VARIABLE, Assignment, Report

log = logging.getLogger(__name__)

_POLL_SECONDS: Final = 0.5
_JOIN_SECONDS: Final = 120.0
"""Most seconds that joining Ray takes, which takes seconds."""
_TELL_SECONDS: Final = 10.0
"""Seconds that a job waits for room before it tells of it."""
_ANSWER_SECONDS: Final = 60.0
"""Most seconds that an actor takes to answer; one that takes longer is given up."""
_CLOSE_SECONDS: Final = 5.0


def main() -> None:
    """Sees one job through."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    events = os.fdopen(int(os.environ.pop(EVENTS_VARIABLE)), "wb")
    # Without a buffer, whose lock a thread that reads would hold for ever when the interpreter ends.
    lines = os.fdopen(0, "rb", buffering=0)
    assignment = Assignment.read(lines.readline())
    lease = Lease(lines, assignment.lease_seconds)
    work, plan = sys.argv[1], Plan.read(sys.argv[2])
    final: bytes | None = None
    if plan.folder:
        folders.end_with(Path(plan.folder))
    try:
        address = plan.address or folders.wait_for_address(Path(plan.folder))
        import ray

        final = _Drive(ray, plan, lease, events).to_the_end(address, work, assignment)
        if final is not None:
            _write(events, final)
    except Exception as error:
        log.error("the job could not be seen through on Ray: %s: %s", type(error).__name__, error)
    # At once: what Ray does at the interpreter's end may hang where the other side has died.
    logging.shutdown()
    os._exit(0 if final is not None else 1)


def _write(events: BinaryIO, line: bytes) -> None:
    events.write(line)
    events.flush()


class _Drive:
    """A job and its actor.

    Args:
        ray: The module, whose functions are typed in part.
        plan: Where and with what it runs.
        lease: The right to work on it.
        events: File that receives the reports.
    """

    def __init__(self, ray: Any, plan: Plan, lease: Lease, events: BinaryIO) -> None:
        self._ray = ray
        self._plan, self._lease, self._events = plan, lease, events
        self._stopping = threading.Event()
        self._done: set[int] = set()

    def to_the_end(self, address: str, work: str, assignment: Assignment) -> bytes | None:
        """Runs the job.

        Returns:
            Its last report, which is not written yet; None where there is none.
        """
        ray = self._ray
        # Ray itself tries for many minutes to reach what no longer answers.
        late = threading.Timer(_JOIN_SECONDS, _give_up, [f"Ray does not answer within {_JOIN_SECONDS:.0f} s"])
        late.daemon = True
        late.start()
        ray.init(address=address, log_to_driver=False, logging_level=logging.WARNING)
        late.cancel()
        # After Ray, which sets a handler of its own.
        signal.signal(signal.SIGTERM, lambda *_: self._stopping.set())
        try:
            if reason := self._too_large(ray.cluster_resources(), assignment.workers):
                return Report(failure=reason).line()
            with seats(ray, self._plan.cpus, self._plan.gpus, assignment.workers) as found:
                return self._see_through(found, work, assignment)
        finally:
            _bounded(ray.shutdown)

    def _too_large(self, resources: dict[str, float], workers: int) -> str:
        """Why the Ray of this machine will never have room; a cluster may grow."""
        if self._plan.address:
            return ""
        return "; ".join(
            f"Expected at most {resources.get(name, 0.0):g} {name} for all workers, which is what {owner}, "
            f"but got {wanted:g}"
            for name, wanted, owner in (
                ("CPU", self._plan.cpus * workers, "the settings `slots` times `threads` give to jobs on this machine"),
                ("GPU", self._plan.gpus * workers, "this machine has"),
            )
            if wanted > resources.get(name, 0.0)
        )

    def _see_through(self, seats: Sequence[Any], work: str, assignment: Assignment) -> bytes | None:
        ahead = self._settle(seats)
        if ahead is None:
            return None

        def ask(method: str, *arguments: Sequence[object]) -> list[Any]:
            """Asks all actors at once, each with its own of the arguments."""
            asked = [getattr(seat, method).remote(*own) for seat, *own in zip(seats, *arguments, strict=True)]
            return list(self._ray.get(asked, timeout=_ANSWER_SECONDS))

        def same(value: object) -> list[object]:
            return [value] * len(seats)

        def until() -> list[float]:
            return [time.monotonic() + self._lease.seconds + each for each in ahead]

        own = self._assignments(seats, assignment)
        ask("start", same(work), [each.line() for each in own], same(dict(self._plan.env)), until())
        final: bytes | None = None
        dead = False
        while not (dead or final or self._stopping.is_set()):
            for rank, (lines, ended) in enumerate(ask("reports", until(), same(_POLL_SECONDS))):
                for line in lines:
                    report = Report.read(line)
                    if report.failure is not None or (report.final and rank == 0):
                        final = final or line
                    elif report.final:
                        self._done.add(rank)
                    elif rank == 0:
                        _write(self._events, line)
                dead = dead or (ended and rank not in self._done)
        over = final is not None or self._stopping.is_set()
        # The trainer waits no longer than that for the whole.
        patience = self._plan.stop_seconds / 2 if self._stopping.is_set() else 0.0
        words = ask("stop", same(patience), same(over and bool(self._plan.address)))
        if not over:
            log.error("%s", next((each for each in words if "signal" in each), words[0]))
        return final

    def _assignments(self, seats: Sequence[Any], assignment: Assignment) -> list[Assignment]:
        """What each worker is told."""
        if assignment.workers == 1:
            return [assignment]
        meeting = self._ray.get(seats[0].meeting.remote(), timeout=_ANSWER_SECONDS)
        return [replace(assignment, rank=rank, meeting=meeting) for rank in range(len(seats))]

    def _settle(self, seats: Sequence[Any]) -> list[float] | None:
        """Waits until all actors have room.

        Returns:
            What the clock of each one's machine shows more than this one's, at least; None where the job was stopped.
        """
        readings = [seat.clock.remote() for seat in seats]
        waited = 0.0
        while self._ray.wait(readings, num_returns=len(readings), timeout=_POLL_SECONDS)[1]:
            if self._stopping.is_set():
                return None
            waited += _POLL_SECONDS
            if _TELL_SECONDS <= waited < _TELL_SECONDS + _POLL_SECONDS:
                _write(self._events, Report(events=(("note", b"waits until Ray has room for it"),)).line())
        # Less the way back: the lease ends there too early rather than too late.
        return [float(self._ray.get(seat.clock.remote(), timeout=_ANSWER_SECONDS)) - time.monotonic() for seat in seats]


def _give_up(reason: str) -> NoReturn:
    log.error("the job could not be seen through on Ray: %s", reason)
    logging.shutdown()
    os._exit(1)


def _bounded(action: Callable[[], object]) -> None:
    """Does something, but does not wait for it for ever."""
    thread = threading.Thread(target=action, daemon=True)
    thread.start()
    thread.join(_CLOSE_SECONDS)


if __name__ == "__main__":
    main()
