"""The place of a job on the machine that Ray has chosen: an actor that holds the job's process."""

import shutil
import socket
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from services.trainer.driver.process import JobProcess, launch
from services.trainer.driver.protocol import WORKER_LOG, Assignment


class Seat:
    """Becomes an actor. When it dies, the pipe to the job's process closes, and the process ends itself."""

    def __init__(self) -> None:
        self._process: JobProcess | None = None
        self._until = 0.0
        self._folder = Path()
        self._rank = 0

    def clock(self) -> float:
        """This machine's clock, in which the end of a lease is told: clocks of two machines differ."""
        return time.monotonic()

    def meeting(self) -> str:
        """Where the workers of a job find one another if this one is the first: a port of its machine."""
        import ray

        with socket.socket() as free:
            free.bind(("", 0))
            host = ray.util.get_node_ip_address()  # type: ignore[no-untyped-call]
            return f"tcp://{host}:{free.getsockname()[1]}"

    def start(self, work: str, assignment: bytes, env: Mapping[str, str], until: float) -> None:
        """Starts the job's process.

        Args:
            work: `MODULE:FUNCTION` that does the job.
            assignment: What it is to do, as a line of the protocol.
            env: Environment, beside this machine's own.
            until: End of the lease, by this machine's clock.
        """
        read = Assignment.read(assignment)
        self._rank = read.rank
        # Workers on several machines share no folder, so those on one do not either.
        self._folder = Path(read.workdir + (f".worker-{read.rank}" if read.rank else ""))
        self._until = until
        self._folder.mkdir(parents=True, exist_ok=True)
        held = replace(read, workdir=str(self._folder), lease_seconds=until - time.monotonic())
        self._process = launch(work, held, env, self._folder / WORKER_LOG)

    def reports(self, until: float, seconds: float) -> tuple[list[bytes], bool]:
        """Passes the lease on, and waits for reports.

        Args:
            until: End of the lease, by this machine's clock.
            seconds: Most time to wait.

        Returns:
            Reports as lines of the protocol, in order, and whether the process has ended and there are no more.
        """
        process = self._running()
        if until > self._until:
            self._until = until
            process.renew(until - time.monotonic())
        found = []
        report = process.report(seconds)
        while report is not None:
            found.append(report.line())
            report = process.report(0.0)
        return found, process.ended

    def stop(self, patience: float, forget: bool) -> str:
        """Ends the job's process.

        Args:
            patience: Seconds between SIGTERM and SIGKILL.
            forget: Whether to remove the job's folder on this machine.

        Returns:
            How it ended, for people.
        """
        process = self._running()
        process.stop(patience)
        words = process.last_words()
        # The folder of a worker besides the first one holds nothing that another attempt could use.
        if forget or self._rank:
            shutil.rmtree(self._folder, ignore_errors=True)
        return words

    def _running(self) -> JobProcess:
        if self._process is None:
            raise RuntimeError("The job's process was not started")
        return self._process
