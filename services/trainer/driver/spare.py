"""The process of a slot between two jobs of one parent: the next one need not start and load what is there already."""

from collections.abc import Callable
from pathlib import Path

from services.trainer.driver.process import JobProcess, Running
from services.trainer.driver.protocol import Assignment


class Spare:
    """Holds at most one process that waits for its next job.

    It holds one only from the end of a job to the claim of the next: where that is of another parent or kind, or there
    is none, the process ends.

    Args:
        start: Starts what does a job.
    """

    def __init__(self, start: Callable[[Assignment, Path], Running]) -> None:
        self._start = start
        self._waiting: tuple[JobProcess, tuple[str, str]] | None = None

    def take(self, parent: str, assignment: Assignment, log: Path) -> Running:
        """What does a job: the process that waits, where it has done one of the same parent, or else a new one.

        Args:
            parent: Id of the job that made the job; empty where none did.
            assignment: What is to be done.
            log: File that receives the output.
        """
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            process, served = waiting
            if assignment.keep and served == (parent, assignment.kind) and process.assign(assignment, log):
                return process
            process.stop()
        return self._start(assignment, log)

    def give(self, parent: str, assignment: Assignment, process: Running) -> bool:
        """Keeps the process of a job that has succeeded, where its assignment says so.

        Returns:
            Whether it is kept; it is to be stopped otherwise.
        """
        if not (assignment.keep and isinstance(process, JobProcess)):
            return False
        self.end()
        self._waiting = process, (parent, assignment.kind)
        return True

    def end(self) -> None:
        """Ends the process that waits, if there is one."""
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting[0].stop()
